import type { Secret } from '../base/secret.ts';
import type { Host, Inventory } from '../inventory/types.ts';
import { paramLevels } from '../inventory/inventory.ts';
import type { Role } from '../roles/role.ts';
import type { Context } from '../roles/template.ts';

/** Gives the secret of a name, made when it is missing. */
export type SecretOf = (name: string) => Secret;

/** A param's value for a role on a host, and the level of the inventory that it came from. */
export interface Resolved {
  readonly value: unknown;
  readonly level: string;
}

/** A role's params on a host: the nearest level that gives a value wins, the role's default is the farthest. */
export function resolveParams(inventory: Inventory, role: Role, host: Host, secretOf: SecretOf): Readonly<Record<string, Resolved>> {
  const levels = paramLevels(inventory, host).toReversed();
  return Object.fromEntries(
    Object.entries(role.params).map(([name, schema]) => {
      const level = levels.find(({ params }) => params[role.name] !== undefined && Object.hasOwn(params[role.name]!, name));
      const value = level?.params[role.name]?.[name] ?? schema.default;
      if (schema.format !== 'secret') return [name, { value, level: level?.level ?? 'default' }];
      const given = (value as { secret?: string } | undefined)?.secret;
      return [name, { value: secretOf(given ?? `${role.name}.${name}`), level: level?.level ?? 'generated' }];
    }),
  );
}

/** Where a role runs, and what it is there. */
export interface Placement {
  readonly role: Role;
  readonly hosts: readonly Host[];
  /** The same hosts, to ask quickly. */
  readonly on: ReadonlySet<Host>;
  /** Its params on a host, without their levels. */
  readonly params: (host: Host) => Context;
}

/** The roles of a cloud: all, or the services that the inventory asks for with all that they need, and what comes along with them. */
export function wantedRoles(inventory: Inventory, roles: ReadonlyMap<string, Role>): readonly Role[] {
  const wanted = new Set(inventory.cloud.services ?? roles.keys());
  const parts = Map.groupBy(roles.values(), ({ partOf }) => partOf);
  for (const name of wanted) {
    for (const need of roles.get(name)?.needs ?? []) wanted.add(need);
    for (const part of parts.get(name) ?? []) wanted.add(part.name);
  }
  return [...roles.values()].filter((role) => wanted.has(role.name));
}

/** The hosts that carry a role, in the inventory's order: present ones, but for a role of those that leave. */
export function hostsOf(inventory: Inventory, role: Role, roles: ReadonlyMap<string, Role>): readonly Host[] {
  if (role.storage !== undefined && role.storage !== inventory.cloud.storage) return [];
  const state = role.hosts === 'leaving' ? 'absent' : 'present';
  const fitting = inventory.hosts.filter((host) => host.state === state && kindsOf(inventory, host).some((kind) => role.on.includes(kind)));
  switch (role.hosts) {
    case 'all':
    case 'leaving':
      return fitting;
    case 'first':
      return fitting.slice(0, 1);
    case 'quorum':
      return quorumOf(fitting, inventory.kindParams.storage[role.name]?.['hosts'] ?? inventory.params[role.name]?.['hosts']);
    default: {
      const others = new Set(hostsOf(inventory, roles.get(role.hosts.with)!, roles));
      return fitting.filter((host) => others.has(host));
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

/**
 * What roles take a host for: a controller that belongs to a cell carries what is that cell's, and nothing of the whole cloud.
 * Those of the cloud are its network hosts, too, where it has no others.
 */
function kindsOf(inventory: Inventory, host: Host): readonly string[] {
  if (host.cell !== undefined && !host.kinds.includes('compute')) return ['cell'];
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

/** What names mean in the templates of a role on a host. Names of roles that it does not need are unknown. */
export function contextOf(inventory: Inventory, placement: Placement, host: Host, placements: ReadonlyMap<string, Placement>): Context {
  const { role } = placement;
  return {
    ...Object.fromEntries([...role.needs, ...role.reads].map((name) => [name, face(inventory, placements.get(name)!, host)])),
    ...placement.params(host),
    os: role.os[family(inventory)] ?? {},
    host: {
      name: host.name,
      address: host.address,
      addresses: { data: host.address, storage: host.address, ...host.addresses },
      kinds: host.kinds,
      cell: host.cell,
      zone: host.zone,
      disks: devicesOf(host.disks),
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
 * compute hosts: those that leave, with the others of the same cell.
 */
function leavingOf({ hosts }: Inventory, placement: Placement): Context {
  let known = leaving.get(placement);
  if (!known) {
    const fitting = hosts.filter(({ kinds }) => kinds.some((kind) => placement.role.on.includes(kind)));
    const [absent, present] = [fitting.filter(({ state }) => state === 'absent'), fitting.filter(({ state }) => state === 'present')];
    const disks = present.flatMap(({ name, disks: all }) =>
      all.filter(({ state }) => state === 'absent').map(({ device }) => ({ host: name, device })),
    );
    leaving.set(placement, (known = { hosts: absent.map(({ name }) => name), disks, compute: leavingComputes(hosts) }));
  }
  return known;
}

const leaving = new WeakMap<Placement, Context>();

function leavingComputes(hosts: readonly Host[]): readonly Context[] {
  const computes = hosts.filter(({ kinds }) => kinds.includes('compute'));
  const stay = Map.groupBy(
    computes.filter(({ state }) => state === 'present'),
    ({ cell }) => cell,
  );
  return computes
    .filter(({ state }) => state === 'absent')
    .map(({ name, cell }) => ({ name, to: (stay.get(cell) ?? []).map((host) => host.name) }));
}

const faces = new WeakMap<Placement, Context>();

/**
 * What a role shows to those that need it: its hosts, the address to reach it at, its params on its first host. One of
 * scope host that `host` carries, too, shows itself as it is there.
 */
function face(inventory: Inventory, placement: Placement, host: Host): Context {
  const { role, hosts, on, params } = placement;
  if (role.scope === 'host' && on.has(host)) return { ...params(host), hosts: addressesOf(placement), address: host.address };
  let known = faces.get(placement);
  if (!known) {
    const first = hosts[0]!;
    const address = role.scope === 'cloud' && hosts.length > 1 ? (inventory.cloud.vip.internal ?? first.address) : first.address;
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
    cloud = { name, release, region, os, domain, storage, vip, addresses, stores };
    clouds.set(inventory, cloud);
  }
  return cloud;
}

/** The family of operating systems that a cloud's hosts run, e.g. debian for debian-13. */
export function family(inventory: Inventory): string {
  return inventory.cloud.os.split('-')[0]!;
}
