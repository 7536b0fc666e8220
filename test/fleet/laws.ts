// What must be true of every upgrade, however it went.
import { expect } from 'vitest';
import { portion } from '../../src/base/waves.ts';
import { compare } from '../../src/base/state.ts';
import type { Deed, Fleet } from '../../src/fleet/fleet.ts';
import { worksOf, type Lease, type Stage } from '../../src/plan/journey.ts';
import type { Step } from '../../src/plan/plan.ts';
import type { Deployer } from './clouds.ts';

/** All that holds at any end. */
export function lawful(deployer: Deployer): void {
  const { fleet } = deployer;
  noLeaseLost(deployer);
  noStepTwice(fleet);
  inOrder(fleet);
  neverMoreThanAllowed(fleet);
  journalled(deployer);
}

/** The cloud is there: every step is so, on every host, and nothing is taken. */
export function arrived(deployer: Deployer): void {
  const { fleet, state } = deployer;
  expect(state.status).toBe('finished');
  expect([...state.leases.keys()]).toEqual([]);
  const steps = fleet.journey.stages.flatMap((stage) => worksOf(stage).flatMap((work) => work.steps));
  const missing = steps.filter((id) => fleet.journey.plan.nodes.get(id)!.kind === 'step' && !fleet.isSo(id));
  expect(missing).toEqual([]);
  lawful(deployer);
}

/** Whatever is taken on a host is either given back or stands in the ledger as owed. */
function noLeaseLost({ fleet, state }: Deployer): void {
  const taken = leasesOf(fleet).filter(({ take }) => fleet.isSo(take));
  expect(taken.filter(({ take }) => !state.leases.has(take)).map(({ take }) => take)).toEqual([]);
}

export function leasesOf({ journey: { stages } }: Fleet): Lease[] {
  return stages.flatMap((stage) => [...stage.leases, ...worksOf(stage).flatMap(({ leases }) => leases)]);
}

/** A step changes its host once, however often the upgrade was begun again. Leases are taken as often as need be. */
function noStepTwice(fleet: Fleet): void {
  const leases = new Set(leasesOf(fleet).flatMap(({ take, give }) => [take, give]));
  const changed = fleet.deeds.filter((deed) => deed.changed && !leases.has(deed.step)).map(({ step }) => step);
  expect(changed.length).toBe(new Set(changed).size);
}

/** A stage begins when those before it are over; on a host, what the graph says; the drained host is given back last. */
function inOrder(fleet: Fleet): void {
  const { stages, plan } = fleet.journey;
  const done = new Map<string, Deed>();
  for (const deed of fleet.deeds) if (deed.changed) done.set(deed.step, done.get(deed.step) ?? deed);
  let before = 0;
  for (const stage of stages) {
    // A cell that failed is gone back to, and another was gone on with: cells wait for what is before them all.
    const deeds = worksOf(stage).flatMap(({ steps }) => steps.flatMap((id) => done.get(id) ?? []));
    for (const deed of deeds) expect(deed.from, deed.step).toBeGreaterThanOrEqual(before);
    if (stage.phase !== 'cells') before = Math.max(before, ...deeds.map(({ to }) => to));
  }
  // Leases are given back as far as they were taken: some of them, when the last one failed.
  const leases = new Set(leasesOf(fleet).flatMap(({ take, give }) => [take, give]));
  for (const [id, deed] of done) {
    for (const need of plan.graph.needs(id).keys()) {
      const other = done.get(need);
      if (other && !(leases.has(id) && leases.has(need))) expect(other.to, `${need} before ${id}`).toBeLessThanOrEqual(deed.from);
    }
  }
  const finish = stages.filter(({ phase }) => phase === 'finish').flatMap((stage) => worksOf(stage).flatMap(({ steps }) => steps));
  if (finish.some((id) => done.has(id))) {
    const rest = stages.filter(({ phase }) => phase !== 'finish').flatMap((stage) => worksOf(stage).flatMap(({ steps }) => steps));
    expect(rest.filter((id) => plan.nodes.get(id)!.kind === 'step' && !fleet.isSo(id))).toEqual([]);
  }
}

/** Hosts that are worked on at one time, stage by stage: from the first step on a host to the last. */
function neverMoreThanAllowed(fleet: Fleet): void {
  for (const stage of fleet.journey.stages) {
    const works = worksOf(stage);
    const allowed = portion(stage.policy.maxUnavailable, works.length);
    expect(atOnce(stage, fleet), stage.id).toBeLessThanOrEqual(allowed);
  }
}

function atOnce(stage: Stage, { deeds }: Fleet): number {
  const hostOf = new Map(worksOf(stage).flatMap(({ host, steps }) => steps.map((id) => [id, host])));
  // One visit of a host is a run of deeds without a second's break.
  const visits: { host: string; from: number; to: number }[] = [];
  for (const deed of deeds.toSorted((a, b) => a.from - b.from)) {
    const host = hostOf.get(deed.step);
    if (host === undefined) continue;
    const visit = visits.findLast((each) => each.host === host);
    if (visit && deed.from - visit.to < 1) visit.to = Math.max(visit.to, deed.to);
    else visits.push({ host, from: deed.from, to: deed.to });
  }
  return Math.max(
    0,
    ...visits.map(
      (visit) => new Set(visits.filter((each) => each.from <= visit.from && visit.from < each.to).map(({ host }) => host)).size,
    ),
  );
}

/** What was done was written down before: a crash loses no intent. */
function journalled({ fleet, journal }: Deployer): void {
  const begun = new Set(journal.flatMap((event) => (event.type === 'step-start' ? [event.step] : [])));
  expect(fleet.deeds.filter(({ step, changed }) => changed && !begun.has(step)).map(({ step }) => step)).toEqual([]);
}

export function isFree(fleet: Fleet, { give }: Lease): boolean {
  const step = fleet.journey.plan.nodes.get(give) as Step;
  return compare(fleet.stateOf(give), step.resource.desired(step.params)) === null;
}
