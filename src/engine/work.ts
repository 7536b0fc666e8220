import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../base/clock.ts';
import type { Emit, Event, StepName, Summary } from '../base/event.ts';
import { clean, printable } from '../base/printable.ts';
import { Unreachable, type Holder, type Shell } from '../base/shell.ts';
import type { Graph } from '../graph/graph.ts';
import type { Health, Plan, PlanNode, Step } from '../plan/plan.ts';
import { openApis, type ApiSession } from './api.ts';
import { hintOf } from './hints.ts';

/**
 * Opens the root shell of a host; rejects with Unreachable. What `early` asks of the shell is sent along with the opening
 * and costs no round trip of its own.
 */
export type Open = (host: string, early?: (shell: EarlyShell) => void) => Promise<Shell>;
export type EarlyShell = Pick<Shell, 'run' | 'lock'>;

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
  /** The wall's when left out. */
  readonly clock?: Clock;
}

export const wallClock: Clock = { now: () => performance.now(), sleep: (milliseconds) => delay(milliseconds) };

/** Thrown when somebody else works on a host. */
export class Locked extends Error {
  readonly host: string;
  readonly holder: Holder;

  constructor(host: string, holder: Holder) {
    super(printable(`${host} is locked by ${holder.who}, who runs "${holder.what}" since ${holder.since}`));
    this.name = 'Locked';
    this.host = host;
    this.holder = holder;
  }
}

/** A run under way: the part of the plan it works on, the shells it has open, and what it has counted. */
export class Work {
  readonly plan: Plan;
  readonly graph: Graph;
  readonly nodes: readonly PlanNode[];
  /** Hosts with something to do, in the inventory's order. */
  readonly hosts: readonly string[];
  readonly emit: Emit;
  readonly drain: AbortSignal;
  readonly apis: ApiSession;
  readonly clock: Clock;
  readonly count = { ok: 0, changed: 0, failed: 0, blocked: 0, skipped: 0, unreachable: 0 };
  readonly #started: number;
  readonly #steps: ReadonlyMap<string, readonly Step[]>;
  readonly #healths: ReadonlyMap<string, readonly Health[]>;
  readonly #open: Open;
  readonly #shells = new Map<string, Shell>();
  /** Hosts beside those of this part of the plan. */
  readonly #visits = new Map<string, Promise<Shell>>();
  readonly #down = new Set<string>();

