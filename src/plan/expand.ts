import { Invalid, nearest, type Problem } from '../base/problem.ts';
import type { Secret } from '../base/secret.ts';
import { canonical } from '../base/state.ts';
import { Cycle, Graph, type Need } from '../graph/graph.ts';
import { carriedCells, ownCells } from '../inventory/inventory.ts';
import type { Host, Inventory } from '../inventory/types.ts';
import { policyOf } from '../inventory/upgrade.ts';
import { sections, type CheckSection, type StepSection } from '../roles/role-schema.ts';
import type { Role, RoleStep } from '../roles/role.ts';
import { evaluate, type Context } from '../roles/template.ts';
import { contextOf, family, groupsOf, near, resolveParams, suits, wantedRoles } from './context.ts';
import type { Group, Placement, Placements, SecretOf } from './context.ts';
import { twice } from './check.ts';
import { listenerOf, type Listener } from './listeners.ts';
import type { Api, Plan, PlannedTrial, PlanNode } from './plan.ts';
import { withResources } from './resources.ts';
import {
  DeclaredHealth,
  DeclaredStep,
  guarded,
  healthId,
  MergedStep,
  patterns,
  resources,
  trialsOf,
  type Pattern,
  type RoleOnHost,
  type Watched,
} from './steps.ts';

/**
 * Expands an inventory and roles into the graph of steps. Pure, and cheap for fleets: what a step's params are is worked
 * out when somebody asks. Throws Invalid when roles cannot be put in order or a step's name cannot be rendered.
 */
export function expand(inventory: Inventory, roles: ReadonlyMap<string, Role>, secretOf: SecretOf): Plan {
  return build(layOut(inventory, roles, secretOf), 'deploy').plan;
}

/**
 * The same and an upgrade, for those hosts alone that a check looks at: of a fleet it takes a small part of the time and
 * memory. What a step's params are is worked out once for both.
 */
export function expandModels(
  inventory: Inventory,
  roles: ReadonlyMap<string, Role>,
  secretOf: SecretOf,
): { readonly deploy: Plan; readonly upgrade: Plan } {
  const layout = layOut(inventory, roles, secretOf);
  const hosts = [...new Set(layout.models.values())];
  return { deploy: build(layout, 'deploy', hosts).plan, upgrade: surrounded(layout, hosts).plan };
}

/** A role of a plan for an upgrade: its hosts, and by section of its `upgrade` and host the ids of the nodes. */
export interface Surrounded extends Group {
  readonly role: Role;
  readonly around: ReadonlyMap<StepSection | CheckSection, ReadonlyMap<Host, readonly string[]>>;
}

/**
 * The same for an upgrade: with the steps that are there `during` one, with packages role by role where roles are upgraded
 * one by one, and with what roles do around it. Roles come in the order of their needs.
 */
export function expandUpgrade(inventory: Inventory, roles: ReadonlyMap<string, Role>, secretOf: SecretOf): Upgrade {
  return surrounded(layOut(inventory, roles, secretOf));
}

interface Upgrade {
  readonly plan: Plan;
  readonly roles: readonly Surrounded[];
}

function surrounded(layout: Layout, hosts?: readonly Host[]): Upgrade {
  const { plan, graph } = build(layout, 'upgrade', hosts);
  return { plan, roles: layout.order.map((placement) => ({ ...placement, around: graph.surround(placement) })) };
}

/** Which roles are where, and what names mean to them there: the same whatever is to be done. */
interface Layout {
  readonly inventory: Inventory;
  readonly placements: Placements;
  /** The same, each behind those that it needs. */
  readonly order: readonly Placement[];
  /** Each host's model: the first of those that are alike to roles, but for name and address. */
  readonly models: ReadonlyMap<Host, Host>;
  readonly key: string;
  /** Made when they are asked for. */
  readonly seats: Map<Placement, Map<Host, Seat>>;
}

