import { Invalid } from '../base/problem.ts';
import type { Secret } from '../base/secret.ts';
import type { Host, Inventory } from '../inventory/types.ts';
import { carriedCells, ownCells, paramLevels } from '../inventory/inventory.ts';
import type { Role } from '../roles/role.ts';
import { evaluate, TemplateError, type Context } from '../roles/template.ts';

/** Gives the secret of a name, made when it is missing. */
export type SecretOf = (name: string) => Secret;

/** A param's value for a role on a host, and the level of the inventory that it came from. */
export interface Resolved {
  readonly value: unknown;
  readonly level: string;
}

/**
 * A role's params on a host: the nearest level that gives a value wins, the role's default is the farthest. `cell`: the one
 * of its own that the role is there for.
 */
export function resolveParams(
  inventory: Inventory,
  role: Role,
  host: Host,
  secretOf: SecretOf,
  cell?: string,
): Readonly<Record<string, Resolved>> {
  const levels = paramLevels(inventory, host).toReversed();
  return Object.fromEntries(
    Object.entries(role.params).map(([name, schema]) => {
      const level = levels.find(({ params }) => params[role.name] !== undefined && Object.hasOwn(params[role.name]!, name));
      const value = level?.params[role.name]?.[name] ?? defaultOf(inventory, role, name);
      if (schema.format !== 'secret') return [name, { value, level: level?.level ?? 'default' }];
      const given = (value as { secret?: string } | undefined)?.secret;
      const made = [role.name, name, ...(schema.per === 'cell' && cell !== undefined ? [cell] : [])].join('.');
      return [name, { value: secretOf(given ?? made), level: level?.level ?? 'generated' }];
    }),
  );
}

/** A default may hang on the release, by a template of the names `os` and `cloud`: `{{lookup os.versions cloud.release}}`. */
function defaultOf(inventory: Inventory, role: Role, name: string): unknown {
  const value = role.params[name]!.default;
  if (typeof value !== 'string') return value;
  try {
    return evaluate(value, { os: role.os[family(inventory)] ?? {}, cloud: cloudOf(inventory) });
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    const message = `The default of ${role.name}.${name} cannot be rendered: ${error.message}`;
    throw new Invalid([{ code: 'template', message, place: role.place(['os']), hint: 'A default knows `os` and `cloud` only.' }]);
  }
}

/** Hosts that carry a role together. */
export interface Group {
  /** The cell of its own that they carry it for; left out: for the cloud. */
  readonly cell?: string;
  readonly hosts: readonly Host[];
}

/** Where a role runs, and what it is there; one that is `per: cell` is placed several times. */
export interface Placement extends Group {
  readonly role: Role;
  /** The same hosts, to ask quickly. */
  readonly on: ReadonlySet<Host>;
  /** Its params on a host, without their levels. */
  readonly params: (host: Host) => Context;
}

/**
 * The roles of a cloud: all but those that are optional, or the services that the inventory asks for with all that they
 * need, and what comes along with them.
 */
export function wantedRoles(inventory: Inventory, roles: ReadonlyMap<string, Role>): readonly Role[] {
  const wanted = new Set(askedFor(inventory, roles));
  const parts = Map.groupBy(roles.values(), ({ partOf }) => partOf);
  for (const name of wanted) {
    for (const need of roles.get(name)?.needs ?? []) if (suits(inventory, roles.get(need))) wanted.add(need);
    for (const part of parts.get(name) ?? []) wanted.add(part.name);
  }
  return [...roles.values()].filter((role) => wanted.has(role.name));
}

/** The roles that the inventory names; or the usual ones with some more, without some and all that needs or comes along with these. */
function askedFor({ cloud: { services } }: Inventory, roles: ReadonlyMap<string, Role>): readonly string[] {
  const usual = usualRoles(roles);
  if (services === undefined) return usual;
  if (!('add' in services || 'remove' in services)) return services as readonly string[];
  const { add = [], remove = [] } = services;
  const gone = new Set(remove);
  for (let before = -1; before < gone.size;) {
    before = gone.size;
    for (const { name, needs, partOf } of roles.values()) if ([...needs, partOf ?? ''].some((other) => gone.has(other))) gone.add(name);
  }
  return [...usual.filter((name) => !gone.has(name)), ...add];
}