  constructor({ plan, only, open, emit, drain, run, command, clock = wallClock }: RunOptions) {
    this.clock = clock;
    this.#started = clock.now();
    this.plan = plan;
    this.graph = only ? plan.graph.only(only) : plan.graph;
    this.nodes = [...this.graph.ids()].map((id) => plan.nodes.get(id)!);
    // Whoever hears of this run, hears what is fit for people: reports, and an upgrade that writes down why it stopped.
    this.emit = (event) => {
      emit(clean(event));
    };
    this.drain = drain;
    this.#open = open;
    this.#steps = Map.groupBy(
      this.nodes.filter((node) => node.kind === 'step'),
      (step) => step.host,
    );
    this.#healths = Map.groupBy(
      this.nodes.filter((node) => node.kind === 'health'),
      (health) => health.host,
    );
    this.hosts = plan.hosts.map((host) => host.name).filter((name) => this.#steps.has(name) || this.#healths.has(name));
    this.apis = openApis(plan.apis, {
      dial: async (host, address, port) => (await this.reach(host)).dial(address, port),
      mend: async (host, ...command) => (await this.reach(host)).mend(...command),
    });
    this.emit({ type: 'run-start', run, command, cloud: plan.inventory.cloud.name, hosts: this.hosts.length, steps: this.#stepCount() });
  }

  stepsOf(host: string): readonly Step[] {
    return this.#steps.get(host) ?? [];
  }

  healthsOf(host: string): readonly Health[] {
    return this.#healths.get(host) ?? [];
  }

  isUp(host: string): boolean {
    return this.#shells.has(host) && !this.#down.has(host);
  }

  isDown(host: string): boolean {
    return this.#down.has(host);
  }

  /** Connects to a host; one that cannot be reached is told of, and that is all. */
  async connect(host: string, early?: (shell: EarlyShell) => void): Promise<void> {
    const at = this.clock.now();
    try {
      const shell = await this.#open(host, early);
      this.#shells.set(host, shell);
      this.#refuseOther(shell);
      this.emit({ type: 'host-up', host, seconds: this.since(at) });
    } catch (error) {
      this.#lose(error);
    }
  }

  shell(host: string): Shell {
    const shell = this.#shells.get(host);
    if (!shell) throw new Unreachable(host, 'down', `${host} is not connected`);
    return shell;
  }

  /** The shell of any host of the cloud: an API may be on one that this part of the plan has nothing to do on. */
  reach(host: string): Promise<Shell> {
    if (this.#steps.has(host) || this.#healths.has(host)) return Promise.resolve().then(() => this.shell(host));
    const visit = this.#visits.get(host) ?? this.#visit(host);
    this.#visits.set(host, visit);
    return visit;
  }

  async #visit(host: string): Promise<Shell> {
    try {
      const shell = await this.#open(host);
      this.#shells.set(host, shell);
      this.#refuseOther(shell);
      return shell;
    } catch (error) {
      this.#visits.delete(host);
      throw error;
    }
  }

  /** Runs something on a host. A host that is lost meanwhile is told of once; the answer is undefined then. */
  async on<T>(host: string, act: (shell: Shell) => Promise<T>): Promise<T | undefined> {
    try {
      return await act(this.shell(host));
    } catch (error) {
      this.#lose(error);
      return undefined;
    }
  }

  summary(): Summary {
    return {
      type: 'summary',
      ...this.count,
      hosts: this.hosts.length,
      steps: this.#stepCount(),
      seconds: this.since(this.#started),
      roundTrips: [...this.#shells.values()].reduce((sum, shell) => sum + shell.roundTrips, 0) + this.apis.requests,
    };
  }

  /** Seconds since a reading of the clock, to the millisecond. */
  since(at: number): number {
    return Math.round(this.clock.now() - at) / 1000;
  }

  /** Ends the shells; with them go the locks. */
  async end(): Promise<void> {
    await Promise.all([...this.#shells.values()].map((shell) => shell.close()));
  }

  /** A host of another operating system than the inventory says is not touched. */
  #refuseOther({ host, facts }: Shell): void {
    const { os } = this.plan.inventory.cloud;
    const is = `${facts.os.id}-${facts.os.version}`;
    if (is === os) return;
    this.#shells.delete(host);
    throw new Unreachable(
      host,
      'other-os',
      `${host} runs ${is}, and the inventory says ${os}`,
      'Say what it runs under cloud.os, or install the other.',
    );
  }

  #lose(error: unknown): void {
    if (!(error instanceof Unreachable)) throw error;
    const { host, reason, message, hint } = error;
    if (this.#down.has(host)) return;
    this.#down.add(host);
    this.count.unreachable += 1;
    this.emit({ type: 'host-down', host, reason, message, ...(hint === undefined ? {} : { hint }) });
  }

  #stepCount(): number {
    return [...this.#steps.values()].reduce((sum, steps) => sum + steps.length, 0);
  }
}

/** The event of a role's health on a host. */
export function healthEvent(health: Health, why: string | undefined, seconds: number): Event {
  const { host, role, cell } = health;
  if (why === undefined) return { type: 'health-ok', host, role, checks: health.checks.map((each) => each.name), seconds };
  const step = { step: health.id, host, role, stepType: 'health', name: role };
  const hint = hintOf(step, why);
  const where = cell === undefined ? '' : ` in ${cell}`;
  return { type: 'step-failed', ...step, message: `not healthy${where}: ${why}`, ...(hint === undefined ? {} : { hint }), seconds };
}

/** What events say of a step. */
export function named({ step, host, role, stepType, name }: StepName): StepName {
  return { step, host, role, stepType, name };
}