function layOut(inventory: Inventory, roles: ReadonlyMap<string, Role>, secretOf: SecretOf): Layout {
  const placements = placeRoles(inventory, roles, secretOf);
  const order = inOrder(placements);
  const ofRoles = [...placements.values()].flatMap(([first]) => placementProblems(inventory, first!, placements, roles));
  const problems = [...ofRoles, ...cellProblems(inventory, order)];
  if (problems.length > 0) throw new Invalid(problems);
  const key = secretOf('cloud.fingerprint_key').reveal();
  return { inventory, placements, order, models: modelsOf(inventory, order), key, seats: new Map() };
}

function build(layout: Layout, occasion: Occasion, hosts: readonly Host[] = layout.inventory.hosts) {
  const { inventory, order, models, key } = layout;
  const graph = new Build(layout, occasion, new Set(hosts));
  for (const placement of order) graph.declare(placement);
  for (const host of hosts) graph.openHost(host);
  for (const placement of order) graph.connect(placement);
  const apis = apisOf(graph, order);
  let trials: readonly PlannedTrial[] | undefined;
  const plan: Plan = {
    inventory,
    graph: graph.graph,
    nodes: graph.nodes,
    hosts,
    models: new Set(models.values()),
    apis,
    // Few commands ask for them.
    get trials() {
      return (trials ??= order.flatMap((placement) => graph.trials(placement)));
    },
    listeners: () => order.flatMap((placement) => graph.listeners(placement)),
    key,
  };
  return { plan, graph };
}

type Occasion = 'deploy' | 'upgrade';

/** What the roles of a host wait for before their own first steps. */
interface Opening {
  readonly sources: readonly string[];
  /** The packages of all roles as one node, or by role. */
  readonly packages: string | ReadonlyMap<string, string> | undefined;
}

/** Every wanted role on the present hosts of its kinds; a role without hosts is no part of the cloud. */
function placeRoles(inventory: Inventory, roles: ReadonlyMap<string, Role>, secretOf: SecretOf): Placements {
  const wanted = withResources(inventory, wantedRoles(inventory, roles), secretOf);
  const placed = wanted.map((role) => groupsOf(inventory, role, roles).map((group) => place(inventory, role, group, secretOf)));
  return new Map(placed.flatMap((groups) => (groups[0] ? [[groups[0].role.name, groups]] : [])));
}

function place(inventory: Inventory, role: Role, group: Group, secretOf: SecretOf): Placement {
  const known = new Map<Host | string, Context>();
  const params = (host: Host): Context => {
    // Hosts of a fleet have their params from the same levels: they share what these come to.
    const levels = Object.keys(host.params).length > 0 ? host : `${host.kinds.join()} ${host.cell ?? ''}`;
    let context = known.get(levels);
    if (!context) {
      const resolved = Object.entries(resolveParams(inventory, role, host, secretOf, group.cell));
      known.set(levels, (context = Object.fromEntries(resolved.map(([name, { value }]) => [name, value]))));
    }
    return context;
  };
  return { role, ...group, on: new Set(group.hosts), params };
}

/** Hosts that differ in name and address only look alike to roles: of each kind of these the first stands for all. */
function modelsOf(inventory: Inventory, placements: readonly Placement[]): ReadonlyMap<Host, Host> {
  const first = new Map<string, Host>();
  const modelOf = (host: Host): Host => {
    const carries = placements.flatMap(({ hosts, on }, i) => (on.has(host) ? [[i, hosts[0] === host]] : []));
    const { kinds, cell, zone, state, disks, addresses, params } = host;
    const shape = canonical([carries, kinds, cell, zone, state, disks, Object.keys(addresses), params]);
    if (!first.has(shape)) first.set(shape, host);
    return first.get(shape)!;
  };
  return new Map(inventory.hosts.map((host) => [host, modelOf(host)]));
}

/** Roles after those that they need. */
function inOrder(placements: Placements): readonly Placement[] {
  const graph = new Graph();
  for (const [{ role }] of placements.values() as Iterable<readonly [Placement]>) {
    graph.add(role.name);
    for (const need of [...role.needs, ...role.after]) if (placements.has(need)) graph.after(role.name, need, 'needs');
  }
  try {
    return graph.order().flatMap((name) => placements.get(name)!);
  } catch (error) {
    if (!(error instanceof Cycle)) throw error;
    const { role } = placements.get(error.path[0]!)![0]!;
    const message = `Roles need each other in a circle: ${error.path.join(' → ')}`;
    throw new Invalid([{ code: 'role-cycle', message, place: role.place(['needs']), hint: 'Take one of these needs away.' }]);
  }
}

