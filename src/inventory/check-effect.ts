import type { Fault } from '../document/document.ts';
import type { Host, Inventory, Kind, Written } from './types.ts';

type Data = Omit<Inventory, 'document'>;

/** What is legal and does nothing, or not what its author may think. */
export function checkEffect(inventory: Data, written: Written): Fault[] {
  return [...vips(written), ...networks(written), ...idleDisks(inventory), ...unusedStorage(inventory, written), ...addresses(inventory)];
}

function noEffect(path: Fault['path'], message: string, hint: string): Fault {
  return { code: 'no-effect', severity: 'warning', path, at: 'key', message, hint };
}

function vips({ cloud }: Written): Fault[] {
  return Object.keys(cloud.vip ?? {}).map((which) =>
    noEffect(
      ['cloud', 'vip', which],
      `cloud.vip.${which} has no effect yet: all APIs, databases and queues are on the first controller`,
      'Leave it out until Cellwise moves addresses between controllers',
    ),
  );
}

function networks({ networks }: Written): Fault[] {
  return Object.entries(networks).flatMap(([name, network]) =>
    (['vlan', 'gateway', ...(name === 'storage' ? (['mtu'] as const) : [])] as const).flatMap((key) =>
      network[key] === undefined
        ? []
        : [
            noEffect(
              ['networks', name, key],
              `networks.${name}.${key} has no effect`,
              'Cellwise does not configure the interfaces of hosts: set it there',
            ),
          ],
    ),
  );
}

function present({ hosts }: Data, ...kinds: readonly Kind[]): Host[] {
  return hosts.filter((host) => host.state === 'present' && host.kinds.some((kind) => kinds.includes(kind)));
}

function idleDisks({ hosts }: Data): Fault[] {
  const idle = hosts.filter(({ kinds, disks }) => disks.length > 0 && !kinds.includes('storage'));
  return onePerEntry(idle).map(({ path }) =>
    noEffect(
      [...path, 'disks'],
      'Disks have no effect on a host that is not of kind storage',
      'Add the kind storage, or leave the disks out',
    ),
  );
}

/** Storage hosts without a disk: Ceph was meant, and files are what the cloud would get. */
function unusedStorage(inventory: Data, { cloud }: Written): Fault[] {
  const [first, ...others] = present(inventory, 'storage');
  if (!first || inventory.cloud.storage === 'swift' || [first, ...others].some(({ disks }) => disks.length > 0)) return [];
  if (cloud.storage === 'ceph')
    return [
      {
        code: 'no-storage',
        path: first.path,
        at: 'key',
        message: 'Ceph needs disks, and no storage host has one',
        hint: 'Name them: disks: [/dev/sdb]',
      },
    ];
  const message = 'No storage host has disks, so images, volumes and disks of instances are kept in files on other hosts';
  return [noEffect(first.path, message, 'Name the disks: disks: [/dev/sdb]; or leave the storage hosts out')];
}

/** Hosts with an address in a network and hosts without speak over two networks. */
function addresses(inventory: Data): Fault[] {
  const tunnels = present(inventory, 'compute', present(inventory, 'network').length > 0 ? 'network' : 'controller');
  return [
    ...unequal(inventory, 'data', tunnels, 'Tunnels'),
    ...unequal(inventory, 'storage', present(inventory, 'storage'), 'Replication'),
  ];
}

function unequal({ networks }: Data, network: string, hosts: readonly Host[], what: string): Fault[] {
  if (networks[network] === undefined || hosts.length === 0) return [];
  const without = hosts.filter(({ addresses }) => addresses[network] === undefined);
  if (without.length === hosts.length && network === 'data') {
    return [noEffect(['networks', network], `No host has an address in the ${network} network`, `${what} use the management network`)];
  }
  return onePerEntry(without).map(({ name, path }) => ({
    code: 'missing-address',
    // Tunnels may be routed from one network to the other; a daemon of Ceph without an address in its network ends at once.
    ...(network === 'data' && { severity: 'warning' as const }),
    path,
    at: 'key',
    message: `${name} has no address in the ${network} network, which others use`,
    hint: `Write addresses: {${network}: …}, or leave networks.${network} out: the management network is used then`,
  }));
}

/** The first host of each line of the inventory. */
function onePerEntry(hosts: readonly Host[]): Host[] {
  return [...Map.groupBy(hosts, ({ path }) => path.join('\n')).values()].map(([first]) => first!);
}
