import { sh, withTimeout, type Output } from '../base/command.ts';
import { lastLines, printable } from '../base/printable.ts';
import { Unreachable } from '../base/shell.ts';
import { allowance, room } from '../base/waves.ts';
import type { Hook, Pause } from '../inventory/types.ts';
import { worksOf, type HostWork, type Journey, type Lease, type Stage, type StageWave } from '../plan/journey.ts';
import type { Step } from '../plan/plan.ts';
import { Acts, type ActOptions, type Outcome } from './acts.ts';
import { Leases } from './leases.ts';
import { follow, isOpen, stateOf, turn, type Dated, type Fact, type Ledger, type PauseCause, type UpgradeState } from './ledger.ts';
import { Locked, type RunOptions } from './work.ts';

export interface UpgradeOptions extends Omit<ActOptions, 'plan' | 'clock'> {
  readonly journey: Journey;
  readonly ledger: Ledger;
  readonly clock: NonNullable<RunOptions['clock']>;
  /** The releases that hosts report. */
  readonly from: readonly string[];
  /** Asked before each step that cannot be taken back, at its time. */
  readonly accept: (step: Step) => Promise<boolean>;
  /** Tries a canary as a user of the cloud would; by the trials of its roles when left out. */
  readonly tryOut?: (host: string) => Promise<Outcome>;
  /** Asked where the inventory says so, between waves; false pauses. */
  readonly goOn: (question: string) => Promise<boolean>;
  /** Somebody asked for a pause since. */
  readonly pauseAsked: () => boolean;
  /** Runs a hook on the deployer, with these in its environment. */
  readonly local: (hook: Hook, names: Names) => Promise<Output>;
  /** Told of every fact once it is written. */
  readonly heard: (fact: Dated, state: UpgradeState) => void;
}

/** What gates and hooks find in their environment: the stage, and the hosts of the wave. */
export type Names = Readonly<Record<'CELLWISE_STAGE' | 'CELLWISE_HOSTS', string>>;

export type Verdict = { readonly kind: 'finished' } | { readonly kind: 'paused'; readonly cause: PauseCause; readonly why: string };

/** Begins an upgrade, or goes on with one that was begun; ends when the cloud is there or when somebody has to decide. Throws Locked. */
export async function upgrade(options: UpgradeOptions): Promise<Verdict> {
  return new Upgrade(options).go();
}

/** Leaves an upgrade as it is: a mixed cloud that works, with nothing taken. Throws Locked. */
export async function abort(options: UpgradeOptions): Promise<void> {
  await new Upgrade(options).abort();
}

/** Ends a part of the way: the upgrade pauses. */
class Stop extends Error {
  readonly reason: PauseCause;
  /** It is about the upgrade as a whole, not about the cell that it came to. */
  readonly whole: boolean;

  constructor(reason: PauseCause, why: string, whole = false) {
    super(printable(why, 4000));
    this.reason = reason;
    this.whole = whole;
  }
}

class Upgrade {
  readonly #options: UpgradeOptions;
  readonly #journey: Journey;
  readonly #acts: Acts;
  readonly #leases: Leases;
  readonly #lead: string;
  #state: UpgradeState;
  /** One question at a time, however many hosts have one. */
  #asking: Promise<unknown> = Promise.resolve();
  /** One canary at a time: who tries is the same guest of the cloud. */
  #trying: Promise<unknown> = Promise.resolve();

