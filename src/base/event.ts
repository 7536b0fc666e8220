import type { Problem } from './problem.ts';
import type { Difference } from './state.ts';

/** A step on a host, as events name it. */
export interface StepName {
  /** Unique in the plan: `host/role/type name`. */
  readonly step: string;
  readonly host: string;
  readonly role: string;
  readonly stepType: string;
  readonly name: string;
}

/** What would change, or did: shown to people, so free of secrets. */
export interface ShownChange {
  readonly action: 'create' | 'update' | 'remove';
  readonly differences: readonly Difference[];
  /** A unified diff of content, where there is content. */
  readonly diff?: string;
  /** Why, where the change follows from others: what a service restarts for. */
  readonly reasons?: readonly string[];
  /** Cannot be taken back. */
  readonly irreversible?: boolean;
  /** Why this change will not be made. */
  readonly refused?: string;
}

export interface Summary {
  readonly type: 'summary';
  readonly ok: number;
  readonly changed: number;
  readonly failed: number;
  readonly blocked: number;
  readonly skipped: number;
  readonly unreachable: number;
  readonly hosts: number;
  readonly steps: number;
  readonly seconds: number;
  readonly roundTrips: number;
}

/** A command of the inventory that is run around the waves of a stage. */
export interface ShownHook {
  readonly when: 'before and after each wave' | 'before each wave' | 'after each wave';
  /** A gate can say no. */
  readonly gate: boolean;
  /** `deployer`, as whoever runs the upgrade, or a host, as root. */
  readonly on: string;
  readonly run: string;
  /** Seconds. */
  readonly within: number;
}

/** A part of an upgrade's way, as it is shown before anything is touched. */
export interface ShownStage {
  /** `control/keystone`, `cells/cell1`. */
  readonly id: string;
  readonly waves: readonly { readonly canary: boolean; readonly hosts: readonly string[] }[];
  readonly drain: string;
  /** What is taken for a while and given back. */
  readonly taken: readonly string[];
  /** What canaries are tried by once they are restored. */
  readonly tried: readonly string[];
  readonly hooks: readonly ShownHook[];
  /** Hosts that change alike are one entry; the change is that of the first of them. */
  readonly changes: readonly ({ readonly hosts: readonly string[]; readonly change: ShownChange } & StepName)[];
  readonly unknown: readonly ({ readonly hosts: readonly string[]; readonly because: string; readonly irreversible: boolean } & StepName)[];
  /** Seconds that its steps took when they were last done. */
  readonly seconds: number;
  /** Steps that have never been done: nothing is known of their time. */
  readonly untold: number;
}

/** Everything a run tells, in order. `--json` prints them one a line; the journal keeps those of steps. */
export type Event =
  | {
      readonly type: 'run-start';
      readonly run: string;
      readonly command: string;
      readonly cloud: string;
      readonly hosts: number;
      readonly steps: number;
    }
  | { readonly type: 'note'; readonly text: string; readonly host?: string }
  /** The hosts that the inventory had when a run began. */
  | { readonly type: 'inventory'; readonly hosts: readonly string[] }
  | { readonly type: 'host-up'; readonly host: string; readonly seconds: number }
  | { readonly type: 'host-down'; readonly host: string; readonly reason: string; readonly message: string; readonly hint?: string }
  | { readonly type: 'host-surveyed'; readonly host: string; readonly steps: number; readonly differing: number; readonly unknown: number }
  | ({ readonly type: 'step-planned'; readonly change: ShownChange } & StepName)
  | ({ readonly type: 'step-unknown'; readonly because: string } & StepName)
  /** Everything that would change has been told. */
  | { readonly type: 'told'; readonly changes: number; readonly unknown: number; readonly hosts: number }
  | { readonly type: 'walk-start' }
  | ({ readonly type: 'step-start'; readonly change: ShownChange } & StepName)
  /** The last line of what a step that takes its time has printed so far. */
  | ({ readonly type: 'step-said'; readonly line: string } & StepName)
  | ({ readonly type: 'step-ok' } & StepName)
  | ({ readonly type: 'step-changed'; readonly change: ShownChange; readonly seconds: number } & StepName)
  | ({
      readonly type: 'step-failed';
      readonly message: string;
      readonly output?: readonly string[];
      readonly hint?: string;
      readonly seconds: number;
    } & StepName)
  | ({ readonly type: 'step-blocked'; readonly by: string } & StepName)
  | ({ readonly type: 'step-skipped'; readonly because: string } & StepName)
  | {
      readonly type: 'health-ok';
      readonly host: string;
      readonly role: string;
      readonly checks: readonly string[];
      readonly seconds: number;
    }
  /** `verify` begins to try something as a user would; it ends with trial-ok, step-failed, step-blocked or step-skipped. */
  | ({ readonly type: 'trial-start' } & StepName)
  | ({ readonly type: 'trial-ok'; readonly said?: string; readonly seconds: number } & StepName)
  | { readonly type: 'problem'; readonly problem: Problem }
  | { readonly type: 'critical-path'; readonly steps: readonly { readonly step: string; readonly seconds: number }[] }
  /** The way of an upgrade, before anything is touched; `reasons`: why it may not start. */
  | {
      readonly type: 'journey';
      readonly from: readonly string[];
      readonly to: string;
      readonly stages: readonly ShownStage[];
      readonly reasons: readonly { readonly message: string; readonly hint?: string }[];
    }
  /** How far an upgrade has come: `done` of `of` turns, a turn being a host in a stage. */
  | { readonly type: 'progress'; readonly text: string; readonly stage?: string; readonly done: number; readonly of: number }
  | Summary;

/** Where events go. */
export type Emit = (event: Event) => void;
