import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { formatAddress, parseAddress } from '../base/ipv4.ts';
import { namesOf, type Range } from './range.ts';
import type { Bastion, Disk, Host, Inventory, Kind, Network, Resources, Ssh, Written, WrittenHost, WrittenSsh } from './types.ts';

/** One key under `hosts` with the range it stands for. */
export interface Entry {
  readonly key: string;
  readonly host: WrittenHost;
  readonly range: Range;
}

/** An inventory's data with defaults filled in. */
export function expand(file: string, written: Written, entries: readonly Entry[]): Omit<Inventory, 'document'> {
  const cells = Object.entries(written.cells ?? { cell1: {} }).map(([name, { params = {}, upgrade = {} }]) => ({
    name,
    params,
    upgrade,
  }));
  const only = cells.length === 1 ? cells[0]?.name : undefined;
  const hosts = entries.flatMap((entry) => hostsOf(entry, only, sshOf(file, written.ssh, entry.host.ssh)));
  return {
    file,
    cloud: {
      ...written.cloud,
      region: written.cloud.region ?? 'RegionOne',
      os: written.cloud.os ?? 'debian-13',
      vip: written.cloud.vip ?? {},
      storage: written.cloud.storage ?? (hosts.some(({ kinds, disks }) => kinds.includes('storage') && disks.length > 0) ? 'ceph' : 'file'),
    },
    networks: mapValues(written.networks, (network, name): Network => ({ mtu: 1500, ...network, name })),
    cells,
    hosts,
    params: written.params ?? {},
    kindParams: ofKinds((kind) => written.kinds?.[kind]?.params ?? {}),
    roles: (written.roles ?? []).map((directory) => resolve(dirname(file), directory)),
    resources: resourcesOf(file, written.resources ?? {}),
    upgrade: written.upgrade ?? {},
    kindUpgrades: ofKinds((kind) => written.kinds?.[kind]?.upgrade ?? {}),
  };
}

function ofKinds<T>(of: (kind: Kind) => T): Readonly<Record<Kind, T>> {
  return {
    controller: of('controller'),
    network: of('network'),
    compute: of('compute'),
    storage: of('storage'),
    cell: of('cell'),
  };
}

export function kindsOf({ kind }: WrittenHost): readonly Kind[] {
  return typeof kind === 'string' ? [kind] : kind;
}

export function diskOf(written: NonNullable<WrittenHost['disks']>[number]): Disk {
  return { state: 'present', size: '8G', ...(typeof written === 'string' ? { device: written } : written) };
}

/** The hosts of a range: everything the same but names and addresses, which are counted up. */
function hostsOf({ key, host, range }: Entry, onlyCell: string | undefined, ssh: Ssh): Host[] {
  const kinds = kindsOf(host);
  const cell = host.cell ?? (kinds.some((kind) => kind === 'compute' || kind === 'cell') ? onlyCell : undefined);
  const disks = (host.disks ?? []).map(diskOf);
  const shared = { kinds, disks, state: host.state ?? 'present', ssh, params: host.params ?? {}, path: ['hosts', key] };
  const first = mapValues({ management: host.address, ...host.addresses }, (address) => parseAddress(address)!);
  return namesOf(range).map((name, i) => {
    const addresses = mapValues(first, (number) => formatAddress(number + i));
    return { name, address: addresses['management']!, addresses, ...(cell && { cell }), ...(host.zone && { zone: host.zone }), ...shared };
  });
}

function sshOf(file: string, cloud: Written['ssh'] = {}, host: WrittenHost['ssh'] = {}): Ssh {
  const { known_hosts: knownHosts, agent = true, config = true } = cloud;
  const { host_key: hostKey = [], ...own } = host;
  const { user, port, identity, passphrase, sudo, bastion }: WrittenSsh = { ...cloud, ...own };
  return {
    agent,
    config,
    ...(knownHosts !== undefined && { knownHosts: pathFrom(file, knownHosts) }),
    hostKeys: [hostKey].flat(),
    ...(user !== undefined && { user }),
    ...(port !== undefined && { port }),
    ...(identity !== undefined && { identity: pathFrom(file, identity) }),
    ...(passphrase && { passphrase }),
    ...(sudo !== undefined && { sudo }),
    ...(bastion && { bastion: bastionOf(file, bastion) }),
  };
}

function bastionOf(file: string, { host_key: hostKey = [], identity, ...rest }: NonNullable<WrittenSsh['bastion']>): Bastion {
  return { ...rest, hostKeys: [hostKey].flat(), ...(identity !== undefined && { identity: pathFrom(file, identity) }) };
}

function resourcesOf(file: string, written: Partial<Resources>): Resources {
  const none = { projects: {}, users: {}, quotas: {}, flavors: {}, aggregates: {}, networks: {}, routers: {}, security_groups: {} };
  const located = <T extends { readonly file?: string }>(section: Readonly<Record<string, T>> = {}): Record<string, T> =>
    mapValues(section, (each) => ({ ...each, ...(each.file !== undefined && { file: pathFrom(file, each.file) }) }));
  return { ...none, ...written, images: located(written.images), keypairs: located(written.keypairs) };
}

/** A path as the inventory's author means it: from the inventory's directory, or from home. */
function pathFrom(file: string, path: string): string {
  return path.startsWith('~/') ? resolve(homedir(), path.slice(2)) : resolve(dirname(file), path);
}

function mapValues<V, R>(object: Readonly<Record<string, V>>, map: (value: V, key: string) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value, key)]));
}
