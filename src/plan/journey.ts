import { canonical } from '../base/state.ts';
import { waves, type Member } from '../base/waves.ts';
import type { Host, Inventory, Kind, UpgradePolicy, UpgradeRun } from '../inventory/types.ts';
import { policyOf, runOf } from '../inventory/upgrade.ts';
import type { CheckSection, StepSection } from '../roles/role-schema.ts';
import type { Role } from '../roles/role.ts';
import type { SecretOf } from './context.ts';
import { expandUpgrade, type Surrounded } from './expand.ts';
import type { Plan, Step } from './plan.ts';
import { controlRank, orders } from './skew.ts';

export const phases = ['backup', 'control', 'network', 'storage', 'cells', 'finish'] as const;
export type Phase = (typeof phases)[number];

/** Something that is taken for a while and given back, whatever happens: the steps that do so, on one host. */
export interface Lease {
  /** The step that takes it: its name in the journal. */
  readonly take: string;
  readonly give: string;
  readonly host: string;
}

/** One host of a wave: ids of the plan's nodes, in the order in which these groups are gone through. */
export interface HostWork {
  readonly host: string;
  /** May it be taken out of service? */
  readonly gate: readonly string[];
  readonly drain: readonly string[];
  readonly steps: readonly string[];
  readonly health: readonly string[];
  readonly restore: readonly string[];
  /** Those of `drain` that `restore` gives back. */
  readonly leases: readonly Lease[];
}

export interface StageWave {
  readonly canary: boolean;
  readonly works: readonly HostWork[];
}

/** Hosts that are brought to the new release by waves: a role on its hosts, or the compute hosts of a cell. */
export interface Stage {
  /** `control/keystone`, `cells/cell1`: its name in the journal and in what is shown. */
  readonly id: string;
  readonly phase: Phase;
  readonly cell?: string;
  readonly policy: UpgradePolicy;
  /** Taken before its first wave, given back behind its last. */
  readonly leases: readonly Lease[];
  /** Once, before the first wave and behind the last. */
  readonly before: readonly string[];
  readonly waves: readonly StageWave[];
  readonly after: readonly string[];
}

/** The whole way of a cloud to a release. Pure data: the same inventory, roles and secrets give the same journey. */
export interface Journey {
  readonly to: string;
  readonly plan: Plan;
  readonly run: UpgradeRun;
  /** Checks that are asked before anything is touched. */
  readonly preflight: readonly string[];
  readonly stages: readonly Stage[];
  /** What would be done before something that it waits for, as sentences; empty in a journey that may start. */
  readonly disorder: readonly string[];
}

/** Works out the journey of a cloud to the release that its inventory names. Throws Invalid as `expand` does. */
export function journeyOf(inventory: Inventory, roles: ReadonlyMap<string, Role>, secretOf: SecretOf): Journey {
  const { plan, roles: surrounded } = expandUpgrade(inventory, roles, secretOf);
  const way = new Way(plan, ranked(surrounded));
  const stages = way.stages();
  return {
    to: inventory.cloud.release,
    plan,
    run: runOf(inventory),
    preflight: way.all('preflight'),
    stages,
    disorder: disorder(plan, stages),
  };
}

/** All hosts of a stage, in the order of its waves. */
export function worksOf({ waves: all }: Stage): readonly HostWork[] {
  return all.flatMap(({ works }) => works);
}

/** Roles in the order of the control plane, none that it leaves open before one that it needs or comes after. */
function ranked(roles: readonly Surrounded[]): Surrounded[] {
  const left = Map.groupBy(roles, ({ role }) => role.name);
  const order: Surrounded[] = [];
  while (left.size > 0) {
    // These have no circles: there is always one that waits for none of the others.
    const waits = ({ role }: Surrounded): boolean =>
      [...role.needs, ...role.after].some((name) => left.has(name) && !orders(role.name, name));
    const free = [...left].filter(([, [each]]) => !waits(each!));
    const [next, all] = free.reduce((best, each) => (controlRank(each[0]) < controlRank(best[0]) ? each : best));
    order.push(...all);
    left.delete(next);
  }
  return order;
}

