import PQueue from 'p-queue';
import type { Output } from '../base/command.ts';
import type { Emit, ShownChange, StepName, Summary } from '../base/event.ts';
import { Unreachable, type Holder, type Shell } from '../base/shell.ts';
import { compare, type Change } from '../base/state.ts';
import { walk } from '../graph/walk.ts';
import type { Health, Plan, Step } from '../plan/plan.ts';
import { isUnknown, type Found } from '../resources/define.ts';
import { forget } from '../resources/service.ts';
import { openApis } from './api.ts';
import { batch } from './batch.ts';
import { contentDiffs } from './content-diff.ts';
import { forecast, type Forecast } from './forecast.ts';
import type { Journal } from './journal.ts';
import { examine, isShellStep, look, survey } from './look.ts';

/**
 * Opens the root shell of a host; rejects with Unreachable. What `early` asks of the shell is sent along with the opening
 * and costs no round trip of its own.
 */
export type Open = (host: string, early?: (shell: EarlyShell) => void) => Promise<Shell>;
type EarlyShell = Pick<Shell, 'run' | 'lock'>;

export interface RunOptions {
  readonly plan: Plan;
  /** The part of the plan to work on; all of it when left out. */
  readonly only?: ReadonlySet<string>;
  readonly open: Open;
  readonly emit: Emit;
  readonly command: string;
  readonly run: string;
  /** Aborted: finish what runs, start nothing more. */
  readonly drain: AbortSignal;
}

export interface ApplyOptions extends RunOptions {
  readonly holder: Holder;
  readonly journal: Journal;
  /** Asked once everything that would change has been told; false: nothing is touched. */
  readonly confirm: (told: Told) => Promise<boolean>;
}

/** What a run would do, and what it rests on. */
export interface Told {
  readonly forecasts: ReadonlyMap<string, Forecast>;
  readonly found: ReadonlyMap<string, Found>;
  /** Steps that would change or cannot be told. */
  readonly pending: number;
}

/** Thrown when somebody else works on a host. */
export class Locked extends Error {
  readonly host: string;
  readonly holder: Holder;

  constructor(host: string, holder: Holder) {
    super(`${host} is locked by ${holder.who}, who runs "${holder.what}" since ${holder.since}`);
    this.name = 'Locked';
    this.host = host;
    this.holder = holder;
  }
}

// How many things happen at once: on all hosts together, and on one. A host has one sshd and one disk.
const limits = { all: 200, host: 4 };

// Seconds to wait for an API whose service was started a moment ago.
const patience = 60;

/** Looks at all hosts and tells what would change; changes nothing. */
export async function plan(options: RunOptions): Promise<Summary & { readonly told: Told }> {
  const work = begin(options);
  try {
    const told = await work.tell();
    return { ...work.summary(), told };
  } finally {
    await work.end();
  }
}

/** Looks, tells, asks, and makes the cloud what its plan says. */
export async function apply(options: ApplyOptions): Promise<Summary> {
  const work = begin(options, options.holder);
  try {
    const told = await work.tell();
    if (!(await options.confirm(told))) return work.summary();
    await work.mend(told, options.journal);
    return work.summary();
  } finally {
    await work.end();
  }
}

/** Asks the health checks of all roles on all hosts, once; changes nothing. */
export async function verify(options: RunOptions): Promise<Summary> {
  const work = begin(options);
  try {
    await work.verify();
    return work.summary();
  } finally {
    await work.end();
  }
}

interface Work {
  tell(): Promise<Told>;
  mend(told: Told, journal: Journal): Promise<void>;
  verify(): Promise<void>;
  summary(): Summary;
  end(): Promise<void>;
}

