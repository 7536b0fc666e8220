import { randomBytes } from 'node:crypto';
import PQueue from 'p-queue';
import { messageOf } from '../base/printable.ts';
import { Secret } from '../base/secret.ts';
import type { Holder } from '../base/shell.ts';
import { Graph } from '../graph/graph.ts';
import { walk } from '../graph/walk.ts';
import type { PlannedTrial } from '../plan/plan.ts';
import type { ApiAnswer, ApiRequest, Login } from '../resources/define.ts';
import { generateKey } from '../ssh/key.ts';
import type { Attempt, Handed, Outcome, Stage } from '../trials/define.ts';
import { dismiss, guestName, invite, leftGuests, type Guest } from '../trials/guest.ts';
import { User } from './deeds.ts';
import { lastWords } from './last-words.ts';
import { takeLock } from './tell.ts';
import { named, type Work } from './work.ts';

export interface TrialOptions {
  readonly run: string;
  readonly holder: Holder;
  /** `quick`: of compute hosts, one of each cell. `canary`: what an upgrade tries on this one. */
  readonly of: 'all' | 'quick' | { readonly canary: string };
}

/** How many are under way at once: servers of many hosts start at the same time. */
const atOnce = 8;

/** Seconds that making or removing a guest may take. */
const guestLimit = 900;

/** Thrown into what is under way when the operator has had enough. */
class Interrupted extends Error {}

/**
 * Tries the cloud as its users would, in a project and as a user that are made for it and removed behind it, whatever happens;
 * removes what runs before have left, too. `ill`: health nodes that are not well. Throws Locked.
 */
export async function tryCloud(work: Work, ill: ReadonlySet<string>, options: TrialOptions): Promise<void> {
  const chosen = choose(work, options.of);
  const administrator = [...work.plan.apis.values()].find(({ login }) => login);
  // None of them need have a part in the run otherwise. Who cannot be reached is found out by whoever asks.
  await Promise.allSettled(
    [administrator?.host, ...chosen.map(({ host }) => host)].flatMap((host) => (host === undefined ? [] : work.reach(host))),
  );
  if (chosen.length === 0 || !administrator?.login || !work.isUp(administrator.host)) {
    for (const trial of chosen) block(work, trial, `${administrator?.host ?? 'Keystone'} is unreachable`);
    return;
  }
  // Who holds it is alone: whatever is called like a guest is then left over.
  await takeLock(work, work.shell(administrator.host), options.holder);
  await new Trying(work, chosen, administrator.login, administrator.host, options.run).run(ill);
}

/** Of the part of the cloud that is asked for, with what these build on. */
function choose({ plan, graph, emit }: Work, of: TrialOptions['of']): PlannedTrial[] {
  const cells = new Map<string | undefined, string>();
  const hosts = new Map(plan.hosts.map((host) => [host.name, host]));
  const asked = plan.trials.filter(({ host, role, trial, canary }) => {
    if (typeof of === 'object') return canary && host === of.canary;
    if (!graph.has(`${host}/${role}/health`)) return false;
    const { cell, kinds } = hosts.get(host)!;
    if (of === 'all' || trial.scope === 'cluster' || !kinds.includes('compute')) return true;
    if (!cells.has(cell)) cells.set(cell, host);
    return cells.get(cell) === host;
  });
  const types = feasible(plan.trials);
  const left = new Set(asked.map(({ stepType }) => stepType).filter((type) => !types.has(type)));
  if (left.size > 0) emit({ type: 'note', text: `Not tried, because this cloud has not all that it takes: ${[...left].join(', ')}` });
  const chosen = new Set(asked.filter(({ stepType }) => types.has(stepType)));
  for (const one of chosen) {
    for (const need of one.trial.needs) {
      const all = builtOn(one, types.get(need)!);
      if (!all.some((other) => chosen.has(other))) chosen.add(all[0]!);
    }
  }
  return plan.trials.filter((one) => chosen.has(one));
}

/** By type, the trials of a cloud that has all that they build on. */
function feasible(all: readonly PlannedTrial[]): ReadonlyMap<string, readonly PlannedTrial[]> {
  const types = Map.groupBy(all, ({ stepType }) => stepType);
  for (let size = -1; size !== types.size;) {
    size = types.size;
    for (const [type, [one]] of types) if (one!.trial.needs.some((need) => !types.has(need))) types.delete(type);
  }
  return types;
}

