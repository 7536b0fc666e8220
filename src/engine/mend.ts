import PQueue from 'p-queue';
import type { Command, Output } from '../base/command.ts';
import { lastLines } from '../base/printable.ts';
import type { Event, ShownChange } from '../base/event.ts';
import { Unreachable, type Shell } from '../base/shell.ts';
import type { Change } from '../base/state.ts';
import { walk } from '../graph/walk.ts';
import type { Gate, Health, Step } from '../plan/plan.ts';
import { isUnknown, type AnyParams, type ApiResource, type Found, type Unknown } from '../resources/define.ts';
import { forget } from '../resources/service.ts';
import { DataFailed } from './api.ts';
import { batch } from './batch.ts';
import { exchange } from './exchange.ts';
import { hintOf } from './hints.ts';
import type { Journal } from './journal.ts';
import { changeOf, commandOf, examine, isShellStep, look, survey, type ShellStep } from './look.ts';
import { show, type Told } from './tell.ts';
import { healthEvent, named, type Work } from './work.ts';

// How many things happen at once: on all hosts together, and on one. A host has one sshd and one disk.
const limits = { all: 200, host: 4 };

// Steps that are changed in one exchange: of more, one that fails would be heard of too late.
const most = 100;

// Seconds to wait for an API whose service was started a moment ago.
const patience = 60;

/** Walks the graph and makes every step so; a step that fails blocks what needs it and nothing else. */
export async function mend(work: Work, told: Told, journal: Journal): Promise<void> {
  work.emit({ type: 'walk-start' });
  await new Mending(work, told, journal).walk();
}

/** What is still wrong after a change. */
type Left = { readonly change: Change } | { readonly unknown: string } | { readonly why: string };

/** A change that one of several steps is about to make. */
interface Meant {
  readonly step: ShellStep;
  readonly change: Change;
  readonly command: Command;
  readonly shown: ShownChange;
}

/** A unit whose service watches a step; `keys` narrows it to some of the step's differences. */
interface Watcher {
  readonly unit: string;
  readonly keys?: readonly string[];
}

class Mending {
  readonly #work: Work;
  readonly #told: Told;
  readonly #journal: Journal;
  readonly #watchers: ReadonlyMap<string, readonly Watcher[]>;
  /** Nodes on ground that this run has changed: what the survey said of them is no longer sure. */
  readonly #moved = new Set<string>();
  readonly #seconds = new Map<string, number>();
  readonly #done = new Set<string>();
  /** Steps that are done before they are visited: they were changed in one exchange with a step that they wait for. */
  readonly #carried = new Set<string>();
  /** Roles with a step that failed: on other hosts they may never become well. */
  readonly #broken = new Set<string>();
  /** By role: whose services restart one host after the other. */
  readonly #turns = new Map<string, PQueue>();
  readonly #everywhere = new PQueue({ concurrency: limits.all });
  readonly #onHost: ReadonlyMap<string, PQueue>;

  constructor(work: Work, told: Told, journal: Journal) {
    this.#work = work;
    this.#told = told;
    this.#journal = journal;
    this.#watchers = watchersOf(work.nodes.filter((node) => node.kind === 'step'));
    this.#onHost = new Map(work.hosts.map((host) => [host, new PQueue({ concurrency: limits.host })]));
  }

