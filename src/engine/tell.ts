import type { ShownChange } from '../base/event.ts';
import type { Holder, Shell } from '../base/shell.ts';
import { Invalid, type Problem } from '../base/problem.ts';
import { Secret } from '../base/secret.ts';
import type { Change, Difference } from '../base/state.ts';
import type { PlanNode, Step } from '../plan/plan.ts';
import type { Found } from '../resources/define.ts';
import { contentDiffs } from './content-diff.ts';
import { forecast, type Forecast } from './forecast.ts';
import { isShellStep, look, survey, type Survey } from './look.ts';
import { Locked, named, type EarlyShell, type Work } from './work.ts';

/** What a run would do, and what it rests on. */
export interface Told {
  /** What it is about: all of the plan, or the part that was asked for. */
  readonly nodes: readonly PlanNode[];
  readonly forecasts: ReadonlyMap<string, Forecast>;
  /** By step: what the survey found; nothing for hosts that are down. */
  readonly found: ReadonlyMap<string, Found>;
  /** By health node: why it is not healthy, or undefined. */
  readonly ill: ReadonlyMap<string, string | undefined>;
  /** By step: its change as people were shown it. */
  readonly shown: ReadonlyMap<string, ShownChange>;
  /** Steps that would change or cannot be told. */
  readonly pending: number;
}

/** Looks at all hosts at once and tells what would change; takes their locks for `holder`. Throws Locked. */
export async function tell(work: Work, holder?: Holder): Promise<Told> {
  const found = new Map<string, Found>();
  const ill = new Map<string, string | undefined>();
  // Every host is heard before anything is thrown: what was locked meanwhile is given back when the run ends.
  const surveys = await Promise.allSettled(work.hosts.map((host) => surveyHost(work, host, holder)));
  for (const each of surveys) {
    if (each.status === 'rejected') throw each.reason;
    each.value?.found.forEach((answer, id) => found.set(id, answer));
    each.value?.ill.forEach((answer, id) => ill.set(id, answer));
  }
  await Promise.all(apiSteps(work).map(async (step) => found.set(step.step, await look(work.shell(step.host), step, work.apis))));
  const forecasts = forecast(work.plan, work.graph, found);
  const shown = await tellChanges(work, forecasts);
  refuse(work, forecasts);
  const tally = (kind: Forecast['kind']): number => [...forecasts.values()].filter((each) => each.kind === kind).length;
  const [changes, unknown] = [tally('change'), tally('unknown')];
  work.emit({ type: 'told', changes, unknown, hosts: work.hosts.filter((host) => work.isUp(host)).length });
  return { nodes: work.nodes, forecasts, found, ill, shown, pending: changes + unknown };
}

/** A change that must not be made stops all others: throws Invalid with each, before anything is touched. */
function refuse(work: Work, forecasts: ReadonlyMap<string, Forecast>): void {
  const problems = work.nodes.flatMap((node): Problem[] => {
    const told = node.kind === 'step' ? forecasts.get(node.step) : undefined;
    if (node.kind !== 'step' || told?.kind !== 'change') return [];
    const why = node.resource.refuse?.(node.params, told.change);
    return why === undefined ? [] : [{ code: 'refused', message: `${node.host}, ${node.stepType}: ${why}` }];
  });
  if (problems.length > 0) throw new Invalid(problems);
}

async function surveyHost(work: Work, host: string, holder: Holder | undefined): Promise<Survey | undefined> {
  const steps = work.stepsOf(host).filter(isShellStep);
  // The lock is asked for in the same breath: it is answered first, so what is seen is seen under the lock.
  const ask = (shell: EarlyShell) => Promise.all([holder ? shell.lock(holder) : undefined, survey(shell, steps, work.healthsOf(host))]);
  let asked: ReturnType<typeof ask> | undefined;
  await work.connect(host, (shell) => {
    asked = ask(shell);
    // That the host cannot be reached is told by connect.
    asked.catch(() => undefined);
  });
  if (!work.isUp(host)) return undefined;
  return work.on(host, async (shell) => {
    const [held, seen] = (await asked)!;
    if (held === undefined || held === 'locked') return seen;
    await outwait(work, shell, held, holder!);
    return survey(shell, steps, work.healthsOf(host));
  });
}