/** Of trials of a type that another needs, those that will do: on the same host, or any where one is for the whole cloud. */
function builtOn({ host, trial }: PlannedTrial, all: readonly PlannedTrial[]): readonly PlannedTrial[] {
  const here = all.filter((other) => other.host === host);
  return trial.scope !== 'cluster' && here.length > 0 ? here : all;
}

function block(work: Work, trial: PlannedTrial, by: string): void {
  work.count.blocked += 1;
  work.emit({ type: 'step-blocked', ...named(trial), by });
}

class Trying {
  readonly #work: Work;
  readonly #chosen: readonly PlannedTrial[];
  /** Where the identity API is: where requests and browsers start from. */
  readonly #host: string;
  readonly #services: ReadonlySet<string>;
  readonly #administrator: Login;
  readonly #user: Login;
  readonly #keys: { readonly privateKey: string; readonly publicKey: string };
  readonly #queue = new PQueue({ concurrency: atOnce });
  /** By type, then by host. */
  readonly #outcomes = new Map<string, Map<string, Outcome>>();

  constructor(work: Work, chosen: readonly PlannedTrial[], administrator: Login, host: string, run: string) {
    const name = guestName(run);
    this.#work = work;
    this.#chosen = chosen;
    this.#host = host;
    this.#administrator = administrator;
    this.#services = new Set(work.plan.apis.keys());
    this.#user = { user: name, project: name, password: Secret.of(name, randomBytes(24).toString('base64url')) };
    this.#keys = generateKey(name);
  }

  async run(ill: ReadonlySet<string>): Promise<void> {
    const at = this.#work.clock.now();
    try {
      await this.#sweep('left by a run that was cut off');
      const guest = await this.#talk(invite(this.#user, this.#administrator.user, this.#keys.publicKey, this.#services), guestLimit);
      await this.#walk(ill, guest);
    } catch (error) {
      if (!(error instanceof Interrupted)) this.#failed('guest', error, at);
    }
    await this.#sweep();
  }

  /** Removes every guest; `why`: told for each. Goes on although the run was interrupted. */
  async #sweep(why?: string): Promise<void> {
    const at = this.#work.clock.now();
    try {
      for (const guest of await this.#talk(leftGuests(), guestLimit, true)) {
        if (why !== undefined) this.#work.emit({ type: 'note', text: `removing ${guest.name}, ${why}` });
        const admin = { ...this.#administrator, project: guest.name };
        const [left] = await this.#talk(dismiss(guest, admin, this.#services), guestLimit, true);
        if (left !== undefined) throw new Error(`${guest.name} could not be emptied of ${left}`);
      }
    } catch (error) {
      this.#failed('clean-up', error, at);
    }
  }

