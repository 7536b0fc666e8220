import type { Command, Output } from '../base/command.ts';
import { Unreachable, type HostFacts, type Shell } from '../base/shell.ts';
import { compare, type State } from '../base/state.ts';
import type { Journey, Lease } from '../plan/journey.ts';
import { worksOf } from '../plan/journey.ts';
import type { Plan, Step } from '../plan/plan.ts';
import { versionsAsked } from '../plan/versions.ts';
import { VirtualClock } from './clock.ts';
import { askedBy, placeOf, simulated } from './simulate.ts';

export const faultKinds = ['dead', 'fail', 'hang', 'slow', 'flap'] as const;

/** Something that goes wrong on a host when it comes to a step or a check. */
export interface Fault {
  readonly host: string;
  /** Part of the id of the step or check; the first that has it counts. */
  readonly step: string;
  /**
   * dead: it answers no more. fail: the step fails, the check says no. hang: it does not end before its time is up.
   * slow: it takes twenty times as long. flap: the first time the host is restarted under it, the check says no; then it is well.
   */
  readonly kind: (typeof faultKinds)[number];
}

/** What was done to a host, in the order in which it was over. */
export interface Deed {
  /** Seconds on the fleet's clock, when it began and when it was over. */
  readonly from: number;
  readonly to: number;
  readonly host: string;
  readonly step: string;
  /** It is now as the step wants it, and was not before. */
  readonly changed: boolean;
}

export interface FleetOptions {
  readonly journey: Journey;
  /** The cloud as it is before: a plan of the release that runs. */
  readonly before: Plan;
  readonly faults?: readonly Fault[];
  /** Seconds that a step takes; left out, or undefined for a step: by its type. */
  readonly seconds?: (step: Step) => number | undefined;
}

/** Usual seconds by type of step, on machines as they are; others take one. */
const usual: Readonly<Record<string, number>> = { package: 90, service: 8, 'db-sync': 20, command: 15, 'apt-source': 2 };

// Seconds that a question takes to a host and back, and that it takes to notice that nobody answers.
const latency = 0.02;
const silence = 30;

/**
 * A cloud in memory behind the interface that hosts have. It knows the state of each resource, gives it when it is looked
 * at and takes on what a step wants when it is mended; time passes on a clock of its own. It has the deployer's view of a
 * cloud: what a step type does not look at, it does not know either.
 */
export class Fleet {
  readonly clock = new VirtualClock();
  readonly journey: Journey;
  readonly deeds: Deed[] = [];
  /** Everything dies with a deployer that is killed: from then on its shells do nothing. */
  generation = 0;
  readonly #steps: ReadonlyMap<string, Step>;
  readonly #states = new Map<string, State>();
  readonly #watchers = new Map<string, Step[]>();
  readonly #syncs = new Map<string, Step[]>();
  /** By host: one of its steps about packages; all are about the same. */
  readonly #packages = new Map<string, Step>();
  readonly #seconds: FleetOptions['seconds'];
  readonly #os: HostFacts['os'];
  readonly #faults: Fault[];
  readonly #met = new Set<Fault>();
  readonly #dead = new Set<string>();

