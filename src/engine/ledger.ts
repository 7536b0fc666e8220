import { appendFileSync, closeSync, fsyncSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { printable } from '../base/printable.ts';

/** What an upgrade writes down of itself, each before the next thing is done: all that going on needs. */
export type Fact =
  | { readonly type: 'begun'; readonly to: string; readonly from: readonly string[]; readonly hosts: number; readonly by: string }
  | { readonly type: 'resumed'; readonly by: string }
  | { readonly type: 'stage-begun' | 'before-done' | 'stage-done'; readonly stage: string }
  | { readonly type: 'wave-begun' | 'wave-done'; readonly stage: string; readonly wave: number; readonly hosts: readonly string[] }
  /** `host-trying`: it is restored, and left to be tried. */
  | { readonly type: 'host-begun' | 'host-trying'; readonly stage: string; readonly host: string }
  | { readonly type: 'host-done'; readonly stage: string; readonly host: string; readonly seconds: number }
  | { readonly type: 'host-failed'; readonly stage: string; readonly host: string; readonly why: string; readonly unreachable: boolean }
  | { readonly type: 'cell-failed'; readonly cell: string; readonly why: string }
  /** Written before it is taken: whatever happens from here on, it is given back. */
  | { readonly type: 'lease-taking'; readonly take: string; readonly give: string; readonly host: string }
  /** `left`: somebody else has changed it since, so it is theirs. */
  | { readonly type: 'lease-taken' | 'lease-given' | 'lease-left'; readonly take: string }
  /** The operator has said yes to what cannot be taken back. */
  | { readonly type: 'accepted'; readonly step: string }
  | { readonly type: 'paused'; readonly cause: PauseCause; readonly why: string }
  | { readonly type: 'aborted'; readonly by: string }
  | { readonly type: 'finished' };

/** Why an upgrade stopped. Of these, `operator` and `ask` are no failures. */
export type PauseCause = 'failures' | 'gate' | 'hook' | 'step' | 'declined' | 'incomplete' | 'operator' | 'ask' | 'interrupted';

export type Dated = Fact & { readonly at: string };

/** Where facts are kept. A file now, a database later. */
export interface Ledger {
  readonly facts: readonly Dated[];
  /** On disk when it returns. */
  write(fact: Fact): void;
}

/** A ledger in a file, one fact a line; it is made when the first is written. A torn last line is left out. */
export function openLedger(file: string, clock: () => Date = () => new Date()): Ledger {
  const facts = readFacts(file);
  return {
    facts,
    write(fact) {
      const dated = { at: clock().toISOString(), ...sayable(fact) };
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      const open = openSync(file, 'a', 0o600);
      try {
        // A line that a crash has torn is ended first, or this one would be lost with it.
        appendFileSync(open, `${endsWell(file) ? '' : '\n'}${JSON.stringify(dated)}\n`);
        fsyncSync(open);
      } finally {
        closeSync(open);
      }
      facts.push(dated);
    },
  };
}

/** A fact that names its reason in words fit for people; all else in it are names that the planner has made. */
function sayable(fact: Fact): Fact {
  return 'why' in fact ? { ...fact, why: printable(fact.why, 4000) } : fact;
}

function endsWell(file: string): boolean {
  const text = readFileSync(file);
  return text.length === 0 || text.at(-1) === 0x0a;
}

function readFacts(file: string): Dated[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return text.split('\n').flatMap((line) => {
    try {
      return line === '' ? [] : [JSON.parse(line) as Dated];
    } catch {
      return [];
    }
  });
}

export interface HeldLease {
  readonly take: string;
  readonly give: string;
  readonly host: string;
  readonly since: string;
  /** Nobody heard whether it was taken. */
  readonly inDoubt: boolean;
}

/** Where an upgrade stands. */
export interface UpgradeState {
  readonly status: 'running' | 'paused' | 'aborted' | 'finished';
  readonly to: string;
  readonly from: readonly string[];
  readonly begun: string;
  /** When the last fact was written. */
  readonly last: string;
  /** Hosts that the whole upgrade is about. */
  readonly hosts: number;
  readonly paused?: { readonly cause: PauseCause; readonly why: string };
  readonly stage?: string;
  readonly wave?: number;
  readonly stagesDone: ReadonlySet<string>;
  readonly beforeDone: ReadonlySet<string>;
  /** `STAGE HOST`. */
  readonly done: ReadonlySet<string>;
  /** Begun and not ended, in whichever run. */
  readonly underWay: ReadonlySet<string>;
  /** Restored, and not found good yet, in whichever run. */
  readonly untried: ReadonlySet<string>;
  /** By `STAGE HOST`: those that failed since the upgrade was begun or resumed. */
  readonly failed: ReadonlyMap<
    string,
    { readonly stage: string; readonly host: string; readonly why: string; readonly unreachable: boolean }
  >;
  readonly cellsFailed: ReadonlyMap<string, string>;
  /** By the step that takes them. */
  readonly leases: ReadonlyMap<string, HeldLease>;
  readonly accepted: ReadonlySet<string>;
}

/** `STAGE HOST`: a host within a stage. */
export function turn(stage: string, host: string): string {
  return `${stage} ${host}`;
}

type Mutable<T> = {
  -readonly [K in keyof T]: T[K] extends ReadonlyMap<infer N, infer V> ? Map<N, V> : T[K] extends ReadonlySet<infer E> ? Set<E> : T[K];
};

/** Where an upgrade stands after these facts; undefined: none was begun. Of several in one ledger the last counts. */
export function stateOf(facts: readonly Dated[]): UpgradeState | undefined {
  const from = facts.findLastIndex(({ type }) => type === 'begun');
  const first = facts[from];
  if (first?.type !== 'begun') return undefined;
  const state: Mutable<UpgradeState> = {
    status: 'running',
    to: first.to,
    from: first.from,
    hosts: first.hosts,
    begun: first.at,
    last: facts.at(-1)!.at,
    stagesDone: new Set(),
    beforeDone: new Set(),
    done: new Set(),
    underWay: new Set(),
    untried: new Set(),
    failed: new Map(),
    cellsFailed: new Map(),
    leases: new Map(),
    accepted: new Set(),
  };
  for (const fact of facts.slice(from)) follow(state, fact);
  return state;
}

/** Begun, and neither ended nor left. */
export function isOpen(state: UpgradeState | undefined): state is UpgradeState {
  return state?.status === 'running' || state?.status === 'paused';
}

/** Takes one more fact into a state that `stateOf` has given. */
export function follow(known: UpgradeState, fact: Dated): void {
  const state = known as Mutable<UpgradeState>;
  state.last = fact.at;
  take(state, fact);
}

function take(state: Mutable<UpgradeState>, fact: Dated): void {
  switch (fact.type) {
    case 'begun':
      return;
    case 'resumed':
      state.status = 'running';
      delete state.paused;
      state.failed.clear();
      state.cellsFailed.clear();
      return;
    case 'stage-begun':
      state.stage = fact.stage;
      delete state.wave;
      return;
    case 'before-done':
      state.beforeDone.add(fact.stage);
      return;
    case 'stage-done':
      state.stagesDone.add(fact.stage);
      return;
    case 'wave-begun':
      state.wave = fact.wave;
      return;
    case 'wave-done':
      return;
    case 'host-begun':
      state.underWay.add(turn(fact.stage, fact.host));
      return;
    case 'host-trying':
      state.untried.add(turn(fact.stage, fact.host));
      return;
    case 'host-done':
      state.underWay.delete(turn(fact.stage, fact.host));
      state.untried.delete(turn(fact.stage, fact.host));
      state.done.add(turn(fact.stage, fact.host));
      return;
    case 'host-failed':
      state.underWay.delete(turn(fact.stage, fact.host));
      state.failed.set(turn(fact.stage, fact.host), fact);
      return;
    case 'cell-failed':
      state.cellsFailed.set(fact.cell, fact.why);
      return;
    case 'lease-taking':
      state.leases.set(fact.take, { take: fact.take, give: fact.give, host: fact.host, since: fact.at, inDoubt: true });
      return;
    case 'lease-taken':
      state.leases.set(fact.take, { ...state.leases.get(fact.take)!, inDoubt: false });
      return;
    case 'lease-given':
    case 'lease-left':
      state.leases.delete(fact.take);
      return;
    case 'accepted':
      state.accepted.add(fact.step);
      return;
    case 'paused':
      state.status = 'paused';
      state.paused = { cause: fact.cause, why: fact.why };
      return;
    case 'aborted':
      state.status = 'aborted';
      return;
    case 'finished':
      state.status = 'finished';
  }
}