  async walk(): Promise<void> {
    const { graph, emit } = this.#work;
    await walk(
      graph,
      async (id) => {
        const outcome = await this.#visit(id);
        if (outcome === 'done') this.#done.add(id);
        return outcome;
      },
      (id, by) => {
        this.#blocked(id, by);
      },
    );
    const path = graph.criticalPath((id) => this.#seconds.get(id) ?? 0).map((step) => ({ step, seconds: this.#seconds.get(step) ?? 0 }));
    emit({ type: 'critical-path', steps: path.filter((each) => each.seconds >= 0.1) });
  }

  async #visit(id: string): Promise<'done' | 'failed'> {
    const node = this.#work.plan.nodes.get(id)!;
    this.#follow(id);
    if (node.kind === 'ready' || this.#carried.has(id)) return 'done';
    return this.#queued(node.host, async () => {
      if (this.#work.drain.aborted) {
        if (node.kind === 'step') this.#skip(node);
        return 'failed';
      }
      const at = this.#work.clock.now();
      const outcome = await this.#work.on(node.host, (shell) =>
        node.kind === 'step' ? this.#step(shell, node) : this.#reach(shell, node),
      );
      if (!this.#seconds.has(id)) this.#seconds.set(id, this.#work.since(at));
      if (outcome === undefined && node.kind === 'step') this.#block(node, `${node.host} is unreachable`);
      return outcome ?? 'failed';
    });
  }

  /** What stands on ground that was changed is no longer sure. */
  #follow(id: string): void {
    for (const need of this.#work.graph.needs(id).keys()) if (this.#moved.has(need)) this.#moved.add(id);
  }

  #queued<T>(host: string, act: () => Promise<T>): Promise<T> {
    return this.#onHost.get(host)!.add(() => this.#everywhere.add(act));
  }

  #blocked(id: string, by: string): void {
    const { plan, drain } = this.#work;
    const node = plan.nodes.get(id)!;
    if (node.kind !== 'step') return;
    if (drain.aborted) {
      this.#skip(node);
      return;
    }
    const cause = plan.nodes.get(by)!;
    this.#block(node, cause.kind !== 'ready' && this.#work.isDown(cause.host) ? `${cause.host} is unreachable` : by);
  }

  #block(step: Step, by: string): void {
    this.#work.count.blocked += 1;
    this.#work.emit({ type: 'step-blocked', ...named(step), by });
  }

  #skip(step: Step): void {
    this.#work.count.skipped += 1;
    this.#work.emit({ type: 'step-skipped', ...named(step), because: 'the run was interrupted' });
  }

  async #step(shell: Shell, step: Step): Promise<'done' | 'failed'> {
    const together = this.#together(step);
    return (together.length > 1 && (await this.#several(shell, together))) || this.#one(shell, step);
  }

  /** The step, and behind it the light ones of its host that wait for nothing but what is done, it, and each other. */
  #together(first: Step): ShellStep[] {
    const { graph, plan } = this.#work;
    const all = isLight(first) ? [first] : [];
    const among = new Set([first.step]);
    for (const each of all) {
      for (const id of graph.neededBy(each.step)) {
        const next = plan.nodes.get(id)!;
        if (all.length === most || among.has(id) || next.kind !== 'step' || next.host !== first.host || !isLight(next)) continue;
        if (![...graph.needs(id).keys()].every((need) => among.has(need) || this.#done.has(need))) continue;
        all.push(next);
        among.add(id);
      }
    }
    return all;
  }

  /**
   * Changes several steps in one exchange: each unless one before it has failed; then all are looked at. What is not as it
   * should be then, and what follows it, is left to visits of its own, which begin with a look. False: so is the first one.
   */
  async #several(shell: Shell, steps: readonly ShellStep[]): Promise<'done' | false> {
    const at = this.#work.clock.now();
    const before = await this.#before(shell, steps);
    const meant = steps.map((step) => this.#meant(step, before.get(step.step)!));
    const firstUnclear = firstIndex(meant, (each) => each === 'unclear');
    const known = steps.slice(0, firstUnclear);
    const changes = meant.slice(0, firstUnclear).filter((each) => typeof each === 'object');
    const found = changes.length === 0 ? before : await this.#exchange(shell, changes, known);
    const right = new Set(
      known.slice(
        0,
        firstIndex(known, (step) => leftOf(step, found.get(step.step) ?? notHeard) !== undefined),
      ),
    );
    await this.#settle(right, changes, this.#work.since(at) / changes.length);
    return right.size > 0 && 'done';
  }

  #meant(step: ShellStep, found: Found): Meant | 'right' | 'unclear' {
    const change = isUnknown(found) ? found : changeOf(step, found);
    if (!change) return 'right';
    const command = isUnknown(change) ? change : commandOf(step, change);
    if (isUnknown(change) || isUnknown(command)) return 'unclear';
    return { step, change, command, shown: this.#told.shown.get(step.step) ?? show(step, change) };
  }

  /** What is there behind the changes; nothing when nobody heard how they ended. */
  async #exchange(shell: Shell, changes: readonly Meant[], steps: readonly ShellStep[]): Promise<ReadonlyMap<string, Found>> {
    await this.#record(...changes.map(({ step, shown }): Event => ({ type: 'step-start', ...named(step), change: shown })));
    for (const { step } of changes) this.#moved.add(step.step);
    const sent = exchange(
      changes.flatMap(({ step, change, command }) => [...this.#owe(step, change), command]),
      steps,
    );
    const output = await shell.mend(sent.command);
    return output === 'unknown' ? new Map() : sent.read(output);
  }

  async #before(shell: Shell, steps: readonly ShellStep[]): Promise<ReadonlyMap<string, Found>> {
    const before = new Map<string, Found>();
    for (const step of steps) {
      this.#follow(step.step);
      const known = this.#known(step);
      if (known !== undefined) before.set(step.step, known);
    }
    const others = steps.filter((step) => !before.has(step.step));
    if (others.length > 0) (await survey(shell, others, [])).found.forEach((answer, id) => before.set(id, answer));
    return before;
  }

  /** Tells what came out right. The others' intents are over in the journal: each is made anew where it is tried anew. */
  async #settle(right: ReadonlySet<ShellStep>, changes: readonly Meant[], seconds: number): Promise<void> {
    const changed = new Map(changes.map(({ step, shown }) => [step, shown]));
    const events: Event[] = [];
    for (const step of right) {
      const change = changed.get(step);
      this.#carried.add(step.step);
      this.#seconds.set(step.step, change ? seconds : 0);
      this.#work.count[change ? 'changed' : 'ok'] += 1;
      if (change) events.push({ type: 'step-changed', ...named(step), change, seconds });
      else this.#work.emit({ type: 'step-ok', ...named(step) });
    }
    const because = 'it, or one before it, did not come out as it should: looked at anew';
    for (const { step } of changes) if (!right.has(step)) this.#journal.record({ type: 'step-skipped', ...named(step), because });
    await this.#record(...events);
  }

  async #one(shell: Shell, step: Step): Promise<'done' | 'failed'> {
    const at = this.#work.clock.now();
    const before = await this.#currently(shell, step);
    const change = isUnknown(before) ? before : changeOf(step, before);
    if (isUnknown(change)) return this.#fail(step, change, undefined, at);
    if (!change) {
      this.#work.count.ok += 1;
      this.#work.emit({ type: 'step-ok', ...named(step) });
      return 'done';
    }
    const refusal = step.resource.refuse?.(step.params, change) ?? step.resource.cannot?.(step.params, change);
    if (refusal !== undefined) return this.#fail(step, { why: refusal }, undefined, at);
    const turn = restarts(change) ? step.gate : undefined;
    if (!turn) return this.#change(shell, step, change, at);
    return this.#turnOf(step.role).add(() => this.#restart(shell, step, change, turn));
  }

  #turnOf(role: string): PQueue {
    const turn = this.#turns.get(role) ?? new PQueue({ concurrency: 1 });
    this.#turns.set(role, turn);
    return turn;
  }

  /** A restart in its turn: once the gate says yes, and with the next one waiting until all is well again. */
  async #restart(shell: Shell, step: Step, change: Change, { checks, health }: Gate): Promise<'done' | 'failed'> {
    const at = this.#work.clock.now();
    if (this.#work.drain.aborted) {
      this.#skip(step);
      return 'failed';
    }
    const closed = await this.#await(shell, { ...health, checks });
    if (closed !== undefined) return this.#fail(step, { why: `it must not be restarted now: ${closed}` }, undefined, at);
    // What was ill before may need a later step of its role to be well.
    const waits = (await examine(shell, health, this.#work.apis)) === undefined;
    const outcome = await this.#change(shell, step, change, at);
    if (outcome === 'failed' || !waits) return outcome;
    const ill = await this.#await(shell, health);
    return ill === undefined ? 'done' : this.#fail(step, { why: `restarted, and not healthy since: ${ill}` }, undefined, at);
  }

  async #change(shell: Shell, step: Step, change: Change, at: number): Promise<'done' | 'failed'> {
    const shown = this.#told.shown.get(step.step) ?? show(step, change);
    await this.#record({ type: 'step-start', ...named(step), change: shown });
    this.#moved.add(step.step);
    const { left, output } = await this.#mend(shell, step, change);
    if (left) return this.#fail(step, left, output, at);
    this.#work.count.changed += 1;
    await this.#record({ type: 'step-changed', ...named(step), change: shown, seconds: this.#work.since(at) });
    return 'done';
  }

  /** The survey's answer, or a new one where this run has changed the ground since. */
  async #currently(shell: Shell, step: Step): Promise<Found> {
    const known = this.#known(step);
    return known === undefined ? this.#look(shell, step) : known;
  }

  #known(step: Step): Exclude<Found, Unknown> | undefined {
    const known = this.#told.found.get(step.step);
    return known === undefined || isUnknown(known) || this.#moved.has(step.step) ? undefined : known;
  }

  #look(shell: Shell, step: Step): Promise<Found> {
    this.#work.apis.refresh();
    return look(shell, step, this.#work.apis, patience);
  }

  /** Changes, then looks again: what counts is what is there, whatever the command said. */
  async #mend(shell: Shell, step: Step, change: Change, again = true): Promise<{ readonly left?: Left; readonly output?: Output }> {
    const command = isShellStep(step) ? commandOf(step, change) : undefined;
    if (command && isUnknown(command)) return { left: command };
    const enacted = command ? await this.#enact(shell, step, change, command) : await this.#request(shell, step, change);
    if (enacted instanceof Error)
      return { left: { why: enacted.message }, ...(enacted instanceof DataFailed ? { output: enacted.output } : {}) };
    const output = enacted === 'unknown' || enacted === undefined ? {} : { output: enacted };
    const left = leftOf(step, await this.#look(shell, step));
    if (!left) return {};
    // The host was restarted under the command: nobody knows how far it came, so it is tried once more.
    if ('change' in left && enacted === 'unknown' && again) return this.#mend(shell, step, left.change, false);
    return { left, ...output };
  }

  async #enact(shell: Shell, step: Step, change: Change, command: Command): Promise<Output | 'unknown'> {
    const together = batch([...this.#owe(step, change), command], true);
    const output = await shell.mend(together.command, (line) => {
      // Not the marks between a batch's sections.
      if (!/^[0-9a-f]{32} \d+$/.test(line)) this.#work.emit({ type: 'step-said', ...named(step), line });
    });
    return output === 'unknown' ? output : together.split(output).at(-1)!;
  }

  async #request(shell: Shell, step: Step, change: Change): Promise<Error | undefined> {
    const resource = step.resource as ApiResource<AnyParams>;
    const owed = this.#owe(step, change);
    if (owed.length > 0) await shell.mend(batch(owed, true).command);
    try {
      const said = (line: string): void => {
        this.#work.emit({ type: 'step-said', ...named(step), line });
      };
      await this.#work.apis.follow(resource.apply(step.params, change), 0, said);
      return undefined;
    } catch (error) {
      if (error instanceof Error && !(error instanceof Unreachable)) return error;
      throw error;
    }
  }

  /**
   * What forgets that the services which watch a step are up to date: a restart is owed from now on. That is written down
   * before the change, so that a crash in between cannot lose it.
   */
  #owe(step: Step, change: Change): Command[] {
    const watchers = this.#watchers.get(step.step) ?? [];
    return watchers
      .filter(({ keys }) => keys === undefined || change.differences.some(({ key }) => keys.includes(key)))
      .map(({ unit }) => forget(unit));
  }

  /** Waits until a role is healthy on a host; one that was, and that nothing has touched, is not asked again. */
  async #reach(shell: Shell, health: Health): Promise<'done' | 'failed'> {
    if (!this.#moved.has(health.id) && this.#told.ill.get(health.id) === undefined) return 'done';
    const at = this.#work.clock.now();
    return this.#healthy(health, await this.#await(shell, health), this.#work.since(at));
  }

  /** Asks until all checks say yes, or the longest of their times is up; then the reason why not. */
  async #await(shell: Shell, health: Health): Promise<string | undefined> {
    const at = this.#work.clock.now();
    const within = Math.max(0, ...health.checks.map((each) => each.within));
    for (let pause = 250; ; pause = Math.min(pause * 1.5, 3000)) {
      // Hosts of a fleet that wait for the same list share it for a moment.
      this.#work.apis.refresh(1000);
      const why = await examine(shell, health, this.#work.apis);
      const patient = this.#broken.has(health.role) ? Math.min(within, 60) : within;
      const last = this.#work.since(at) + pause / 1000 > patient || this.#work.drain.aborted;
      if (why === undefined || last) return why;
      await this.#work.clock.sleep(pause);
    }
  }

  async #healthy(health: Health, why: string | undefined, seconds: number): Promise<'done' | 'failed'> {
    if (health.checks.length > 0) await this.#record(healthEvent(health, why, seconds));
    if (why !== undefined) this.#work.count.failed += 1;
    return why === undefined ? 'done' : 'failed';
  }

  async #fail(step: Step, left: Left, output: Output | undefined, at: number): Promise<'failed'> {
    this.#work.count.failed += 1;
    this.#broken.add(step.role);
    const lines = output === undefined ? undefined : lastLines(output, 20);
    const message = whyNot(left, output);
    const hint = hintOf(named(step), message, lines);
    await this.#record({
      type: 'step-failed',
      ...named(step),
      message,
      ...(lines ? { output: lines } : {}),
      ...(hint === undefined ? {} : { hint }),
      seconds: this.#work.since(at),
    });
    return 'failed';
  }

  /** On disk before anybody is told. */
  async #record(...events: readonly Event[]): Promise<void> {
    for (const event of events) this.#journal.record(event);
    await this.#journal.synced();
    for (const event of events) this.#work.emit(event);
  }
}

const notHeard: Unknown = { unknown: 'nobody heard how it ended' };

function isLight(step: Step): step is ShellStep {
  return isShellStep(step) && step.resource.light === true;
}

/** What is wrong with what was found. */
function leftOf(step: Step, found: Found): Left | undefined {
  const change = isUnknown(found) ? found : changeOf(step, found);
  return change === null || isUnknown(change) ? (change ?? undefined) : { change };
}

/** The index of the first that is so; behind all when none is. */
function firstIndex<T>(all: readonly T[], is: (each: T) => boolean): number {
  const index = all.findIndex(is);
  return index < 0 ? all.length : index;
}

/** Whether a service that runs is to be stopped for a moment. */
function restarts({ before, differences }: Change): boolean {
  return before?.['state'] === 'started' && differences.some(({ key }) => key === 'loaded' || key === 'state');
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

function whyNot(left: Left, output: Output | undefined): string {
  if ('why' in left) return left.why;
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