/** What a cloud has unless its inventory says otherwise. */
export function usualRoles(roles: ReadonlyMap<string, Role>): readonly string[] {
  return [...roles.values()].flatMap(({ name, optional }) => (optional ? [] : [name]));
}

/** Whether a role is for clouds with this storage back end, or with cells of their own. Those that need one that is not, do without it. */
export function suits(inventory: Inventory, role: Role | undefined): boolean {
  if (!role) return true;
  const without = ownCells(inventory).size === 0 && role.on.every((kind) => kind === 'cell');
  return !without && (role.storage === undefined || role.storage === inventory.cloud.storage);
}

/** All roles of a cloud by name, each where it is placed. */
export type Placements = ReadonlyMap<string, readonly Placement[]>;

/**
 * Where a role finds one that it needs: for the same cell if both are `per: cell`, if there at all; else on the same host
 * if that one is of scope host, else for the cloud. `cell`: that of a single step.
 */
export function near(placements: Placements, name: string, { role, cell }: Placement, host?: Host, of = cell): Placement | undefined {
  const all = placements.get(name) ?? [];
  if (all[0]?.role.per !== 'cell') return all[0];
  if (role.per === 'cell' || of !== undefined) return all.find((each) => each.cell === of);
  const here = all[0].role.scope === 'host' && host ? all.find(({ on }) => on.has(host)) : undefined;
  return here ?? all[0];
}

/** The hosts that carry a role. */
export function hostsOf(inventory: Inventory, role: Role, roles: ReadonlyMap<string, Role>): readonly Host[] {
  return [...new Set(groupsOf(inventory, role, roles).flatMap(({ hosts }) => hosts))];
}

/**
 * The hosts that carry a role, in the inventory's order: for the cloud, then for each cell of its own. Present ones, but for a
 * role of those that leave.
 */
export function groupsOf(inventory: Inventory, role: Role, roles: ReadonlyMap<string, Role>): readonly Group[] {
  if (!suits(inventory, role)) return [];
  const state = role.hosts === 'leaving' ? 'absent' : 'present';
  const fitting = inventory.hosts.filter((host) => host.state === state && kindsOf(inventory, host).some((kind) => role.on.includes(kind)));
  const groups = role.per === 'cell' ? byCell(inventory, role, fitting) : [{ hosts: fitting }];
  return groups.map((group) => ({ ...group, hosts: chosen(inventory, role, group.hosts, roles) })).filter(({ hosts }) => hosts.length > 0);
}

function byCell(inventory: Inventory, role: Role, hosts: readonly Host[]): Group[] {
  const own = ownCells(inventory);
  // What is on controllers alone is done there for each cell.
  const alone = role.on.every((kind) => kind === 'controller');
  const cellOf = (host: Host): string | undefined => {
    if (host.kinds.includes('controller') && role.on.includes('controller')) return undefined;
    return host.cell !== undefined && own.has(host.cell) ? host.cell : undefined;
  };
  const cells = [...own].map((cell) => ({ cell, hosts: alone ? hosts : hosts.filter((host) => cellOf(host) === cell) }));
  return [{ hosts: alone ? hosts : hosts.filter((host) => cellOf(host) === undefined) }, ...cells];
}

function chosen(inventory: Inventory, role: Role, hosts: readonly Host[], roles: ReadonlyMap<string, Role>): readonly Host[] {
  switch (role.hosts) {
    case 'all':
    case 'leaving':
      return hosts;
    case 'first':
      return hosts.slice(0, 1);
    case 'quorum':
      return quorumOf(hosts, inventory.kindParams.storage[role.name]?.['hosts'] ?? inventory.params[role.name]?.['hosts']);
    default: {
      const others = new Set(hostsOf(inventory, roles.get(role.hosts.with)!, roles));
      return hosts.filter((host) => others.has(host));
    }
  }
}