/** Roles of cells are told apart by cell: each cell is carried by hosts of its own, and one by the controllers. */
function cellProblems(inventory: Inventory, placements: readonly Placement[]): Problem[] {
  if (!placements.some(({ role }) => role.per === 'cell')) return [];
  const [first, second] = carriedCells(inventory);
  const { document } = inventory;
  if (second !== undefined) {
    const message = `The controllers carry one cell, and neither ${first!} nor ${second} has hosts of its own`;
    const hint = `Add a host with \`kind: cell\` and \`cell: ${second}\`.`;
    return [document.problem({ code: 'cell-without-control', path: ['cells', second], at: 'key', message, hint })];
  }
  if (first !== undefined) return [];
  const message = 'All cells have hosts of their own, and none is left for the controllers, who carry one';
  const hint = 'Add a cell without hosts of kind cell; it may be without compute hosts, too.';
  return [document.problem({ code: 'cell-without-control', path: ['cells'], at: 'key', message, hint })];
}

function placementProblems(inventory: Inventory, { role }: Placement, placements: Placements, roles: ReadonlyMap<string, Role>): Problem[] {
  const problems: Problem[] = [];
  for (const list of ['needs', 'reads'] as const) {
    role[list].forEach((name, i) => {
      if (placements.has(name) || !suits(inventory, roles.get(name))) return;
      const message = `The role ${role.name} ${list} ${name}, and no host of this inventory carries it`;
      problems.push({ code: 'need-without-host', message, place: role.place([list, i]), hint: 'Add a host of a kind that carries it.' });
    });
  }
  const os = family(inventory);
  if (Object.keys(role.os).length > 0 && !Object.hasOwn(role.os, os)) {
    const message = `The role ${role.name} knows no names for ${os}`;
    problems.push({ code: 'os-unknown', message, place: role.place(['os']), hint: `Add them: os: {${os}: …}.` });
  }
  return problems;
}

/** A role on a host; what names mean there is worked out when it is asked for. */
class Seat implements RoleOnHost {
  readonly host: Host;
  readonly cell: string | undefined;
  /** Whether a template has read what this host does not share with those like it. */
  own = false;
  readonly #placement: Placement;
  readonly #layout: Layout;
  #context: Context | undefined;

  constructor(layout: Layout, placement: Placement, host: Host, cell: string | undefined) {
    this.#layout = layout;
    this.#placement = placement;
    this.host = host;
    this.cell = cell;
  }

  get role(): Role {
    return this.#placement.role;
  }

  get context(): Context {
    const { inventory, placements } = this.#layout;
    return (this.#context ??= contextOf(inventory, this.#placement, this.host, placements, this.cell, () => (this.own = true)));
  }
}

/** A host of a role, and how far its steps have come. */
interface Lane {
  readonly host: Host;
  readonly steps: readonly DeclaredStep[];
  next: number;
  /** What its next step waits for. */
  behind: Need[];
}

/** The graph while it grows. */
class Build {
  readonly graph = new Graph();
  readonly nodes = new Map<string, PlanNode>();
  readonly #layout: Layout;
  readonly #inventory: Inventory;
  readonly #placements: Placements;
  readonly #occasion: Occasion;
  /** For these nodes are made. */
  readonly #hosts: ReadonlySet<Host>;
  /** By host, in the order of role.yaml: the steps that are declared there. */
  readonly #declared = new Map<Placement, Map<Host, readonly DeclaredStep[]>>();
  readonly #carriedBy = new Map<Host, readonly ReadonlyMap<Host, readonly DeclaredStep[]>[]>();
  readonly #opening = new Map<Host, Opening>();

  constructor(layout: Layout, occasion: Occasion, hosts: ReadonlySet<Host>) {
    this.#layout = layout;
    this.#inventory = layout.inventory;
    this.#placements = layout.placements;
    this.#occasion = occasion;
    this.#hosts = hosts;
  }

