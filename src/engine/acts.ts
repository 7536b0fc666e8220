import type { Event, Summary } from '../base/event.ts';
import type { Holder } from '../base/shell.ts';
import type { Plan, Step } from '../plan/plan.ts';
import { isUnknown, type Found } from '../resources/define.ts';
import type { Journal } from './journal.ts';
import { changeOf } from './look.ts';
import { apply, plan as look, tryOut } from './run.ts';
import { Shells } from './shells.ts';
import type { Told } from './tell.ts';
import { Locked, type RunOptions } from './work.ts';

/** What became of a part of a plan. */
export type Outcome =
  { readonly kind: 'done' } | { readonly kind: 'failed' | 'unreachable' | 'interrupted' | 'declined'; readonly why: string };

/** Asked before each step that cannot be taken back, at its time. */
export type Accept = (step: Step) => Promise<boolean>;

export interface ActOptions extends Omit<RunOptions, 'only'> {
  readonly holder: Holder;
  readonly journal: Journal;
}

// What a run tells of itself; of an upgrade, which is hundreds of runs, the steps are what counts.
const ofRuns: ReadonlySet<Event['type']> = new Set([
  'run-start',
  'host-up',
  'host-surveyed',
  'step-planned',
  'step-unknown',
  'told',
  'walk-start',
  'step-ok',
  'critical-path',
]);

/** Runs parts of a plan, one after the other, over the same shells. */
export class Acts {
  readonly plan: Plan;
  readonly shells: Shells;
  readonly #options: ActOptions;

  constructor(options: ActOptions) {
    this.plan = options.plan;
    this.shells = new Shells(options.open);
    this.#options = options;
  }

  /** What is there now; hosts that cannot be reached have no answers. */
  async look(ids: Iterable<string>): Promise<{ readonly told: Told; readonly down: string | undefined }> {
    const heard = this.#hearing();
    const { told } = await look({ ...this.#options, ...heard, open: this.shells.open, only: new Set(ids) });
    return { told, down: heard.down() };
  }

  /** Makes a part so. `anyway`: although the upgrade was interrupted, for what has to be given back. */
  async run(ids: Iterable<string>, accept: Accept, anyway = false): Promise<Outcome> {
    const only = new Set(ids);
    if (only.size === 0) return { kind: 'done' };
    const heard = this.#hearing();
    let declined: Step | undefined;
    try {
      const summary = await apply({
        ...this.#options,
        ...heard,
        open: this.shells.open,
        only,
        ...(anyway ? { drain: new AbortController().signal } : {}),
        confirm: async (told) => {
          for (const step of this.#grave(told)) {
            if (!(await accept(step))) declined = step;
            if (declined) return false;
          }
          return true;
        },
      });
      if (declined) return { kind: 'declined', why: `${declined.step} cannot be taken back, and nobody has agreed to it` };
      return outcomeOf(summary, heard.down(), heard.failed());
    } catch (error) {
      if (error instanceof Locked) return { kind: 'failed', why: error.message };
      throw error;
    }
  }

  /** Tries a host as a user of the cloud would. */
  async tryOut(host: string): Promise<Outcome> {
    const heard = this.#hearing();
    const summary = await tryOut(host, this.#options.holder, { ...this.#options, ...heard, open: this.shells.open });
    return outcomeOf(summary, heard.down(), heard.failed());
  }

  step(id: string): Step {
    return this.plan.nodes.get(id) as Step;
  }

  /** Steps that would be done, or may be, and cannot be taken back. */
  #grave({ forecasts, shown }: Told): Step[] {
    return [...forecasts].flatMap(([id, { kind }]) => {
      const step = this.step(id);
      const may = kind === 'unknown' && (step.irreversible || step.resource.irreversible !== undefined);
      return may || shown.get(id)?.irreversible === true ? [step] : [];
    });
  }

  #hearing() {
    let [down, failed]: (string | undefined)[] = [];
    return {
      emit: (event: Event) => {
        if (event.type === 'host-down') down ??= event.message;
        if (event.type === 'step-failed') failed ??= `${event.role}: ${event.stepType} ${event.name}: ${event.message}`;
        if (event.type === 'step-blocked') failed ??= `${event.step} is blocked by ${event.by}`;
        if (!ofRuns.has(event.type)) this.#options.emit(event);
      },
      down: () => down,
      failed: () => failed,
    };
  }
}

function outcomeOf(summary: Summary, down: string | undefined, failed: string | undefined): Outcome {
  if (summary.unreachable > 0) return { kind: 'unreachable', why: down ?? 'it did not answer' };
  if (summary.failed + summary.blocked > 0) return { kind: 'failed', why: failed ?? 'a step failed' };
  return summary.skipped > 0 ? { kind: 'interrupted', why: 'interrupted' } : { kind: 'done' };
}

/** Whether what was found is what a step wants. */
export function isSo(step: Step, found: Found | undefined): boolean {
  return found !== undefined && !isUnknown(found) && changeOf(step, found) === null;
}