/**
 * Those that the param `hosts` names, or as many as it says: 5, 3 or 1 when it says nothing. One of each zone in turn, so
 * that the loss of a zone is the loss of as few as possible.
 */
function quorumOf(hosts: readonly Host[], said: unknown): readonly Host[] {
  if (Array.isArray(said)) return hosts.filter(({ name }) => said.includes(name));
  const many = typeof said === 'number' ? said : ([5, 3, 1].find((number) => number <= hosts.length) ?? 0);
  const zones = [...Map.groupBy(hosts, ({ zone }) => zone).values()];
  const turns = hosts.flatMap((_, turn) => zones.flatMap((zone) => zone.slice(turn, turn + 1)));
  const chosen = new Set(turns.slice(0, many));
  return hosts.filter((host) => chosen.has(host));
}

/** What roles take a host for: controllers are network hosts, too, where there are no others. */
function kindsOf(inventory: Inventory, host: Host): readonly string[] {
  return host.kinds.includes('controller') && !hasNetworkHosts(inventory) ? [...host.kinds, 'network'] : host.kinds;
}

function hasNetworkHosts(inventory: Inventory): boolean {
  let known = networkHosts.get(inventory);
  if (known === undefined) {
    known = inventory.hosts.some(({ kinds, state }) => state === 'present' && kinds.includes('network'));
    networkHosts.set(inventory, known);
  }
  return known;
}

const networkHosts = new WeakMap<Inventory, boolean>();

/**
 * What names mean in the templates of a role on a host. Names of roles that it does not need are unknown. `cell`: that of a
 * single step, where it is not the role's. `own` is called when something is read that is the host's own: hosts of one shape
 * have all the rest in common.
 */
export function contextOf(
  inventory: Inventory,
  placement: Placement,
  host: Host,
  placements: Placements,
  cell: string | undefined,
  own: () => void,
): Context {
  const { role } = placement;
  const [carried] = carriedCells(inventory);
  const facts = {
    name: host.name,
    address: host.address,
    addresses: { data: host.address, storage: host.address, ...host.addresses },
    kinds: host.kinds,
    cell: host.cell,
    zone: host.zone,
    disks: devicesOf(host.disks),
  };
  return {
    ...Object.fromEntries(
      [...role.needs, ...role.reads].flatMap((name) => {
        const other = near(placements, name, placement, host, cell);
        return other ? [[name, face(inventory, other, host, own)]] : [];
      }),
    ),
    ...placement.params(host),
    cell: { name: cell ?? carried, own: cell !== undefined },
    os: role.os[family(inventory)] ?? {},
    get host() {
      own();
      return facts;
    },
    hosts: addressesOf(placement),
    leaving: leavingOf(inventory, placement),
    cloud: cloudOf(inventory),
    networks: networksOf(inventory),
  };
}

// A network that an inventory does not have is the management network.
const networks = new WeakMap<Inventory, Context>();

function networksOf(inventory: Inventory): Context {
  let known = networks.get(inventory);
  if (!known) {
    const { management } = inventory.networks;
    known = { data: management, storage: management, provider: management, ...inventory.networks };
    networks.set(inventory, known);
  }
  return known;
}

/**
 * What the inventory says is to leave, of the kinds that carry a role: hosts, and disks of hosts that stay. And of all
 * compute hosts: those that leave, with the others of the same cell. And the network hosts that leave.
 */
function leavingOf(inventory: Inventory, placement: Placement): Context {
  let known = leaving.get(placement);
  if (!known) {
    const { hosts, compute, network } = leaversOf(inventory);
    const fitting = hosts.filter(({ kinds }) => kinds.some((kind) => placement.role.on.includes(kind)));
    const [absent, present] = [fitting.filter(({ state }) => state === 'absent'), fitting.filter(({ state }) => state === 'present')];
    const disks = present.flatMap(({ name, disks: all }) =>
      all.filter(({ state }) => state === 'absent').map(({ device }) => ({ host: name, device })),
    );
    leaving.set(placement, (known = { hosts: absent.map(({ name }) => name), disks, compute, network }));
  }
  return known;
}