  #failed(stepType: string, error: unknown, at: number): void {
    const [host, name] = [this.#host, this.#user.user];
    this.#work.count.failed += 1;
    this.#work.emit({
      type: 'step-failed',
      ...{ step: `${host}/keystone/verify: ${stepType}`, host, role: 'keystone', stepType, name },
      message: messageOf(error),
      hint: 'The next `cellwise verify` removes what is left.',
      seconds: this.#work.since(at),
    });
  }

  async #walk(ill: ReadonlySet<string>, guest: Guest): Promise<void> {
    const byId = new Map(this.#chosen.map((trial) => [trial.step, trial]));
    await walk(
      order(this.#chosen),
      (id) => this.#queue.add(() => this.#try(byId.get(id)!, ill, guest)),
      (id, by) => {
        if (this.#work.drain.aborted) this.#skip(byId.get(id)!);
        else block(this.#work, byId.get(id)!, by);
      },
    );
  }

  async #try(one: PlannedTrial, ill: ReadonlySet<string>, guest: Guest): Promise<'done' | 'failed'> {
    const { emit, count, clock } = this.#work;
    const { host, role, trial } = one;
    if (this.#work.drain.aborted) {
      this.#skip(one);
      return 'failed';
    }
    const health = `${host}/${role}/health`;
    const cause = this.#work.isDown(host) ? `${host} is unreachable` : ill.has(health) ? health : this.#missing(one);
    if (cause !== undefined) {
      block(this.#work, one, cause);
      return 'failed';
    }
    const [at, start] = [clock.now(), Date.now()];
    emit({ type: 'trial-start', ...named(one) });
    try {
      const said = (line: string): void => {
        emit({ type: 'step-said', ...named(one), line });
      };
      const outcome = await this.#talk(trial.attempt(one.params as never, this.#stage(one, guest)), one.within, false, said);
      const outcomes = this.#outcomes.get(trial.type) ?? new Map<string, Outcome>();
      this.#outcomes.set(trial.type, outcomes.set(host, outcome));
      count.ok += 1;
      emit({
        type: 'trial-ok',
        ...named(one),
        ...(outcome.said === undefined ? {} : { said: outcome.said }),
        seconds: this.#work.since(at),
      });
      return 'done';
    } catch (error) {
      if (error instanceof Interrupted) {
        this.#skip(one);
        return 'failed';
      }
      count.failed += 1;
      const seconds = this.#work.since(at);
      const output = await lastWords(this.#work, one, start);
      emit({ type: 'step-failed', ...named(one), message: messageOf(error), ...(output.length > 0 ? { output } : {}), seconds });
      return 'failed';
    }
  }

  #skip(one: PlannedTrial): void {
    this.#work.count.skipped += 1;
    this.#work.emit({ type: 'step-skipped', ...named(one), because: 'interrupted' });
  }

  /** A trial that has to have come to something on one host at least, and has not; on the same host, the order sees to that. */
  #missing({ trial }: PlannedTrial): string | undefined {
    const need = trial.needs.find((type) => !this.#outcomes.has(type));
    return this.#chosen.find(({ stepType }) => stepType === need)?.step;
  }

  #stage({ host }: PlannedTrial, guest: Guest): Stage {
    const { name, id: project } = guest;
    const by = (type: string): ReadonlyMap<string, unknown> => this.#outcomes.get(type) ?? new Map<string, Outcome>();
    return {
      name,
      project,
      user: this.#user,
      admin: { ...this.#administrator, project: name },
      host,
      of: (type) => (by(type).get(host) ?? by(type).values().next().value) as Handed[typeof type],
      all: (type) => [...by(type).values()] as Handed[typeof type][],
    };
  }

  /** Follows an attempt to its end, for so many seconds. `anyway`: although the run was interrupted. */
  async #talk<T>(attempt: Attempt<T>, within: number, anyway = false, said?: (line: string) => void): Promise<T> {
    const { apis, clock, drain } = this.#work;
    const user = new User(this.#work, this.#host, this.#keys.privateKey);
    const until = clock.now() + within * 1000;
    let stands = '';
    for (let step = attempt.next(); ;) {
      if (step.done) return step.value;
      if (drain.aborted && !anyway) throw new Interrupted();
      const act = step.value;
      if ('deed' in act && act.deed === 'wait') {
        stands = act.for;
        said?.(stands);
      }
      if (clock.now() > until) throw new Error(`${stands === '' ? 'it is not done' : stands}, after ${within} s`);
      if (!('deed' in act)) apis.refresh();
      step = attempt.next(await ('deed' in act ? user.do(act) : apis.follow(once(act))));
    }
  }
}

function* once(request: ApiRequest): Generator<ApiRequest, ApiAnswer, ApiAnswer> {
  return yield request;
}

/** Each behind what it builds on: on the same host; one that is for the whole cloud behind all hosts, however they end. */
function order(chosen: readonly PlannedTrial[]): Graph {
  const graph = new Graph();
  for (const { step } of chosen) graph.add(step);
  const byType = Map.groupBy(chosen, ({ stepType }) => stepType);
  for (const { step, host, trial } of chosen) {
    for (const need of trial.needs) {
      const all = byType.get(need) ?? [];
      const here = all.filter((other) => other.trial.scope === 'cluster' || (trial.scope !== 'cluster' && other.host === host));
      for (const other of here) graph.after(step, other.step, need);
      if (here.length === 0) for (const other of all) graph.behind(step, other.step, need);
    }
    for (const earlier of trial.after ?? []) for (const other of byType.get(earlier) ?? []) graph.behind(step, other.step, earlier);
  }
  return graph;
}
