import { contains, formatBlock, isReserved, parseAddress, parseBlock } from '../base/ipv4.ts';
import type { Fault } from '../document/document.ts';
import { checkEffect } from './check-effect.ts';
import { carriedCells } from './inventory.ts';
import type { Host, Inventory, Kind, Written } from './types.ts';
import { checkUpgrades } from './upgrade.ts';

type Data = Omit<Inventory, 'document'>;

/** What is wrong with the cloud as a whole. Numbers of hosts mean something only when each host could be read. */
export function checkCloud(inventory: Data, written: Written): Fault[] {
  return [
    ...controllers(inventory),
    ...emptyCells(inventory, Object.keys(written.cells ?? {})),
    ...storage(inventory),
    ...vips(inventory),
    ...gateways(inventory),
    ...checkEffect(inventory, written),
    ...checkUpgrades(inventory, written),
  ];
}

function present({ hosts }: Data, kind: Kind): Host[] {
  return hosts.filter((host) => host.state === 'present' && host.kinds.includes(kind));
}

/** Databases run on controllers, and on the hosts of each cell that has its own. */
function controllers(inventory: Data): Fault[] {
  const ofCloud = present(inventory, 'controller');
  const ofCells = Map.groupBy(present(inventory, 'cell'), ({ cell }) => cell);
  const even = [[undefined, ofCloud] as const, ...ofCells].filter(([, hosts]) => hosts.length > 0 && hosts.length % 2 === 0);
  const none: Fault = {
    code: 'no-controller',
    path: ['hosts'],
    at: 'key',
    message: 'No host is a controller of the cloud',
    hint: 'Give one, three or five hosts `kind: controller`',
  };
  return [...(ofCloud.length > 0 ? [] : [none]), ...even.map(([cell, hosts]) => evenControllers(cell, hosts))];
}

function evenControllers(cell: string | undefined, hosts: readonly Host[]): Fault {
  const [whose, kind] = cell === undefined ? ['The cloud', 'controllers'] : [`The cell ${cell}`, 'hosts of kind cell'];
  return {
    code: 'no-quorum',
    path: hosts.at(-1)!.path,
    at: 'key',
    message: `${whose} has ${hosts.length} ${kind}; their databases survive no more failures than ${hosts.length - 1} would`,
    hint: `Use ${hosts.length - 1} or ${hosts.length + 1}`,
  };
}

function emptyCells(inventory: Data, written: readonly string[]): Fault[] {
  const filled = new Set(present(inventory, 'compute').map(({ cell }) => cell));
  // Where all machines are in other cells, the controllers' own has none.
  const [carried, second] = carriedCells(inventory);
  const empty = inventory.cells.length > 1 && second === undefined ? carried : undefined;
  return written
    .filter((name) => !filled.has(name) && name !== empty)
    .map((name) => ({
      code: 'empty-cell',
      path: ['cells', name],
      at: 'key',
      message: `No compute host is in the cell ${name}`,
      hint: `Give compute hosts \`cell: ${name}\`, or remove the cell`,
    }));
}

function storage(inventory: Data): Fault[] {
  const hosts = present(inventory, 'storage').length;
  if (hosts > 0 || inventory.cloud.storage === 'file') return [];
  const hint = 'Add hosts of `kind: storage`, or write `storage: file`';
  const message = `${inventory.cloud.storage === 'ceph' ? 'Ceph' : 'Swift'} needs storage hosts, and there is none`;
  return [{ code: 'no-storage', path: ['cloud', 'storage'], message, hint }];
}

/** A host with the gateway's address takes it from the gateway. */
function gateways({ networks, hosts }: Data): Fault[] {
  return Object.values(networks).flatMap(({ name, gateway }): Fault[] => {
    const owner = gateway === undefined ? undefined : hosts.find(({ addresses }) => addresses[name] === gateway);
    if (!owner) return [];
    const message = `${gateway!} is the gateway of the ${name} network, and ${owner.name} has it as well`;
    return [{ code: 'duplicate-address', path: [...owner.path, ...(name === 'management' ? ['address'] : ['addresses', name])], message }];
  });
}

function vips(inventory: Data): Fault[] {
  const { vip } = inventory.cloud;
  const management = inventory.networks['management']!.cidr;
  const everywhere = Object.values(inventory.networks).map(({ cidr }) => cidr);
  return [...checkVip(inventory, 'internal', vip.internal, [management]), ...checkVip(inventory, 'external', vip.external, everywhere)];
}

function checkVip({ hosts }: Data, which: string, vip: string | undefined, cidrs: readonly string[]): Fault[] {
  if (vip === undefined) return [];
  const path = ['cloud', 'vip', which];
  const bad = (message: string): Fault[] => [{ code: 'bad-vip', path, message, hint: 'Take an address that no host has' }];
  const address = parseAddress(vip)!;
  const network = cidrs.map((cidr) => parseBlock(cidr)!).find((block) => contains(block, address));
  if (!network) return bad(`The ${which} address ${vip} is not in ${cidrs.join(', ')}`);
  if (isReserved(network, address)) return bad(`The ${which} address ${vip} belongs to the network ${formatBlock(network)} itself`);
  const owner = hosts.find(({ addresses }) => Object.values(addresses).includes(vip));
  return owner ? bad(`The ${which} address ${vip} is the host ${owner.name}'s own`) : [];
}