const leaving = new WeakMap<Placement, Context>();

/** Hosts that leave, or a disk of which does: few of a fleet. */
function leaversOf(inventory: Inventory): Leavers {
  let known = leavers.get(inventory);
  if (!known) {
    const hosts = inventory.hosts.filter(({ state, disks }) => state === 'absent' || disks.some((disk) => disk.state === 'absent'));
    const computes = inventory.hosts.filter(({ kinds }) => kinds.includes('compute'));
    const [absent, present] = [computes.filter(({ state }) => state === 'absent'), computes.filter(({ state }) => state === 'present')];
    const stay = Map.groupBy(present, ({ cell }) => cell);
    const compute = absent.map(({ name, cell }) => ({ name, to: (stay.get(cell) ?? []).map((host) => host.name) }));
    const network = hosts.filter(({ state, kinds }) => state === 'absent' && kinds.includes('network')).map(({ name }) => name);
    leavers.set(inventory, (known = { hosts, compute, network }));
  }
  return known;
}

interface Leavers {
  readonly hosts: readonly Host[];
  readonly compute: readonly Context[];
  readonly network: readonly string[];
}

const leavers = new WeakMap<Inventory, Leavers>();

const faces = new WeakMap<Placement, Context>();

/**
 * What a role shows to those that need it: its hosts, the address to reach it at, its params on its first host. One of
 * scope host that `host` carries, too, shows itself as it is there.
 */
function face(inventory: Inventory, placement: Placement, host: Host, own: () => void): Context {
  const { role, hosts, on, params } = placement;
  if (role.scope === 'host' && on.has(host)) {
    return {
      ...params(host),
      hosts: addressesOf(placement),
      get address() {
        own();
        return host.address;
      },
    };
  }
  let known = faces.get(placement);
  if (!known) {
    const first = hosts[0]!;
    const shared = role.scope === 'cloud' && placement.cell === undefined && hosts.length > 1;
    const address = shared ? (inventory.cloud.vip.internal ?? first.address) : first.address;
    faces.set(placement, (known = { ...params(first), hosts: addressesOf(placement), address }));
  }
  return known;
}

const addresses = new WeakMap<Placement, readonly Context[]>();

function devicesOf(disks: Host['disks']): readonly string[] {
  return disks.filter(({ state }) => state === 'present').map(({ device }) => device);
}

/** A role's hosts as templates see them. One list for a whole fleet: with one for each host, 10,000 hosts fill the memory. */
function addressesOf(placement: Placement): readonly Context[] {
  let known = addresses.get(placement);
  if (!known) addresses.set(placement, (known = placement.hosts.map(({ name, address }) => ({ name, address }))));
  return known;
}

const clouds = new WeakMap<Inventory, Context>();

function cloudOf(inventory: Inventory): Context {
  let cloud = clouds.get(inventory);
  if (!cloud) {
    const { name, release, region, os, domain, storage, vip } = inventory.cloud;
    const names = (host: Host): string[] => (domain === undefined ? [host.name] : [`${host.name}.${domain}`, host.name]);
    const addresses = inventory.hosts.map((host) => ({ address: host.address, names: names(host) }));
    const stores = inventory.hosts
      .filter(({ kinds, state }) => state === 'present' && kinds.includes('storage'))
      .map((host) => ({
        name: host.name,
        address: host.address,
        ...(host.zone === undefined ? {} : { zone: host.zone }),
        disks: devicesOf(host.disks),
      }));
    cloud = { name, release, region, os, domain, storage, vip, addresses, stores, cells: [...ownCells(inventory)] };
    clouds.set(inventory, cloud);
  }
  return cloud;
}

/** The family of operating systems that a cloud's hosts run, e.g. debian for debian-13. */
export function family(inventory: Inventory): string {
  return inventory.cloud.os.split('-')[0]!;
}
