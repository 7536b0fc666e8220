import { clean } from '../base/printable.ts';
import { Invalid, nearest } from '../base/problem.ts';
import { nowhere, readRuns } from '../engine/journal.ts';
import { stateOf, type Dated } from '../engine/ledger.ts';
import { durations } from '../engine/preview.ts';
import { progressOf } from '../engine/progress.ts';
import * as engine from '../engine/upgrade.ts';
import { faultKinds, Fleet, type Fault } from '../fleet/fleet.ts';
import { knownReleases } from '../inventory/read.ts';
import type { Inventory } from '../inventory/types.ts';
import { expand } from '../plan/expand.ts';
import type { Journey } from '../plan/journey.ts';
import { releaseBefore } from '../plan/skew.ts';
import { colors, count, eventText, time } from '../report/words.ts';
import { placeholders } from '../secrets/placeholders.ts';
import { journeyIn, openCloud, placesOf, type Cloud } from './cloud.ts';
import { exits } from './exit.ts';
import type { Options } from './options.ts';
import { peopleStream, print, say, show, useColor } from './output.ts';
import { statusLines } from './upgrade-status.ts';

/** Runs the upgrade of an inventory over simulated hosts: the real planner and engine, no machine, no waiting. */
export async function rehearse(options: Options): Promise<number> {
  const cloud = openCloud(options);
  const secrets = placeholders();
  const journey = journeyIn(cloud, secrets);
  const from = options.from ?? releaseBefore(journey.to);
  refuseUnknown(from, options, cloud);
  const before = expand(released(cloud.inventory, from), cloud.roles, secrets.get);
  const faults = (options.fail ?? []).map((text) => faultOf(text, journey));
  const seconds = durations(readRuns(placesOf(options.inventory).runs, 50));
  const fleet = new Fleet({ journey, before, faults, seconds });
  const facts: Dated[] = [];
  const c = colors(useColor(peopleStream(options)));
  const tell = (heard: Parameters<typeof eventText>[0]): void => {
    const event = clean(heard);
    if (options.json) void print(`${JSON.stringify({ at: fleet.clock.now() / 1000, ...event })}\n`);
    const text = eventText(event, c);
    if (text !== undefined && event.type !== 'step-changed' && event.type !== 'health-ok')
      show(options, `${clock(fleet.clock.now() / 1000)} ${text}`);
  };
  const note = (text: string): Promise<boolean> => {
    tell({ type: 'note', text });
    return Promise.resolve(true);
  };
  const verdict = await engine.upgrade({
    journey: fleet.journey,
    open: fleet.open,
    clock: fleet.clock,
    from: [from],
    command: 'cellwise upgrade rehearse',
    run: 'rehearsal',
    holder: { run: 'rehearsal', who: 'rehearsal', what: 'cellwise upgrade rehearse', since: new Date(0).toISOString() },
    ledger: {
      facts,
      write: (fact) => {
        facts.push({ at: new Date(fleet.clock.now()).toISOString(), ...fact });
      },
    },
    journal: nowhere,
    drain: new AbortController().signal,
    emit: tell,
    accept: ({ step }) => note(`would ask: ${step} cannot be taken back`),
    tryOut: (host) => note(`would boot a machine on ${host}`).then(() => ({ kind: 'done' })),
    goOn: (question) => note(`would ask: ${question}`),
    pauseAsked: () => false,
    local: async ({ run }) => {
      await note(`would run here: ${run}`);
      return { code: 0, out: Buffer.alloc(0), err: Buffer.alloc(0) };
    },
    heard: (fact, state) => {
      const event = progressOf(fact, state, fleet.journey);
      if (event) tell(event);
    },
  });
  return end(options, fleet, facts, verdict);
}

function end(options: Options, fleet: Fleet, facts: readonly Dated[], verdict: engine.Verdict): number {
  const state = stateOf(facts)!;
  const changed = fleet.deeds.filter((deed) => deed.changed).length;
  if (verdict.kind === 'paused') {
    say(options, `It would pause: ${verdict.why}`);
    for (const line of statusLines(state, facts, state.done.size + state.failed.size, 0).slice(2)) say(options, line);
    return exits.failed;
  }
  if (changed === 0) {
    say(options, `Nothing would change: the roles ask for the same in ${state.from.join()} and in ${state.to}.`);
    return exits.done;
  }
  say(
    options,
    `It would end well: ${count(changed, 'change')} on ${count(state.hosts, 'host')} in ${time(fleet.clock.now() / 1000)}, as far as times are known from earlier runs.`,
  );
  return exits.done;
}

function refuseUnknown(from: string, { from: given }: Options, { inventory }: Cloud): void {
  const known = knownReleases();
  if (known.includes(from)) return;
  throw new Invalid([
    given === undefined
      ? inventory.document.problem({
          code: 'bad-value',
          path: ['cloud', 'release'],
          message: `${inventory.cloud.release} is the first release that Cellwise knows: there is none to upgrade from`,
          hint: `Write the release that you want to upgrade to: ${known.slice(1).join(', ')}`,
        })
      : { code: 'bad-value', message: `Cellwise does not know the release ${given}`, hint: `It knows ${known.join(', ')}.` },
  ]);
}

/** The same inventory at another release: what the cloud was before. */
function released(inventory: Inventory, release: string): Inventory {
  const other = { ...inventory, cloud: { ...inventory.cloud, release } };
  return Object.defineProperty(other, 'document', { value: inventory.document });
}

/** HOST:STEP or HOST:STEP:KIND; KIND is fail when left out. */
function faultOf(text: string, journey: Journey): Fault {
  const [host = '', ...rest] = text.split(':');
  const last = rest.at(-1) ?? '';
  const kind = faultKinds.find((each) => each === last);
  const step = (kind === undefined ? rest : rest.slice(0, -1)).join(':');
  const hosts = journey.plan.hosts.map(({ name }) => name);
  if (!hosts.includes(host)) {
    const near = nearest(host, hosts);
    throw new Invalid([
      {
        code: 'unknown-host',
        message: `There is no host ${host}`,
        hint: near === undefined ? 'Say --fail HOST:STEP.' : `Did you mean "${near}"?`,
      },
    ]);
  }
  const steps = [...journey.plan.nodes].flatMap(([id, node]) => (node.kind !== 'ready' && node.host === host ? [id] : []));
  if (!steps.some((id) => id.includes(step))) {
    throw new Invalid([
      {
        code: 'usage',
        message: `${host} has no step "${step}"`,
        hint: `It has ${steps.slice(0, 8).join(', ')}, …. After the step, say what goes wrong: ${faultKinds.join(', ')}.`,
      },
    ]);
  }
  return { host, step, kind: kind ?? 'fail' };
}

/** Hours, minutes and seconds since the beginning. */
function clock(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(11, 19);
}