  /** The role on a host: as it is placed there, or as a step sees it that is there for another cell. */
  at(placement: Placement, host: Host, cell = placement.cell): Seat {
    if (cell !== placement.cell) return new Seat(this.#layout, placement, host, cell);
    let ofRole = this.#layout.seats.get(placement);
    if (!ofRole) this.#layout.seats.set(placement, (ofRole = new Map<Host, Seat>()));
    let seat = ofRole.get(host);
    if (!seat) ofRole.set(host, (seat = new Seat(this.#layout, placement, host, cell)));
    return seat;
  }

  /** The role on a host as a step sees it: as often as there are cells that it is for. */
  #seen(placement: Placement, host: Host, written: RoleStep): readonly Seat[] {
    if (written.per !== 'cell') return [this.at(placement, host)];
    return [...ownCells(this.#inventory)].map((cell) => this.at(placement, host, cell));
  }

  /** Makes the steps of a role on its hosts; edges come later, when all of a host's steps are known. */
  declare(placement: Placement): void {
    const byHost = new Map<Host, readonly DeclaredStep[]>();
    this.#declared.set(placement, byHost);
    const watched = (host: Host, written: RoleStep): Watched[] => this.#watched(placement, host, written);
    // Models whose steps are called the same on all hosts that are like them.
    const shared = new Set<Host>();
    for (const host of this.#built(placement)) {
      const model = this.#layout.models.get(host)!;
      if (shared.has(model)) {
        const steps = byHost.get(model)!.map((step) => step.on(this.at(placement, host, step.cell)));
        byHost.set(host, steps);
      } else {
        const { steps, own } = this.#declare(placement, host, watched);
        byHost.set(host, steps);
        if (!own) shared.add(host);
      }
    }
  }

  /** The steps of a role on one host; `own`: hosts that are like it can have others. */
  #declare(placement: Placement, host: Host, watched: Pattern['watched']) {
    const { role, hosts } = placement;
    const [params, first] = [placement.params(host), host === hosts[0]];
    const patternsOf = patterns(watched, this.#layout.key);
    let own = false;
    const steps = role.steps.flatMap((written, i) => {
      if (isOnce(written) && !first) return [];
      if (written.during !== undefined && written.during !== this.#occasion) return [];
      if (!applies(written, params, role)) return [];
      return this.#seen(placement, host, written).flatMap((seat) => {
        const declared = patternsOf(seat, written, i).map((pattern) => new DeclaredStep(seat, pattern));
        own ||= seat.own;
        return declared;
      });
    });
    return { steps, own };
  }

  /** What is declared for each role of a host: those of its model. */
  #carried(host: Host): readonly ReadonlyMap<Host, readonly DeclaredStep[]>[] {
    const model = this.#layout.models.get(host)!;
    let carried = this.#carriedBy.get(model);
    if (!carried) this.#carriedBy.set(model, (carried = [...this.#declared.values()].filter((byHost) => byHost.has(model))));
    return carried;
  }

  /** Sources, then packages: what opens a host, for all of its roles at once, or for each role that is upgraded by itself. */
  openHost(host: Host): void {
    const declared = this.#carried(host).flatMap((byHost) => byHost.get(host)!);
    const sources = declared.filter((step) => phaseOf(step) === 'sources');
    for (const step of sources) this.#add(step);
    const packages = declared.filter((step) => phaseOf(step) === 'packages');
    const services = declared.filter((step) => step.stepType === 'service');
    const units = () => ({ units: services.map((step) => String(step.params['unit'])) });
    const merged = (some: readonly DeclaredStep[], role?: string): string | undefined => {
      const resource = some[0]?.resource;
      if (resource?.via !== 'shell') return undefined;
      const step = new MergedStep(host.name, resource, some, units, role);
      this.#add(
        step,
        sources.map((source) => ({ need: source.step, why: 'packages come from sources' })),
      );
      return step.step;
    };
    const byRole = (): ReadonlyMap<string, string> =>
      new Map([...Map.groupBy(packages, ({ role }) => role)].map(([role, some]) => [role, merged(some, role)!]));
    this.#opening.set(host, {
      sources: sources.map(({ step }) => step),
      packages: this.#occasion === 'upgrade' && isStaged(host) ? byRole() : merged(packages),
    });
  }