  constructor(options: UpgradeOptions) {
    this.#options = options;
    this.#journey = options.journey;
    this.#acts = new Acts({ ...options, plan: options.journey.plan });
    const state = stateOf(options.ledger.facts);
    this.#lead = options.journey.plan.hosts.find((host) => host.state === 'present')!.name;
    const fresh = !isOpen(state);
    const by = `${options.holder.who}: ${options.command}`;
    if (fresh) this.#begin({ type: 'begun', to: this.#journey.to, from: options.from, hosts: this.#hosts().length, by });
    this.#state = stateOf(options.ledger.facts)!;
    if (!fresh) this.#write({ type: 'resumed', by });
    this.#leases = new Leases(
      this.#acts,
      () => this.#state,
      (fact) => {
        this.#write(fact);
      },
      options.emit,
    );
  }

  async go(): Promise<Verdict> {
    return this.#holding(async () => {
      try {
        // What a run that was cut off had taken, whoever needs it next.
        await this.#leases.giveBack();
        await this.#walk();
        await this.#leases.giveBack();
        this.#refuseOwing();
        this.#write({ type: 'finished' });
        return { kind: 'finished' };
      } catch (error) {
        if (!(error instanceof Stop)) throw error;
        await this.#leases.giveBack(this.#notQuarantined());
        this.#write({ type: 'paused', cause: error.reason, why: error.message });
        return { kind: 'paused', cause: error.reason, why: error.message };
      }
    });
  }

  async abort(): Promise<void> {
    await this.#holding(async () => {
      await this.#leases.giveBack();
      this.#write({ type: 'aborted', by: this.#options.holder.who });
    });
  }

  /** While the first host's lock is held nobody else goes on with this upgrade. */
  async #holding<T>(act: () => Promise<T>): Promise<T> {
    try {
      const shell = await this.#acts.shells.open(this.#lead);
      const held = await shell.lock(this.#options.holder);
      if (held !== 'locked') throw new Locked(this.#lead, held);
      return await act();
    } finally {
      await this.#acts.shells.close();
    }
  }

  #begin(fact: Fact): void {
    this.#options.ledger.write(fact);
  }

  #write(fact: Fact): void {
    const { ledger, heard } = this.#options;
    ledger.write(fact);
    const dated = ledger.facts.at(-1)!;
    follow(this.#state, dated);
    heard(dated, this.#state);
  }

  #hosts(): string[] {
    return [...new Set(this.#journey.stages.flatMap((stage) => worksOf(stage).map(({ host }) => host)))];
  }

  async #walk(): Promise<void> {
    for (const stage of this.#journey.stages) {
      if (this.#state.stagesDone.has(stage.id)) continue;
      if (stage.phase === 'finish') this.#refuseIncomplete();
      if (stage.cell !== undefined && this.#state.cellsFailed.has(stage.cell)) continue;
      try {
        await this.#stage(stage);
      } catch (error) {
        await this.#failCell(stage, error);
      }
    }
    this.#refuseIncomplete();
  }

  /** What old programs would not survive is done when there are none left. */
  #refuseIncomplete(): void {
    const left = this.#journey.stages.filter(({ id, phase }) => phase !== 'finish' && !this.#state.stagesDone.has(id));
    if (left.length === 0) return;
    const cells = [...this.#state.cellsFailed].map(([cell, why]) => `${cell}: ${why}`);
    throw new Stop(
      'incomplete',
      `Not all hosts are there yet (${left.map(({ id }) => id).join(', ')})${cells.length > 0 ? `; ${cells.join('; ')}` : ''}`,
    );
  }

  /** An upgrade that has ended gives nothing back any more. */
  #refuseOwing(): void {
    const owed = [...this.#state.leases.keys()];
    if (owed.length > 0) throw new Stop('step', `All hosts are there, and something could not be given back: ${owed.join(', ')}`, true);
  }

  /** A cell that has failed gets no new machines, which go to others; these go on where the operator said so. */
  async #failCell(stage: Stage, error: unknown): Promise<void> {
    const failed = error instanceof Stop && !error.whole && ['failures', 'gate', 'hook', 'step'].includes(error.reason);
    if (!failed || stage.cell === undefined) throw error;
    await this.#leases.giveBack(this.#notQuarantined());
    this.#write({ type: 'cell-failed', cell: stage.cell, why: error.message });
    // Where there is one cell only, new machines could go nowhere.
    if (this.#journey.run.cells.length > 1) await this.#quarantine(stage.cell);
    if (this.#journey.run.otherCells === 'wait') throw error;
    this.#options.emit({
      type: 'note',
      text: `The cell ${stage.cell} has failed; going on with the others: ${error.message}`,
    });
  }

  /** Leases of a cell's hosts: what keeps new machines away from them. */
  #keepers(cell: string): Lease[] {
    const { stages } = this.#journey;
    return stages.filter((stage) => stage.cell === cell).flatMap((stage) => worksOf(stage).flatMap(({ leases }) => leases));
  }

  async #quarantine(cell: string): Promise<void> {
    const byHost = [...Map.groupBy(this.#keepers(cell), ({ host }) => host).values()];
    await Promise.all(
      byHost.map((leases) =>
        this.#leases.take(
          leases,
          leases.map(({ take }) => take),
        ),
      ),
    );
  }

  #notQuarantined(): Lease[] {
    const kept = new Set([...this.#state.cellsFailed.keys()].flatMap((cell) => this.#keepers(cell).map(({ take }) => take)));
    return [...this.#state.leases.values()].filter(({ take }) => !kept.has(take));
  }

  async #stage(stage: Stage): Promise<void> {
    this.#write({ type: 'stage-begun', stage: stage.id });
    if (await this.#isThere(stage)) {
      this.#write({ type: 'stage-done', stage: stage.id });
      return;
    }
    const { outcome } = await this.#leases.take(
      stage.leases,
      stage.leases.map(({ take }) => take),
    );
    this.#must(outcome, stage);
    if (!this.#state.beforeDone.has(stage.id)) {
      this.#must(await this.#run(stage.before), stage);
      this.#write({ type: 'before-done', stage: stage.id });
    }
    for (const [i, wave] of stage.waves.entries()) await this.#wave(stage, wave, i);
    if (worksOf(stage).some(({ host }) => !this.#state.done.has(turn(stage.id, host)))) return;
    this.#must(await this.#run(stage.after), stage);
    await this.#leases.giveBack(stage.leases);
    this.#write({ type: 'stage-done', stage: stage.id });
    if (stage.cell !== undefined) await this.#pause(stage.policy.pause.cell, `${stage.id} is done`);
  }

  /** Nothing is taken, and nothing done once, for hosts that have nothing to do. */
  async #isThere(stage: Stage): Promise<boolean> {
    const around = stage.leases.length + stage.before.length + stage.after.length;
    if (around === 0 || this.#state.beforeDone.has(stage.id)) return false;
    return this.#isSo(await this.#acts.look(worksOf(stage).flatMap(({ steps, health }) => [...steps, ...health])));
  }

  #isSo({ told, down }: Awaited<ReturnType<Acts['look']>>): boolean {
    return down === undefined && told.pending === 0 && [...told.ill.values()].every((why) => why === undefined);
  }

  async #wave(stage: Stage, wave: StageWave, nth: number): Promise<void> {
    const left = wave.works.filter(({ host }) => !this.#state.done.has(turn(stage.id, host)));
    if (left.length === 0) return;
    const { policy, id } = stage;
    this.#boundary();
    const hosts = left.map(({ host }) => host);
    const names = { CELLWISE_STAGE: id, CELLWISE_HOSTS: hosts.join(' ') };
    await this.#hooks('gate', policy.gates, names);
    await this.#hooks('hook', policy.hooks.beforeWave, names);
    this.#write({ type: 'wave-begun', stage: id, wave: nth, hosts });
    await this.#together(stage, wave, left);
    // A fleet's connections are not kept; the few hosts that come up again and again are.
    if (stage.phase === 'cells') await this.#acts.shells.close(hosts.filter((host) => host !== this.#lead));
    this.#withinBudget(stage, wave);
    await this.#hooks('gate', policy.gates, names);
    await this.#hooks('hook', policy.hooks.afterWave, names);
    this.#write({ type: 'wave-done', stage: id, wave: nth, hosts });
    const ahead = stage.waves.slice(nth + 1).some(({ works }) => works.some(({ host }) => !this.#state.done.has(turn(id, host))));
    if (ahead)
      await this.#pause(
        wave.canary ? policy.pause.canary : policy.pause.wave,
        `${id}: ${wave.canary ? 'the canary' : `wave ${nth + 1}`} is done`,
      );
  }

  /** The hosts of a wave at the same time, as far as so many may be out of service beside those that have failed. */
  async #together(stage: Stage, wave: StageWave, left: readonly HostWork[]): Promise<void> {
    const [waiting, running] = [[...left], new Set<Promise<void>>()];
    let fault: unknown;
    const free = (): number => room(stage.policy.maxUnavailable, worksOf(stage).length, this.#down(stage).length) - running.size;
    while (waiting.length > 0 && fault === undefined && !this.#overspent(stage, wave) && !this.#halted()) {
      if (free() > 0) {
        const one = this.#host(stage, waiting.shift()!, wave.canary)
          .catch((error: unknown) => {
            fault ??= error;
          })
          .finally(() => running.delete(one));
        running.add(one);
      } else if (running.size > 0) {
        await Promise.race(running);
      } else {
        fault = new Stop('failures', `${stage.id}: as many hosts are out of service as may be: ${this.#down(stage).join(', ')}`);
      }
    }
    // Nobody is left half way: what went wrong on one host is told when the others have ended.
    await Promise.all(running);
    if (fault !== undefined) throw fault as Error;
  }

  #down(stage: Stage): string[] {
    return [...this.#state.failed.values()].filter((each) => each.stage === stage.id).map(({ host }) => host);
  }

  async #host(stage: Stage, work: HostWork, canary: boolean): Promise<void> {
    const { host } = work;
    const at = this.#options.clock.now();
    const worked = await this.#hostWork(stage, work, canary);
    const outcome = worked.kind === 'done' && canary ? await this.#tryOut(stage, work.host) : worked;
    if (outcome.kind === 'done') {
      this.#write({ type: 'host-done', stage: stage.id, host, seconds: Math.round(this.#options.clock.now() - at) / 1000 });
      return;
    }
    await this.#leases.giveBack(work.leases);
    if (outcome.kind === 'declined') throw new Stop('declined', outcome.why);
    if (outcome.kind === 'interrupted') return;
    this.#write({ type: 'host-failed', stage: stage.id, host, why: outcome.why, unreachable: outcome.kind === 'unreachable' });
  }

  async #hostWork(stage: Stage, work: HostWork, canary: boolean): Promise<Outcome> {
    if (!this.#state.underWay.has(turn(stage.id, work.host)) && stage.phase !== 'finish' && stage.phase !== 'backup') {
      const seen = await this.#acts.look([...work.steps, ...work.health]);
      if (seen.down !== undefined) return { kind: 'unreachable', why: seen.down };
      if (this.#isSo(seen)) return { kind: 'done' };
    }
    this.#write({ type: 'host-begun', stage: stage.id, host: work.host });
    const gate = await this.#run(work.gate);
    if (gate.kind !== 'done') return gate;
    const { outcome: drained, others } = await this.#leases.take(work.leases, work.drain);
    if (drained.kind !== 'done') return drained;
    for (const ids of stage.phase === 'finish' ? work.steps.map((id) => [id]) : [work.steps, work.health]) {
      const outcome = await this.#run(ids);
      if (outcome.kind !== 'done') return outcome;
    }
    const kept = new Set(work.leases.flatMap(({ take, give }) => (others.has(take) ? [give] : [])));
    const restored = await this.#run(work.restore.filter((id) => !kept.has(id)));
    await this.#leases.giveBack(work.leases);
    if (restored.kind === 'done' && canary && stage.phase === 'cells' && this.#triesOn(work.host))
      this.#write({ type: 'host-trying', stage: stage.id, host: work.host });
    return restored;
  }

  #triesOn(host: string): boolean {
    return this.#journey.plan.trials.some((trial) => trial.canary && trial.host === host);
  }

  /** Before it is restored, a compute host is given no machine; the others wait until it has been seen to run one. */
  async #tryOut(stage: Stage, host: string): Promise<Outcome> {
    if (!this.#state.untried.has(turn(stage.id, host))) return { kind: 'done' };
    const tried = this.#trying.then(() => this.#options.tryOut?.(host) ?? this.#acts.tryOut(host));
    this.#trying = tried.catch(() => undefined);
    return tried;
  }

  #run(ids: readonly string[]): Promise<Outcome> {
    return this.#acts.run(ids, (step) => this.#accept(step));
  }

  /** Asks once for each step that cannot be taken back; the answer is kept. */
  #accept(step: Step): Promise<boolean> {
    const asked = this.#asking.then(async () => {
      if (this.#state.accepted.has(step.step)) return true;
      const yes = await this.#options.accept(step);
      if (yes) this.#write({ type: 'accepted', step: step.step });
      return yes;
    });
    this.#asking = asked.catch(() => undefined);
    return asked;
  }

  #must(outcome: Outcome, stage: Stage): void {
    if (outcome.kind === 'done') return;
    const cause = { failed: 'step', unreachable: 'step', interrupted: 'interrupted', declined: 'declined' } as const;
    throw new Stop(cause[outcome.kind], `${stage.id}: ${outcome.why}`);
  }

  #halted(): boolean {
    return this.#options.drain.aborted || this.#options.pauseAsked();
  }

  /** Between waves nothing is under way: here it can be stopped. */
  #boundary(): void {
    if (this.#options.drain.aborted) throw new Stop('interrupted', 'Interrupted');
    if (this.#options.pauseAsked()) throw new Stop('operator', 'A pause was asked for');
  }

  /** A canary, and what is not a cell, has no failures to spend. Those of a cell that is given up are settled with it. */
  #overspent(stage: Stage, wave: StageWave): Stop | undefined {
    const failed = [...this.#state.failed.values()].filter((each) => !this.#givenUp(each.stage));
    const ofWave = failed.filter((each) => each.stage === stage.id && wave.works.some(({ host }) => host === each.host));
    const may = wave.canary || stage.phase !== 'cells' ? 0 : allowance(stage.policy.failures, wave.works.length);
    const mayAll = Math.max(may, allowance(this.#journey.run.failures, this.#state.hosts));
    if (ofWave.length > may) return new Stop('failures', `${stage.id}: ${told(ofWave)}; ${may === 0 ? 'none' : may} may fail in this wave`);
    if (failed.length > mayAll) return new Stop('failures', `${told(failed)}; ${mayAll} may fail in all`, true);
    return undefined;
  }

  #givenUp(stage: string): boolean {
    const { cell } = this.#journey.stages.find(({ id }) => id === stage)!;
    return cell !== undefined && this.#state.cellsFailed.has(cell);
  }

  #withinBudget(stage: Stage, wave: StageWave): void {
    const over = this.#overspent(stage, wave);
    if (over !== undefined) throw over;
    this.#boundary();
  }

  async #hooks(cause: 'gate' | 'hook', hooks: readonly Hook[], names: Names): Promise<void> {
    for (const hook of hooks) {
      const output = await this.#hook(hook, cause === 'gate', names);
      if (output === undefined || output.code === 0) continue;
      const said = lastLines(output, 1)[0] || `exit code ${output.code}`;
      throw new Stop(cause, `The ${cause} "${hook.run}" on ${hook.on} says no: ${said}`);
    }
  }

  async #hook(hook: Hook, reads: boolean, names: Names): Promise<Output | undefined> {
    if (hook.on === 'deployer') return this.#options.local(hook, names);
    const words = Object.entries(names).map(([name, value]) => `${name}=${value}`);
    const command = withTimeout(sh`env ${words} sh -c ${hook.run} 2>&1`, hook.within);
    try {
      const shell = await this.#acts.shells.open(hook.on);
      const output = reads ? await shell.run(command) : await shell.mend(command);
      if (output !== 'unknown') return output;
      throw new Stop('hook', `Nobody heard how "${hook.run}" ended on ${hook.on}`);
    } catch (error) {
      if (error instanceof Unreachable) throw new Stop(reads ? 'gate' : 'hook', error.message);
      throw error;
    }
  }

  async #pause(pause: Pause | undefined, what: string): Promise<void> {
    if (pause === undefined) return;
    if (pause === 'ask') {
      if (!(await this.#options.goOn(`${what}. Go on?`))) throw new Stop('ask', `${what}, and was looked at`);
      return;
    }
    this.#options.emit({ type: 'note', text: `${what}. Going on in ${pause} s.` });
    const until = this.#options.clock.now() + pause * 1000;
    while (this.#options.clock.now() < until && !this.#halted())
      await this.#options.clock.sleep(Math.min(1000, until - this.#options.clock.now()));
    this.#boundary();
  }
}

function told(failed: readonly { readonly host: string; readonly why: string }[]): string {
  const shown = failed.slice(0, 3).map(({ host, why }) => `${host} (${why})`);
  return `${shown.join(', ')}${failed.length > 3 ? ` and ${failed.length - 3} more` : ''} failed`;
}
