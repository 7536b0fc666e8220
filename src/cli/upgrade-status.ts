import { openLedger, stateOf, type Dated, type UpgradeState } from '../engine/ledger.ts';
import { listed, turnsOf } from '../engine/progress.ts';
import { count, time } from '../report/words.ts';
import { placeholders } from '../secrets/placeholders.ts';
import { journeyIn, placesOf, readCloud } from './cloud.ts';
import { exits } from './exit.ts';
import type { Options } from './options.ts';
import { print, say } from './output.ts';

/** Tells where the last upgrade stands, from what it wrote down. */
export function tellStatus(options: Options): number {
  const { facts } = openLedger(placesOf(options.inventory).upgrade.ledger);
  const state = stateOf(facts);
  if (!state) {
    say(options, 'No upgrade was begun from here. Look at the way by `cellwise upgrade plan`.');
    return exits.done;
  }
  const of = turnsOf(journeyIn(readCloud(options.inventory), placeholders()));
  if (options.json) void print(`${JSON.stringify(asData(state, of))}\n`);
  for (const line of statusLines(state, facts, of, Date.now())) say(options, line);
  return exits.done;
}

function asData(state: UpgradeState, of: number): object {
  const { status, from, to, begun, stage, wave, paused } = state;
  const [failed, leases] = [[...state.failed.values()], [...state.leases.values()]];
  return { type: 'upgrade', status, from, to, begun, stage, wave, paused, done: state.done.size, of, failed, leases };
}

export function statusLines(state: UpgradeState, facts: readonly Dated[], of: number, now: number): string[] {
  const seconds = (Date.parse(state.status === 'running' ? new Date(now).toISOString() : state.last) - Date.parse(state.begun)) / 1000;
  const cells = [...state.cellsFailed].map(([cell, why]) => `${cell} has failed: ${why}`);
  return [
    `Upgrade ${state.from.length > 0 ? `from ${state.from.join(' and ')} ` : ''}to ${state.to}: ${state.status} ${state.status === 'running' ? 'for' : 'after'} ${time(seconds)} (begun ${state.begun})`,
    ...(state.paused ? [`  why: ${state.paused.why}`] : []),
    `  ${state.done.size} of ${count(of, 'turn')} done${leftOf(state, facts, of)}`,
    ...(state.stage !== undefined && state.status !== 'finished'
      ? [`  at ${state.stage}${state.wave === undefined ? '' : `, wave ${state.wave + 1}`}`]
      : []),
    ...(state.status === 'running' && state.underWay.size > 0
      ? [`  under way: ${listed([...state.underWay].map((turn) => turn.split(' ')[1]!))}`]
      : []),
    ...[...state.failed.values()].map(
      ({ host, stage, why, unreachable }) => `  ${unreachable ? 'unreachable' : 'failed'}: ${host} (${stage}): ${why}`,
    ),
    ...cells.map((line) => `  ${line}`),
    ...[...state.leases.values()].map(({ take, since }) => `  held: ${take}, since ${since}`),
    ...nextOf(state),
  ];
}

/** What is left, at the pace so far. */
function leftOf(state: UpgradeState, facts: readonly Dated[], of: number): string {
  const done = facts.flatMap((fact) => (fact.type === 'host-done' ? [fact.seconds] : []));
  const left = of - state.done.size;
  if (left <= 0 || done.length === 0) return '';
  const waves = facts.filter(({ type }) => type === 'wave-done').length || 1;
  const mean = done.reduce((sum, seconds) => sum + seconds, 0) / done.length;
  return `, about ${time((left * mean * waves) / done.length)} of work left at the pace so far`;
}

function nextOf(state: UpgradeState): string[] {
  switch (state.status) {
    case 'paused':
      if (state.paused?.cause === 'declined') return ['`cellwise upgrade resume` asks again, and does it with --accept-irreversible.'];
      return [
        state.failed.size > 0
          ? 'Mend what failed, then `cellwise upgrade resume`: it tries these hosts again and goes on. `cellwise upgrade abort` leaves the cloud as it is.'
          : '`cellwise upgrade resume` goes on. `cellwise upgrade abort` leaves the cloud as it is.',
      ];
    case 'running':
      return ['If that run is dead, `cellwise upgrade resume` gives back what it had taken and goes on.'];
    case 'aborted':
      return [`Done before it was left: ${listed([...state.stagesDone])}. A new \`cellwise upgrade run\` passes over what is done.`];
    case 'finished':
      return [];
  }
}