function begin(options: RunOptions, holder?: Holder): Work {
  const started = performance.now();
  const { plan: whole, emit, drain } = options;
  const graph = options.only ? whole.graph.only(options.only) : whole.graph;
  const nodes = [...graph.ids()].map((id) => whole.nodes.get(id)!);
  const stepsOf = Map.groupBy(
    nodes.filter((node) => node.kind === 'step'),
    (step) => step.host,
  );
  const healthsOf = Map.groupBy(
    nodes.filter((node) => node.kind === 'health'),
    (health) => health.host,
  );
  const hosts = whole.hosts.map((host) => host.name).filter((name) => stepsOf.has(name) || healthsOf.has(name));
  const count = { ok: 0, changed: 0, failed: 0, blocked: 0, skipped: 0, unreachable: 0 };
  const steps = [...stepsOf.values()].reduce((sum, all) => sum + all.length, 0);
  emit({ type: 'run-start', run: options.run, command: options.command, cloud: whole.inventory.cloud.name, hosts: hosts.length, steps });

  const shells = new Map<string, Shell>();
  const down = new Set<string>();
  const lose = (error: Unreachable): void => {
    if (down.has(error.host)) return;
    down.add(error.host);
    count.unreachable += 1;
    emit({
      type: 'host-down',
      host: error.host,
      reason: error.reason,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  };
  const shellOf = (host: string): Shell => {
    const shell = shells.get(host);
    if (!shell) throw new Unreachable(host, 'down', `${host} is not connected`);
    return shell;
  };
  const apis = openApis(whole.apis, (host, address, port) => shellOf(host).dial(address, port));

  const closeAll = async (): Promise<void> => {
    await Promise.all([...shells.values()].map((shell) => shell.close()));
  };

  const openOne = async (host: string, early?: (shell: EarlyShell) => void): Promise<void> => {
    const at = performance.now();
    try {
      shells.set(host, await options.open(host, early));
      emit({ type: 'host-up', host, seconds: seconds(at) });
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      lose(error);
    }
  };

  /** Runs something on a host; a host that is lost meanwhile is told of once, and the answer is undefined. */
  const on = async <T>(host: string, act: (shell: Shell) => Promise<T>): Promise<T | undefined> => {
    try {
      return await act(shellOf(host));
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      lose(error);
      return undefined;
    }
  };

  const found = new Map<string, Found>();
  const ill = new Map<string, string | undefined>();

  const surveyOne = async (host: string): Promise<void> => {
    const steps = (stepsOf.get(host) ?? []).filter(isShellStep);
    // The lock is asked for in the same breath: it is answered first, so what is seen is seen under the lock.
    const ask = (shell: EarlyShell) =>
      Promise.all([holder ? shell.lock(holder) : undefined, survey(shell, steps, healthsOf.get(host) ?? [])]);
    let asked: ReturnType<typeof ask> | undefined;
    await openOne(host, (shell) => {
      asked = ask(shell);
      // A host that cannot be reached is told of by openOne.
      asked.catch(() => undefined);
    });
    if (!shells.has(host)) return;
    await on(host, async () => {
      const [held, seen] = (await asked)!;
      if (held !== undefined && held !== 'locked') throw new Locked(host, held);
      seen.found.forEach((answer, id) => found.set(id, answer));
      seen.ill.forEach((answer, id) => ill.set(id, answer));
    });
  };

  const surveyAll = async (): Promise<void> => {
    // Every host is heard before anything is thrown: a lock that was taken is given back by `end`.
    const heard = await Promise.allSettled(hosts.map(surveyOne));
    const failures = heard.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
    if (failures.length > 0) throw failures.find((reason) => !(reason instanceof Locked)) ?? failures[0];
    await Promise.all(
      nodes
        .filter((node) => node.kind === 'step' && !isShellStep(node) && shells.has(node.host))
        .map(async (step) => found.set((step as Step).step, await look(shellOf((step as Step).host), step as Step, apis))),
    );
  };

  const tell = async (): Promise<Told> => {
    await surveyAll();
    const forecasts = forecast(whole, graph, found);
    await tellOf(forecasts);
    const tally = (kind: Forecast['kind']): number => [...forecasts.values()].filter((each) => each.kind === kind).length;
    const [changes, unknown] = [tally('change'), tally('unknown')];
    emit({ type: 'told', changes, unknown, hosts: shells.size });
    return { forecasts, found, pending: changes + unknown };
  };

  const shownChanges = new Map<string, ShownChange>();

  const tellOf = async (forecasts: ReadonlyMap<string, Forecast>): Promise<void> => {
    const changing = nodes.filter((node): node is Step => node.kind === 'step' && forecasts.get(node.step)?.kind === 'change');
    const diffs = new Map<string, string>();
    await Promise.all(
      [...Map.groupBy(changing, (step) => step.host)].map(([host, steps]) =>
        on(host, async (shell) => {
          (await contentDiffs(shell, steps)).forEach((diff, id) => diffs.set(id, diff));
        }),
      ),
    );
    for (const host of hosts) {
      const told = (stepsOf.get(host) ?? []).map((step) => ({ step, told: forecasts.get(step.step)! }));
      if (shells.has(host)) {
        const tally = (kind: Forecast['kind']): number => told.filter((each) => each.told.kind === kind).length;
        emit({ type: 'host-surveyed', host, steps: told.length, differing: tally('change'), unknown: tally('unknown') });
      }
      for (const { step, told: each } of told) {
        if (each.kind === 'change') {
          const shown = show(step, each.change, each.reasons, diffs.get(step.step));
          shownChanges.set(step.step, shown);
          emit({ type: 'step-planned', ...named(step), change: shown });
        } else if (each.kind === 'unknown') emit({ type: 'step-unknown', ...named(step), because: each.because });
      }
    }
  };

  // ---- walking

  const everywhere = new PQueue({ concurrency: limits.all });
  const onHost = new Map(hosts.map((host) => [host, new PQueue({ concurrency: limits.host })]));
  const queued = <T>(host: string, act: () => Promise<T>): Promise<T> => onHost.get(host)!.add(() => everywhere.add(act));
  const took = new Map<string, number>();

  const mend = async (told: Told, journal: Journal): Promise<void> => {
    emit({ type: 'walk-start' });
    // Nodes on ground that this run has changed: what the survey said of them is no longer sure.
    const moved = new Set<string>();
    const watchers = watchersOf(nodes.filter((node) => node.kind === 'step'));

    const visit = async (id: string): Promise<'done' | 'failed'> => {
      const node = whole.nodes.get(id)!;
      for (const need of graph.needs(id).keys()) if (moved.has(need)) moved.add(id);
      if (node.kind === 'ready') return 'done';
      return queued(node.host, async () => {
        if (drain.aborted) {
          if (node.kind === 'step') skip(node);
          return 'failed';
        }
        const at = performance.now();
        const outcome = await on(node.host, (shell) => (node.kind === 'step' ? mendStep(shell, node) : reach(shell, node)));
        took.set(id, seconds(at));
        if (outcome === undefined && node.kind === 'step') count.blocked += 1;
        return outcome ?? 'failed';
      });
    };

    const skip = (step: Step): void => {
      count.skipped += 1;
      emit({ type: 'step-skipped', ...named(step), because: 'the run was interrupted' });
    };

    const blocked = (id: string, by: string): void => {
      const node = whole.nodes.get(id)!;
      if (node.kind !== 'step') return;
      if (drain.aborted) {
        skip(node);
        return;
      }
      count.blocked += 1;
      const cause = whole.nodes.get(by)!;
      emit({
        type: 'step-blocked',
        ...named(node),
        by: cause.kind !== 'ready' && down.has(cause.host) ? `${cause.host} is unreachable` : by,
      });
    };

    const mendStep = async (shell: Shell, step: Step): Promise<'done' | 'failed'> => {
      const before = await currently(shell, step);
      if (isUnknown(before)) return fail(step, 0, `its state cannot be told: ${before['unknown']}`);
      const desired = step.resource.desired(step.params);
      const change = compare(before, desired);
      if (!change) {
        count.ok += 1;
        emit({ type: 'step-ok', ...named(step) });
        return 'done';
      }
      const at = performance.now();
      const shown = shownChanges.get(step.step) ?? show(step, change, []);
      journal.record({ type: 'step-start', ...named(step), change: shown });
      emit({ type: 'step-start', ...named(step), change: shown });
      moved.add(step.step);
      const result = await mendOnce(shell, step, change);
      if (result.left) {
        const output = result.output;
        const lines = output === undefined ? undefined : tail(output);
        const event = {
          type: 'step-failed' as const,
          ...named(step),
          message: whyNot(result.left, output),
          ...(lines ? { output: lines } : {}),
          seconds: seconds(at),
        };
        journal.record(event);
        emit(event);
        count.failed += 1;
        return 'failed';
      }
      const event = { type: 'step-changed' as const, ...named(step), change: shown, seconds: seconds(at) };
      journal.record(event);
      emit(event);
      count.changed += 1;
      return 'done';
    };

    /** The survey's answer, or a new one where this run has changed the ground since. */
    const currently = async (shell: Shell, step: Step): Promise<Found> => {
      const known = told.found.get(step.step);
      if (known !== undefined && !isUnknown(known) && !moved.has(step.step)) return known;
      apis.refresh();
      return look(shell, step, apis, patience);
    };

    const mendOnce = async (shell: Shell, step: Step, change: Change, again = true): Promise<{ left?: Left; output?: Output }> => {
      const output = await enact(shell, step, change, watchers.get(step.step) ?? []);
      apis.refresh();
      const after = await look(shell, step, apis, patience);
      if (isUnknown(after)) return { left: { unknown: after['unknown'] }, ...(typeof output === 'object' ? { output } : {}) };
      const left = compare(after, step.resource.desired(step.params));
      if (!left) return {};
      // The host was restarted under the command: nobody knows how far it came, so it is tried once more.
      if (output === 'unknown' && again) return mendOnce(shell, step, left, false);
      return { left: { change: left }, ...(typeof output === 'object' ? { output } : {}) };
    };

    const enact = async (
      shell: Shell,
      step: Step,
      change: Change,
      watching: readonly Watcher[],
    ): Promise<Output | 'unknown' | undefined> => {
      if (step.resource.via === 'api') {
        await apis.follow(step.resource.apply(step.params, change));
        return undefined;
      }
      // A restart is owed from now on: it is written down before the change, so that a crash between cannot lose it.
      const owed = watching
        .filter(({ keys }) => keys === undefined || change.differences.some(({ key }) => keys.includes(key)))
        .map(({ unit }) => forget(unit));
      const together = batch([...owed, step.resource.apply(step.params, change)], true);
      const output = await shell.mend(together.command);
      return output === 'unknown' ? output : together.split(output).at(-1)!;
    };

    const reach = async (shell: Shell, health: Health): Promise<'done' | 'failed'> => {
      if (!moved.has(health.id) && ill.get(health.id) === undefined) return 'done';
      const at = performance.now();
      const within = Math.max(0, ...health.checks.map((each) => each.within));
      for (let pause = 250; ; pause = Math.min(pause * 1.5, 3000)) {
        const why = await examine(shell, health, apis);
        if (why === undefined) {
          emit({
            type: 'health-ok',
            host: health.host,
            role: health.role,
            checks: health.checks.map((each) => each.name),
            seconds: seconds(at),
          });
          return 'done';
        }
        if (seconds(at) + pause / 1000 > within || drain.aborted) return ailing(health, why, seconds(at), journal);
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    };

    const fail = (step: Step, duration: number, message: string): 'failed' => {
      const event = { type: 'step-failed' as const, ...named(step), message, seconds: duration };
      journal.record(event);
      emit(event);
      count.failed += 1;
      return 'failed';
    };

    await walk(graph, visit, blocked);
    const path = graph.criticalPath((id) => took.get(id) ?? 0).map((id) => ({ step: id, seconds: took.get(id) ?? 0 }));
    emit({ type: 'critical-path', steps: path.filter((each) => each.seconds >= 0.1) });
  };

  const ailing = (health: Health, why: string, duration: number, journal?: Journal): 'failed' => {
    const name: StepName = { step: health.id, host: health.host, role: health.role, stepType: 'health', name: health.role };
    const event = { type: 'step-failed' as const, ...name, message: `not healthy: ${why}`, seconds: duration };
    journal?.record(event);
    emit(event);
    count.failed += 1;
    return 'failed';
  };

  const verifyAll = async (): Promise<void> => {
    await Promise.all(hosts.map((host) => openOne(host)));
    await Promise.all(
      nodes
        .filter((node) => node.kind === 'health' && shells.has(node.host))
        .map(async (node) => {
          const health = node as Health;
          const at = performance.now();
          await on(health.host, async (shell) => {
            const why = await examine(shell, health, apis);
            if (why !== undefined) ailing(health, why, seconds(at));
            else {
              count.ok += 1;
              emit({
                type: 'health-ok',
                host: health.host,
                role: health.role,
                checks: health.checks.map((each) => each.name),
                seconds: seconds(at),
              });
            }
          });
        }),
    );
  };

  return {
    tell,
    mend,
    verify: verifyAll,
    summary: () => ({
      type: 'summary',
      ...count,
      hosts: hosts.length,
      steps,
      seconds: seconds(started),
      roundTrips: [...shells.values()].reduce((sum, shell) => sum + shell.roundTrips, 0) + apis.requests,
    }),
    end: closeAll,
  };
}

/** What is still wrong after a change. */
type Left = { readonly change: Change } | { readonly unknown: string };

interface Watcher {
  readonly unit: string;
  readonly keys?: readonly string[];
}

/** By step: the units whose services watch it. */
function watchersOf(steps: readonly Step[]): ReadonlyMap<string, readonly Watcher[]> {
  const watchers = new Map<string, Watcher[]>();
  for (const service of steps) {
    for (const { step, keys } of service.watches) {
      const all = watchers.get(step) ?? [];
      watchers.set(step, all);
      all.push({ unit: String(service.params['unit']), ...(keys ? { keys } : {}) });
    }
  }
  return watchers;
}

function show(step: Step, change: Change, reasons: readonly string[], diff?: string): ShownChange {
  const irreversible = step.resource.irreversible?.(step.params, change) ?? false;
  return {
    action: change.before === null ? 'create' : change.after === null ? 'remove' : 'update',
    differences: change.differences,
    ...(diff === undefined ? {} : { diff }),
    ...(reasons.length > 0 ? { reasons } : {}),
    ...(irreversible ? { irreversible } : {}),
  };
}

function whyNot(left: Left, output: Output | undefined): string {
  const still =
    'unknown' in left
      ? `its state cannot be told: ${left.unknown}`
      : `still ${left.change.differences.map(({ key, before, after }) => `${key} is ${say(before)}, should be ${say(after)}`).join('; ')}`;
  if (output === undefined) return still;
  if (output.timedOut) return `its time was up; ${still}`;
  return output.code === 0 ? `the command said it worked, but ${still}` : `exit code ${output.code}; ${still}`;
}

function say(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value);
}

/** The last 20 lines that a command printed, errors last. */
function tail(output: Output): string[] {
  return (output.out.toString() + output.err.toString()).trimEnd().split('\n').slice(-20);
}

function named({ step, host, role, stepType, name }: StepName): StepName {
  return { step, host, role, stepType, name };
}

/** Seconds since `at`, to the millisecond. */
function seconds(at: number): number {
  return Math.round(performance.now() - at) / 1000;
}