  constructor({ journey, before, faults = [], seconds }: FleetOptions) {
    const plan = simulated(journey.plan);
    this.journey = { ...journey, plan };
    this.#seconds = seconds;
    this.#faults = [...faults];
    this.#steps = new Map([...plan.nodes].flatMap(([id, node]) => (node.kind === 'step' ? [[id, node] as const] : [])));
    const [id = '', version = ''] = plan.inventory.cloud.os.split('-');
    this.#os = { id, like: [], version, codename: '' };
    for (const node of before.nodes.values()) if (node.kind === 'step') this.#put(node);
    for (const { give } of leasesOf(journey)) this.#put(this.#steps.get(give)!);
    for (const step of this.#steps.values()) {
      for (const { step: watched } of step.watches) push(this.#watchers, watched, step);
      if (step.stepType === 'package') this.#packages.set(step.host, step);
      if (step.stepType === 'db-sync') push(this.#syncs, step.role, step);
    }
  }

  /** The state of a step's resource as it is now. */
  stateOf(id: string): State | null {
    return this.#states.get(placeOf(this.#steps.get(id)!)) ?? null;
  }

  /** Whether a step has nothing to do. */
  isSo(id: string): boolean {
    const step = this.#steps.get(id)!;
    return compare(this.stateOf(id), step.resource.desired(step.params)) === null;
  }

  /** Sets the state of a step's resource, as somebody else might. */
  set(id: string, state: State | null): void {
    const place = placeOf(this.#steps.get(id)!);
    if (state === null) this.#states.delete(place);
    else this.#states.set(place, state);
  }

  /** All is well again: what was dead answers, and nothing fails any more. */
  heal(): void {
    this.#dead.clear();
    this.#faults.length = 0;
  }

  readonly open = async (host: string, early?: (shell: Shell) => void): Promise<Shell> => {
    await this.clock.sleep(latency * 1000);
    if (this.#dead.has(host)) await this.#silent(host);
    const shell = this.#shell(host);
    early?.(shell);
    return shell;
  };

  #shell(host: string): Shell {
    const born = this.generation;
    let roundTrips = 0;
    const answer = async (command: Command, mends: boolean): Promise<Output | 'unknown'> => {
      if (born !== this.generation) return new Promise(() => undefined);
      roundTrips += 1;
      await this.clock.sleep(latency * 1000);
      const outputs: Output[] = [];
      for (const part of command.parts ?? [command]) {
        const output = await this.#answer(host, part, command.timeout ?? 120);
        if (output === 'unknown') return output;
        outputs.push(output);
        if (mends && output.code !== 0) break;
      }
      while (outputs.length < (command.parts?.length ?? 1)) outputs.push(said('', 125));
      const last = outputs.at(-1)!;
      return { ...last, ...(command.parts ? { parts: outputs } : {}) };
    };
    return {
      host,
      facts: { hostname: host, os: this.#os, bootId: 'simulated', clock: this.clock.now() },
      get roundTrips() {
        return roundTrips;
      },
      run: async (command) => (await answer(command, false)) as Output,
      mend: (command) => answer(command, true),
      lock: () => Promise.resolve('locked'),
      dial: () => Promise.reject(new Error('A simulated host has no ports')),
      close: () => Promise.resolve(),
    };
  }

  async #answer(host: string, command: Command, timeout: number): Promise<Output | 'unknown'> {
    if (this.#dead.has(host)) await this.#silent(host);
    const asked = askedBy(command);
    if (asked === undefined) return said(versionsAsked(command) ? this.#versions(host) : '');
    if (asked.what === 'look') return said(JSON.stringify(this.stateOf(asked.node)));
    const fault = this.#faultAt(host, asked.node);
    if (fault?.kind === 'dead') {
      this.#dead.add(host);
      await this.#silent(host);
    }
    return asked.what === 'check' ? this.#check(fault) : this.#mend(this.#steps.get(asked.node)!, fault, timeout);
  }

  async #silent(host: string): Promise<never> {
    await this.clock.sleep(silence * 1000);
    throw new Unreachable(host, 'lost', `${host} does not answer`);
  }

  #check(fault: Fault | undefined): Output {
    if (fault === undefined || fault.kind === 'slow' || (fault.kind === 'flap' && this.#again(fault))) return said('');
    return said(`rehearsed: ${fault.kind}`, 1);
  }

  async #mend(step: Step, fault: Fault | undefined, timeout: number): Promise<Output | 'unknown'> {
    const from = this.clock.now();
    const seconds = (this.#seconds?.(step) ?? usual[step.stepType] ?? 1) * this.#pace(step) * (fault?.kind === 'slow' ? 20 : 1);
    await this.clock.sleep(Math.min(seconds, timeout) * 1000);
    if (fault?.kind === 'hang' || seconds > timeout) {
      await this.clock.sleep((timeout - Math.min(seconds, timeout)) * 1000);
      return { ...said('', 124), timedOut: true };
    }
    if (fault?.kind === 'fail') return said('rehearsed: fail', 1);
    if (fault?.kind === 'flap' && !this.#again(fault)) return 'unknown';
    const changed = !this.isSo(step.step);
    this.#put(step);
    if (changed) this.#follow(step);
    this.deeds.push({ from: from / 1000, to: this.clock.now() / 1000, host: step.host, step: step.step, changed });
    return said('');
  }

  /** True from the second time on. */
  #again(fault: Fault): boolean {
    return this.#met.size === this.#met.add(fault).size;
  }

  #faultAt(host: string, node: string): Fault | undefined {
    return this.#faults.find((fault) => fault.host === host && node.includes(fault.step));
  }

  #put(step: Step): void {
    const desired = step.resource.desired(step.params);
    const place = placeOf(step);
    if (desired === null) this.#states.delete(place);
    else this.#states.set(place, { ...this.#states.get(place), ...desired });
  }

  /** What a change brings about by itself: services that watch it run on something old, and databases are behind their programs. */
  #follow(step: Step): void {
    const behind = [...(this.#watchers.get(step.step) ?? []), ...(step.stepType === 'package' ? (this.#syncs.get(step.role) ?? []) : [])];
    for (const each of behind) {
      const state = this.stateOf(each.step);
      if (state) this.set(each.step, each.stepType === 'db-sync' ? { synced: false } : { ...state, loaded: null });
    }
  }

  /** No two machines are equally fast; each is the same every time. */
  #pace({ step }: Step): number {
    let hash = 0;
    for (let i = 0; i < step.length; i++) hash = (hash * 31 + step.charCodeAt(i)) % 1009;
    return 0.8 + (0.4 * hash) / 1009;
  }

  /** Versions of packages as far as roles ask for any. */
  #versions(host: string): string {
    const step = this.#packages.get(host);
    const known = Object.entries((step && this.#states.get(placeOf(step))) ?? {});
    const versions = known.filter((entry): entry is [string, string] => /^\d/.test(entry[1] as string));
    return versions.map(([name, version]) => `${name} ${version.replace(/\*?(, held)?$/, '')}\n`).join('');
  }
}

function leasesOf({ stages }: Journey): Lease[] {
  return stages.flatMap((stage) => [...stage.leases, ...worksOf(stage).flatMap(({ leases }) => leases)]);
}

function push<V>(map: Map<string, V[]>, key: string, value: V): void {
  const all = map.get(key);
  if (all) all.push(value);
  else map.set(key, [value]);
}

function said(out: string, code = 0): Output {
  return { code, out: Buffer.from(out), err: Buffer.alloc(0) };
}