/** Takes a host's lock, once no command of a dead run has it any more. Throws Locked. */
export async function takeLock(work: Work, shell: Shell, holder: Holder): Promise<void> {
  const held = await shell.lock(holder);
  if (held !== 'locked') await outwait(work, shell, held, holder);
}

/** Waits for a command that a dead run has left behind; a run that lives is not waited for: throws Locked. */
async function outwait(work: Work, shell: Shell, first: Holder, holder: Holder): Promise<void> {
  const { host } = shell;
  const text = `waiting for a command that a run which was cut off still has running (${first.what} by ${first.who}, since ${first.since})`;
  if (first.ended) work.emit({ type: 'note', host, text });
  for (let held: 'locked' | Holder = first; held !== 'locked'; held = await shell.lock(holder)) {
    if (!held.ended || work.drain.aborted) throw new Locked(host, held);
    await work.clock.sleep(1000);
  }
}

function apiSteps(work: Work): Step[] {
  return work.nodes.filter((node): node is Step => node.kind === 'step' && !isShellStep(node) && work.isUp(node.host));
}

/** Tells every change host by host, with diffs of content. */
async function tellChanges(work: Work, forecasts: ReadonlyMap<string, Forecast>): Promise<ReadonlyMap<string, ShownChange>> {
  const shown = new Map<string, ShownChange>();
  const diffs = await allDiffs(work, forecasts);
  for (const host of work.hosts) {
    const told = work.stepsOf(host).map((step) => ({ step, each: forecasts.get(step.step)! }));
    if (work.isUp(host)) {
      const tally = (kind: Forecast['kind']): number => told.filter(({ each }) => each.kind === kind).length;
      work.emit({ type: 'host-surveyed', host, steps: told.length, differing: tally('change'), unknown: tally('unknown') });
    }
    for (const { step, each } of told) {
      if (each.kind === 'unknown') work.emit({ type: 'step-unknown', ...named(step), because: each.because });
      if (each.kind !== 'change') continue;
      const change = show(step, each.change, each.reasons, diffs.get(step.step));
      shown.set(step.step, change);
      work.emit({ type: 'step-planned', ...named(step), change });
    }
  }
  return shown;
}

async function allDiffs(work: Work, forecasts: ReadonlyMap<string, Forecast>): Promise<ReadonlyMap<string, string>> {
  const diffs = new Map<string, string>();
  await Promise.all(
    work.hosts.map(async (host) => {
      const changing = work.stepsOf(host).filter((step) => forecasts.get(step.step)?.kind === 'change');
      const found = changing.length === 0 ? undefined : await work.on(host, (shell) => contentDiffs(shell, changing));
      found?.forEach((diff, id) => diffs.set(id, diff));
    }),
  );
  return diffs;
}

/** The digest of content that holds a secret could be tried out: what is shown says that there is another, and no more. */
function guessless({ resource, params }: Step, { key, before, after }: Difference): Difference {
  const secret = resource.via === 'shell' && resource.content?.(params) instanceof Secret;
  return secret ? { key, before: before && 'other', after: after && 'as wanted' } : { key, before, after };
}

/** A change as people may see it. */
export function show(step: Step, change: Change, reasons: readonly string[] = [], diff?: string): ShownChange {
  const irreversible = step.irreversible || (step.resource.irreversible?.(step.params, change) ?? false);
  const refused = step.resource.cannot?.(step.params, change);
  return {
    action: change.before === null ? 'create' : change.after === null ? 'remove' : 'update',
    differences: change.differences.map((difference) => (difference.key === 'sha256' ? guessless(step, difference) : difference)),
    ...(diff === undefined ? {} : { diff }),
    ...(reasons.length > 0 ? { reasons } : {}),
    ...(irreversible ? { irreversible } : {}),
    ...(refused === undefined ? {} : { refused }),
  };
}