  connect(placement: Placement): void {
    const { role } = placement;
    const byHost = this.#declared.get(placement)!;
    const beginning = this.#beginnings(placement, role.needs);
    const lanes = this.#built(placement).map((host): Lane => {
      const steps = byHost.get(host)!.filter((step) => phaseOf(step) === undefined);
      return { host, steps, next: 0, behind: beginning(host) };
    });
    role.steps.forEach((written, i) => {
      const once = isOnce(written);
      for (const lane of once ? lanes.slice(0, 1) : lanes) {
        for (let step = lane.steps[lane.next]; step?.nth === i; step = lane.steps[++lane.next]) {
          if (written.apart) {
            this.#connectApart(placement, step, written.apart, lane);
            continue;
          }
          this.#add(step, lane.behind);
          this.#comeBehind(step.step, placement);
          lane.behind = [{ need: step.step, why: 'next in the role' }];
          if (once) for (const other of lanes.slice(1)) other.behind.push({ need: step.step, why: `once, on ${lane.host.name}` });
        }
      }
    });
    const ready = readyId(placement);
    this.nodes.set(ready, { kind: 'ready', id: ready, role: role.name, ...cellOf(placement) });
    this.graph.add(ready);
    for (const { host, behind } of lanes) {
      const health = new DeclaredHealth(this.at(placement, host));
      this.nodes.set(health.id, health);
      this.graph.add(health.id, behind);
      this.graph.after(ready, health.id, 'ready on all its hosts');
    }
  }

  trials(placement: Placement): PlannedTrial[] {
    return this.#built(placement).flatMap((host, i) => trialsOf(this.at(placement, host), i === 0));
  }

  listeners(placement: Placement): Listener[] {
    const { role } = placement;
    return this.#built(placement).flatMap((host, i) => {
      const params = placement.params(host);
      const open = role.listens.filter((written) => (i === 0 || !written.once) && applies(written, params, role));
      return open.map((written) => guarded(this.at(placement, host), written.path, () => listenerOf(role.name, host, written, params)));
    });
  }

  /** The role's first host is always among them. */
  #built({ hosts }: Placement): readonly Host[] {
    return hosts.filter((host) => this.#hosts.has(host));
  }

  /** A step that waits for what it names and for nothing else; the role's health waits for it. */
  #connectApart(placement: Placement, step: DeclaredStep, { needs, after }: NonNullable<RoleStep['apart']>, lane: Lane): void {
    this.#add(step, this.#beginnings(placement, needs)(lane.host));
    for (const [other, why] of after) for (const need of lane.steps) if (need.nth === other) this.graph.after(step.step, need.step, why);
    lane.behind.push({ need: step.step, why: 'declared' });
  }

  /** What the first step of a role waits for on a host; hosts that are alike find the roles that it needs alike. */
  #beginnings(placement: Placement, needs: readonly string[]): (host: Host) => Need[] {
    const known = new Map<Host, readonly ((host: Host) => Need)[]>();
    const found = (host: Host) =>
      needs.flatMap((name): ((host: Host) => Need)[] => {
        const need = near(this.#placements, name, placement, host);
        if (!need) return [];
        const [ready, here] = [{ need: readyId(need), why: `needs ${name}` }, `needs ${name} on this host`];
        if (need.role.scope === 'cloud') return [() => ready];
        return need.on.has(host) ? [(host) => ({ need: healthId({ ...need, host }), why: here })] : [];
      });
    return (host) => {
      const model = this.#layout.models.get(host)!;
      const needed = known.get(model) ?? found(host);
      known.set(model, needed);
      const { sources } = this.#opening.get(host)!;
      const packages = this.#packagesOf(placement.role.name, host);
      const opening = packages === undefined ? sources : [packages];
      return [...opening.map((need) => ({ need, why: 'packages first' })), ...needed.map((edge) => edge(host))];
    };
  }

  #comeBehind(id: string, placement: Placement): void {
    for (const name of placement.role.after) {
      const other = near(this.#placements, name, placement);
      if (other) this.graph.behind(id, readyId(other), `after ${name}`);
    }
  }

  #packagesOf(role: string, host: Host): string | undefined {
    const { packages } = this.#opening.get(host)!;
    return typeof packages === 'object' ? packages.get(role) : packages;
  }

  /** Adds what a role does around an upgrade: in each section a chain of steps on each host that it is for. */
  surround(placement: Placement): Surrounded['around'] {
    const { role } = placement;
    const hosts = this.#built(placement);
    const around = new Map<StepSection | CheckSection, Map<Host, readonly string[]>>();
    const put = (section: StepSection | CheckSection, host: Host, ids: readonly string[]): void => {
      if (ids.length > 0) around.set(section, (around.get(section) ?? new Map<Host, readonly string[]>()).set(host, ids));
    };
    for (const section of Object.keys(sections.steps) as StepSection[]) {
      for (const host of ['drain', 'restore', 'settle'].includes(section) ? hosts : hosts.slice(0, 1)) {
        put(section, host, this.#chain(placement, host, section));
      }
    }
    for (const section of Object.keys(sections.checks) as CheckSection[]) {
      if (role.upgrade.checks[section].length === 0) continue;
      for (const host of section === 'preflight' ? hosts.slice(0, 1) : hosts) {
        const node = new DeclaredHealth(this.at(placement, host), section);
        this.nodes.set(node.id, node);
        this.graph.add(node.id);
        put(section, host, [node.id]);
      }
    }
    this.#expandFirst(placement, hosts[0]!, around.get('expand')?.get(hosts[0]!) ?? []);
    return around;
  }

  #chain(placement: Placement, host: Host, section: StepSection): string[] {
    const { role } = placement;
    const patternsOf = patterns(() => [], this.#layout.key);
    // What is on no kind of the host's own is there because a controller stands in for it.
    const kind = host.kinds.find((each) => role.on.includes(each)) ?? 'controller';
    const { drain } = policyOf(this.#inventory, kind, host.cell);
    const steps = role.upgrade[section]
      .filter((written) => applies(written, placement.params(host), role) && (written.policy?.includes(drain) ?? true))
      .flatMap((written, i) =>
        this.#seen(placement, host, written).flatMap((seat) =>
          patternsOf(seat, written, i).map((pattern) => new DeclaredStep(seat, pattern)),
        ),
      );
    steps.forEach((step, i) => {
      this.#add(step, i === 0 ? [] : [{ need: steps[i - 1]!.step, why: `next in ${section}` }]);
    });
    return steps.map(({ step }) => step);
  }

  /** What expands a database stands between the packages and the other steps of the role's first host. */
  #expandFirst(placement: Placement, host: Host, expand: readonly string[]): void {
    const [first, last] = [expand[0], expand.at(-1)];
    if (first === undefined || last === undefined) return;
    const packages = this.#packagesOf(placement.role.name, host);
    if (packages !== undefined) this.graph.after(first, packages, 'packages first');
    for (const step of this.#declared.get(placement)!.get(host)!)
      if (phaseOf(step) === undefined) this.graph.after(step.step, last, 'expanded first');
  }

  #add(step: DeclaredStep | MergedStep, behind: readonly Need[] = []): void {
    const other = this.nodes.get(step.step);
    if (other?.kind === 'step') throw new Invalid([twice(step, other)]);
    this.nodes.set(step.step, step);
    this.graph.add(step.step, behind);
  }

  #watched(placement: Placement, host: Host, written: RoleStep): Watched[] {
    const own = placement.role.steps.indexOf(written);
    const above = this.#declared
      .get(placement)!
      .get(host)!
      .filter(({ nth }) => nth < own);
    const needed = placement.role.needs.flatMap((name) => {
      const need = near(this.#placements, name, placement, host);
      return (need && this.#declared.get(need)?.get(host)) ?? [];
    });
    return written.watches.flatMap((wanted, i) => {
      const at = this.at(placement, host);
      const name = guarded(at, [...written.path, 'watches', i], () => String(evaluate(wanted, at.context)));
      // As it is written, too: that means the steps of all cells.
      const called = (step: DeclaredStep): boolean => step.written === wanted || step.names.some((each) => bare(step, each) === name);
      const watched = above.some(called) ? above.filter(called) : needed.filter(called);
      // A name means one type: `keystone` is the package, and not the database that is called so too.
      const meant = watched.filter((step) => step.stepType === watched[0]!.stepType);
      if (meant.length > 0) return meant.map((declared) => this.#watch(name, declared, host));
      // A step that `when` leaves out, or that is done once, is there for other hosts: nothing to watch here.
      const elsewhere = placement.role.needs.flatMap((need) => this.#placements.get(need)?.[0]?.role.steps ?? []);
      if ([...placement.role.steps.slice(0, own), ...elsewhere].some((step) => [step.name].flat().includes(wanted))) return [];
      const near = nearest(
        name,
        [...above, ...needed].flatMap((step) => step.names),
      );
      const message = `The role ${placement.role.name} watches "${name}", and no step above it, nor of the roles it needs, is called so`;
      const hint = near === undefined ? {} : { hint: `Did you mean "${near}"?` };
      throw new Invalid([{ code: 'unknown-watch', message, place: placement.role.place([...written.path, 'watches', i]), ...hint }]);
    });
  }

  #watch(name: string, declared: DeclaredStep, host: Host): Watched {
    const merged = phaseOf(declared) === 'packages' ? this.#packagesOf(declared.role, host) : undefined;
    return merged === undefined ? { name, declared, node: declared.step } : { name, declared, node: merged, keys: [name] };
  }
}

/** A package's name without the version or suite that a role asks for. */
function bare(step: DeclaredStep, name: string): string {
  return phaseOf(step) === 'packages' ? name.replace(/[=/].*$/, '') : name;
}

function phaseOf(step: DeclaredStep): 'sources' | 'packages' | undefined {
  return step.resource.via === 'shell' ? step.resource.phase : undefined;
}

/** Controllers, network and storage hosts are upgraded role by role; a host that only runs machines as a whole. */
function isStaged(host: Host): boolean {
  return host.kinds.some((kind) => kind !== 'compute');
}

function isOnce(written: RoleStep): boolean {
  return written.once || resources.get(written.type)?.scope === 'cluster';
}

function applies({ when, path }: Pick<RoleStep, 'when' | 'path'>, params: Context, role: Role): boolean {
  if (when === undefined) return true;
  const asked = typeof when === 'string' ? [[when] as const] : Object.entries(when);
  return asked.every(([name, value]) => {
    if (!Object.hasOwn(role.params, name)) {
      const message = `The role ${role.name} asks when "${name}", and has no such param`;
      throw new Invalid([{ code: 'unknown-param', message, place: role.place([...path, 'when']) }]);
    }
    // A name alone: true, or given at all.
    return value === undefined ? (params[name] ?? false) !== false : params[name] === value;
  });
}

function readyId({ role, cell }: Placement): string {
  return cell === undefined ? `${role.name} ready` : `${role.name} ready in ${cell}`;
}

function cellOf({ cell }: Placement): { readonly cell?: string } {
  return cell === undefined ? {} : { cell };
}

function apisOf(build: Build, order: readonly Placement[]): ReadonlyMap<string, Api> {
  const apis = new Map<string, Api>();
  for (const placement of order) {
    const { api } = placement.role;
    if (!api) continue;
    const host = placement.hosts[0]!;
    const at = build.at(placement, host);
    const value = (source: string): unknown => guarded(at, ['api'], () => evaluate(source, at.context));
    const login = api.login && {
      user: String(value(api.login.user)),
      password: value(api.login.password) as Secret,
      project: String(value(api.login.project)),
      region: String(value(api.login.region)),
    };
    apis.set(api.service, { service: api.service, host: host.name, url: String(value(api.url)), ...(login ? { login } : {}) });
  }
  return apis;
}
