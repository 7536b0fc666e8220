// What can go wrong, one after the other: a fault at every step and check of an upgrade, a crash at every record.
import { expect } from 'vitest';
import { faultKinds, type Fault, type Fleet } from '../../src/fleet/fleet.ts';
import { worksOf } from '../../src/plan/journey.ts';
import { Deployer, Killed } from './clouds.ts';
import { arrived, lawful } from './laws.ts';

/** Every node that an upgrade comes to, by host. */
function nodesOf({ journey }: Fleet): { readonly host: string; readonly step: string }[] {
  const ids = journey.stages.flatMap((stage) => [
    ...[...stage.leases.flatMap(({ take, give }) => [take, give]), ...stage.before, ...stage.after].map((step) => ({
      host: step.slice(0, step.indexOf('/')),
      step,
    })),
    ...worksOf(stage).flatMap(({ host, ...work }) =>
      [...work.gate, ...work.drain, ...work.steps, ...work.health, ...work.restore].map((step) => ({ host, step })),
    ),
  ]);
  return [...new Map(ids.map((each) => [each.step, each])).values()];
}

/**
 * A fault at each of these nodes, of one kind after the other: each ends with the cloud there, or paused with no more than
 * one host failed; healed, it goes on to the end. Returns how many were tried.
 */
export async function everyFault(
  fleets: (...faults: readonly Fault[]) => Fleet,
  here: (host: string) => boolean,
  kinds = faultKinds,
): Promise<number> {
  const nodes = nodesOf(fleets()).filter(({ host }) => here(host));
  for (const [i, node] of nodes.entries()) {
    const fault: Fault = { ...node, kind: kinds[i % kinds.length]! };
    const deployer = new Deployer(fleets(fault));
    try {
      await throughFault(deployer);
    } catch (error) {
      throw new Error(`${fault.kind} at ${fault.step}`, { cause: error });
    }
  }
  return nodes.length;
}

async function throughFault(deployer: Deployer): Promise<void> {
  const verdict = await deployer.run();
  if (verdict.kind === 'paused') {
    expect(deployer.state.status).toBe('paused');
    expect(new Set([...deployer.state.failed.values()].map(({ host }) => host)).size).toBeLessThanOrEqual(1);
    lawful(deployer);
    deployer.fleet.heal();
    expect(await deployer.run()).toEqual({ kind: 'finished' });
  }
  arrived(deployer);
}

/** The deployer is killed at each of these records; the next one goes on to the end. Returns how many records there were. */
export async function everyCrash(fleets: () => Fleet, here: (record: number) => boolean = () => true): Promise<number> {
  let record = 1;
  for (; ; record += 1) {
    if (!here(record)) continue;
    const deployer = new Deployer(fleets());
    deployer.records = record;
    try {
      if (await finishes(deployer)) return record;
    } catch (error) {
      throw new Error(`killed at record ${record}`, { cause: error });
    }
  }
}

/** True: it was over before it came to that record. */
async function finishes(deployer: Deployer): Promise<boolean> {
  try {
    expect(await deployer.run()).toEqual({ kind: 'finished' });
    return true;
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  }
  // Commands that were under way go on without it.
  await deployer.fleet.clock.sleep(600_000);
  deployer.reborn();
  expect(await deployer.run()).toEqual({ kind: 'finished' });
  arrived(deployer);
  return false;
}