type Around = StepSection | CheckSection;

/** The stages while they are laid out: each role on each host belongs to the first that comes to it. */
class Way {
  readonly #plan: Plan;
  readonly #inventory: Inventory;
  readonly #roles: readonly Surrounded[];
  /** By host and role: the ids of the role's own steps and health there; packages of the whole host are under `host`. */
  readonly #own = new Map<string, Map<string, string[]>>();
  readonly #taken = new Set<string>();
  readonly #begun = new Set<Surrounded>();
  readonly #leaders: ReadonlySet<string>;

  constructor(plan: Plan, roles: readonly Surrounded[]) {
    this.#plan = plan;
    this.#inventory = plan.inventory;
    this.#roles = roles;
    this.#leaders = leadersOf(plan);
    const around = new Set(roles.flatMap((each) => [...each.around.values()].flatMap((hosts) => [...hosts.values()].flat())));
    for (const [id, node] of plan.nodes) {
      if (node.kind === 'ready' || around.has(id)) continue;
      const ofHost = this.#own.get(node.host) ?? new Map<string, string[]>();
      this.#own.set(node.host, ofHost);
      ofHost.set(node.role, [...(ofHost.get(node.role) ?? []), id]);
    }
  }

  stages(): Stage[] {
    const present = this.#inventory.hosts.filter(({ state }) => state === 'present');
    const stages = [
      ...this.#onceStages('backup', 'backup'),
      ...this.#staged(
        'control',
        'controller',
        present.filter((host) => host.kinds.includes('controller')),
      ),
      ...this.#staged(
        'network',
        'network',
        present.filter((host) => host.kinds.includes('network')),
      ),
      ...this.#staged(
        'storage',
        'storage',
        present.filter((host) => host.kinds.includes('storage')),
      ),
      ...runOf(this.#inventory).cells.flatMap((cell) => [
        ...this.#staged(
          'cells',
          'cell',
          present.filter((host) => host.kinds.includes('cell') && host.cell === cell),
          cell,
        ),
        ...this.#cell(
          cell,
          present.filter((host) => host.kinds.includes('compute') && host.cell === cell),
        ),
      ]),
      ...this.#settleStages(),
      ...this.#onceStages('finish', 'contract'),
    ];
    return this.#withEnds(stages);
  }

  /** The ids of a section, of all roles. */
  all(section: Around): string[] {
    return this.#roles.flatMap((each) => [...(each.around.get(section)?.values() ?? [])].flat());
  }

  /** What lets go of the old release, host by host. */
  #settleStages(): Stage[] {
    return this.#roles.flatMap((each) => {
      const settled = [...(each.around.get('settle') ?? [])];
      if (settled.length === 0) return [];
      const waves = settled.map(([host, steps]) => ({ canary: false, works: [{ ...idle, host: host.name, steps }] }));
      return [
        {
          id: stageId('settle', each.cell, each.role.name),
          phase: 'finish' as const,
          policy: policyOf(this.#inventory, 'controller'),
          ...none,
          waves,
        },
      ];
    });
  }

  /** What roles do once, for the cloud: a stage each, on the role's first host. */
  #onceStages(phase: Phase, section: 'backup' | 'contract'): Stage[] {
    return this.#roles.flatMap((each) => {
      const [[host, ids] = []] = each.around.get(section) ?? [];
      if (!host || !ids) return [];
      const id = stageId(phase, each.cell, each.role.name);
      const work: HostWork = { ...idle, host: host.name, steps: ids };
      const policy = policyOf(this.#inventory, 'controller');
      return [{ id, phase, policy, leases: [], before: [], waves: [{ canary: false, works: [work] }], after: [] }];
    });
  }

  /** Role by role; the role's first host goes first and alone, for the others wait for what it does once. */
  #staged(phase: Phase, kind: Kind, hosts: readonly Host[], cell?: string): Stage[] {
    const policy = policyOf(this.#inventory, kind);
    // A host of several kinds is come to several times, each time for what that kind does.
    // Controllers stand in for network hosts where there are none.
    const ofKind = this.#roles.filter(({ role: { on } }) => on.includes(kind) || (kind === 'controller' && on.includes('network')));
    return [...Map.groupBy(ofKind, ({ role }) => role.name)].flatMap(([name, all]) => {
      const on = (host: Host): Surrounded[] => all.filter((each) => each.hosts.includes(host));
      const here = hosts.filter((host) => on(host).length > 0 && this.#take(host, name));
      if (here.length === 0) return [];
      const works = new Map(here.map((host) => [host.name, this.#work(on(host), host)]));
      const divided = divide(
        here,
        { ...policy, canary: here.length > 1 ? [here[0]!.name, ...namesOf(policy.canary)] : policy.canary },
        works,
      );
      const id = stageId(phase, cell, name);
      return [{ id, phase, policy, ...(cell === undefined ? {} : { cell }), ...none, waves: divided }];
    });
  }

  /** The compute hosts of a cell, each with all of its roles at once. */
  #cell(cell: string, hosts: readonly Host[]): Stage[] {
    const policy = policyOf(this.#inventory, 'compute', cell);
    const works = new Map<string, HostWork>();
    for (const host of hosts) {
      const roles = this.#roles.filter((each) => each.hosts.includes(host) && this.#take(host, each.role.name));
      if (roles.length > 0) works.set(host.name, this.#work(roles, host));
    }
    const here = hosts
      .filter(({ name }) => works.has(name))
      .toSorted((a, b) => Number(this.#leaders.has(b.name)) - Number(this.#leaders.has(a.name)));
    if (here.length === 0) return [];
    const leaders = here.flatMap(({ name }) => (this.#leaders.has(name) ? [name] : []));
    const canary = leaders.length > 0 ? [...leaders, ...namesOf(policy.canary)] : policy.canary;
    return [{ id: `cells/${cell}`, phase: 'cells', cell, policy, ...none, waves: divide(here, { ...policy, canary }, works) }];
  }

  #take(host: Host, role: string): boolean {
    const key = `${host.name}/${role}`;
    if (this.#taken.has(key)) return false;
    this.#taken.add(key);
    return true;
  }

  #work(roles: readonly Surrounded[], host: Host): HostWork {
    const own = this.#own.get(host.name)!;
    const around = (section: Around) => roles.flatMap((each) => each.around.get(section)?.get(host) ?? []);
    // Packages of the whole host are under no role: whoever comes to the host first has them.
    const shared = own.get('host') ?? [];
    own.delete('host');
    const [drain, restore] = [around('drain'), around('restore')];
    // What controllers do for several cells is one role on the host.
    const names = new Set(roles.map(({ role }) => role.name));
    return {
      host: host.name,
      gate: around('gate'),
      drain,
      steps: [...shared, ...[...names].flatMap((name) => own.get(name) ?? []), ...around('expand')],
      health: around('health'),
      restore,
      leases: this.#leases(drain, restore),
    };
  }

  /** What roles do before their first wave and behind their last, in the stages that have these. */
  #withEnds(stages: readonly Stage[]): Stage[] {
    const rolesIn = stages.map((stage) =>
      this.#roles.filter((each) => stage.phase !== 'backup' && stage.phase !== 'finish' && this.#has(stage, each)),
    );
    return stages.map((stage, i) => {
      const first = rolesIn[i]!.filter((each) => !this.#begun.has(each));
      for (const each of first) this.#begun.add(each);
      const last = rolesIn[i]!.filter((each) => !rolesIn.slice(i + 1).some((later) => later.includes(each)));
      const ids = (roles: readonly Surrounded[], section: Around) =>
        roles.flatMap((each) => [...(each.around.get(section)?.values() ?? [])].flat());
      const leases = this.#leases(ids(rolesIn[i]!, 'before'), ids(rolesIn[i]!, 'after'));
      const leased = new Set(leases.flatMap(({ take, give }) => [take, give]));
      const plain = (some: readonly string[]) => some.filter((id) => !leased.has(id));
      return { ...stage, leases, before: plain(ids(first, 'before')), after: plain(ids(last, 'after')) };
    });
  }

  #has(stage: Stage, { role, hosts }: Surrounded): boolean {
    const names = new Set(hosts.map(({ name }) => name));
    return worksOf(stage).some(({ host, steps }) => names.has(host) && steps.some((id) => this.#roleOf(id) === role.name));
  }

  #roleOf(id: string): string | undefined {
    const node = this.#plan.nodes.get(id);
    return node?.role;
  }

  /** Steps of one list whose resources also stand in the other. */
  #leases(take: readonly string[], give: readonly string[]): Lease[] {
    const back = new Map(give.map((id) => [this.#resourceOf(id), id]));
    return take.flatMap((id) => {
      const giving = back.get(this.#resourceOf(id));
      return giving === undefined ? [] : [{ take: id, give: giving, host: (this.#plan.nodes.get(id) as Step).host }];
    });
  }

  #resourceOf(id: string): string {
    return resourceKey(this.#plan.nodes.get(id) as Step);
  }
}

/** What tells the resource of a step apart from others: two steps with the same key are about the same thing. */
export function resourceKey({ resource, params, host, cell = '' }: Step): string {
  const identity = resource.identity?.(params) ?? canonical(params[resource.nameParam]);
  return canonical([resource.scope === 'cluster' ? cell : host, resource.type, identity]);
}

function stageId(phase: Phase | 'settle', cell: string | undefined, name: string): string {
  return [phase, ...(cell === undefined ? [] : [cell]), name].join('/');
}

const none = { leases: [], before: [], after: [] };
const idle = { gate: [], drain: [], health: [], restore: [], leases: [] };

function namesOf(canary: UpgradePolicy['canary']): readonly string[] {
  return typeof canary === 'number' ? [] : canary;
}

function divide(hosts: readonly Host[], policy: UpgradePolicy, works: ReadonlyMap<string, HostWork>): StageWave[] {
  const members = hosts.map(({ name, zone }): Member => ({ name, zone }));
  return waves(members, policy).map(({ canary, members: some }) => ({ canary, works: some.map(({ name }) => works.get(name)!) }));
}

/** Hosts that do something once for which other hosts wait. */
function leadersOf(plan: Plan): ReadonlySet<string> {
  const leaders = new Set<string>();
  for (const { need, node } of onceEdges(plan)) if (node.host !== need.host) leaders.add(need.host);
  return leaders;
}

/** Steps that wait for a step on another host. */
function* onceEdges({ nodes, graph }: Plan): Generator<{ readonly node: Step; readonly need: Step }> {
  for (const node of nodes.values()) {
    if (node.kind !== 'step') continue;
    for (const id of graph.needs(node.step).keys()) {
      const need = nodes.get(id)!;
      if (need.kind === 'step' && need.host !== node.host) yield { node, need };
    }
  }
}

/** Steps that would be done before, or beside, a step on another host that they wait for. */
function disorder(plan: Plan, stages: readonly Stage[]): string[] {
  const turn = new Map<string, number>();
  let turns = 0;
  for (const stage of stages) {
    for (const wave of stage.waves) {
      turns += 1;
      for (const work of wave.works) for (const id of work.steps) turn.set(id, turns);
    }
  }
  return [...onceEdges(plan)].flatMap(({ node, need }) => {
    const [own, other] = [turn.get(node.step), turn.get(need.step)];
    return own === undefined || other === undefined || other < own
      ? []
      : [`${node.step} would be done before ${need.step}, which it waits for`];
  });
}
