import type { Event } from '../base/event.ts';
import { worksOf, type Journey } from '../plan/journey.ts';
import type { Dated, UpgradeState } from './ledger.ts';

/** How far an upgrade has come, once a fact is written; undefined for facts that people need not hear of one by one. */
export function progressOf(fact: Dated, state: UpgradeState, journey: Journey): Event | undefined {
  const text = textOf(fact, journey);
  if (text === undefined) return undefined;
  const stage = 'stage' in fact ? { stage: fact.stage } : {};
  return { type: 'progress', text, ...stage, done: state.done.size, of: turnsOf(journey) };
}

/** Hosts in stages: what an upgrade has to do, counted. */
export function turnsOf({ stages }: Journey): number {
  return stages.reduce((sum, stage) => sum + worksOf(stage).length, 0);
}

function textOf(fact: Dated, { stages }: Journey): string | undefined {
  switch (fact.type) {
    case 'wave-begun': {
      const stage = stages.find(({ id }) => id === fact.stage)!;
      const wave = stage.waves[fact.wave]!;
      const which = stage.waves.length === 1 ? '' : wave.canary ? ', the canary' : `, wave ${fact.wave + 1} of ${stage.waves.length}`;
      return `${fact.stage}${which}: ${listed(fact.hosts)}`;
    }
    case 'host-done':
      return `${fact.host} is done (${fact.stage})`;
    case 'host-failed':
      return `${fact.host} ${fact.unreachable ? 'is unreachable' : 'has failed'} (${fact.stage}): ${fact.why}`;
    case 'cell-failed':
      return `${fact.cell} has failed: ${fact.why}`;
    case 'lease-taken':
      return `taken: ${fact.take}`;
    case 'lease-given':
      return `given back: ${fact.take}`;
    default:
      return undefined;
  }
}

/** A few names, and how many more. */
export function listed(hosts: readonly string[]): string {
  return hosts.length <= 6 ? hosts.join(', ') : `${hosts.slice(0, 5).join(', ')} and ${hosts.length - 5} more`;
}
