import { contains, formatAddress, formatBlock, isReserved, overlap, parseAddress, parseBlock, type Block } from '../base/ipv4.ts';
import { nearest } from '../base/problem.ts';
import type { Fault } from '../document/document.ts';
import { diskOf, kindsOf, type Entry } from './expand.ts';
import { namesOf, parseRange } from './range.ts';
import type { Written, WrittenHost } from './types.ts';

/** Hosts entry by entry, with what is wrong with their ranges. */
export function readEntries(hosts: Readonly<Record<string, WrittenHost>>): { entries: Entry[]; faults: Fault[] } {
  const entries: Entry[] = [];
  const faults: Fault[] = [];
  let all = 0;
  for (const [key, host] of Object.entries(hosts)) {
    const range = parseRange(key);
    if (typeof range === 'string') {
      faults.push({ code: 'bad-range', path: ['hosts', key], at: 'key', message: `The range ${key} ${range}`, hint: rangeHint });
      continue;
    }
    all += range.count;
    if (all <= mostHosts) entries.push({ key, host, range });
    else faults.push({ code: 'bad-range', path: ['hosts', key], at: 'key', message: tooMany(key, all), hint: rangeHint });
  }
  return { entries, faults };
}

/** Hosts of all ranges together: with each a few objects, more would fill the memory. */
const mostHosts = 65_536;

function tooMany(key: string, all: number): string {
  return `With ${key} there are ${all.toLocaleString('en')} hosts; at most ${mostHosts.toLocaleString('en')} are allowed`;
}

const rangeHint = 'Write cmp[1-12], or cmp[01-12] for names of equal length';

/** What is wrong with networks and hosts, looked at one by one and against each other. */
export function checkHosts(written: Written, entries: readonly Entry[]): Fault[] {
  return [
    ...checkNetworks(written.networks),
    ...impossibleNames(entries),
    ...duplicateNames(entries),
    ...entries.flatMap((entry) => checkAddresses(written.networks, entry)),
    ...duplicateAddresses(entries),
    ...entries.flatMap((entry) => [...checkCell(written, entry), ...checkCellKind(entry), ...checkZone(entry), ...checkDisks(entry)]),
  ];
}

function checkNetworks(networks: Written['networks']): Fault[] {
  const blocks = Object.entries(networks).map(([name, { cidr, gateway }]) => ({ name, gateway, block: parseBlock(cidr)! }));
  return blocks.flatMap(({ name, gateway, block }, i): Fault[] => {
    const other = blocks.slice(0, i).find((earlier) => overlap(earlier.block, block));
    const path = ['networks', name];
    return [
      ...(other ? [overlapping([...path, 'cidr'], name, block, other.name, other.block)] : []),
      ...(gateway !== undefined ? addressFaults([...path, 'gateway'], 'The gateway', parseAddress(gateway)!, 1, name, block) : []),
    ];
  });
}

function overlapping(path: readonly string[], name: string, block: Block, other: string, otherBlock: Block): Fault {
  const message = `The networks ${other} (${formatBlock(otherBlock)}) and ${name} (${formatBlock(block)}) overlap`;
  return { code: 'network-overlap', path, message, hint: 'Each address can be in one network only' };
}

const reserved = ['localhost', 'unknown'];

/** Of a range, the first name that cannot be. */
function impossibleNames(entries: readonly Entry[]): Fault[] {
  return entries.flatMap(({ key, range }): Fault[] => {
    const names = namesOf(range);
    const long = names.find(({ length }) => length > 63);
    const taken = names.find((name) => reserved.includes(name));
    const at = { code: 'host-name', path: ['hosts', key], at: 'key' } as const;
    return [
      ...(long === undefined ? [] : [{ ...at, message: `${long} has ${long.length} characters`, hint: 'A host name has 63 at most' }]),
      ...(taken === undefined ? [] : [{ ...at, message: `No host can be called ${taken}`, hint: 'Rename it' }]),
    ];
  });
}

function duplicateNames(entries: readonly Entry[]): Fault[] {
  return clashes(entries, ({ range }) => namesOf(range)).map(({ entry, other, value }) => ({
    code: 'duplicate-host',
    path: ['hosts', entry.key],
    at: 'key',
    message: `${entry.key} names the host ${value}, and so does ${other.key}`,
    hint: 'Rename one, or make its range smaller',
  }));
}

/** The same address twice, whatever the networks. */
function duplicateAddresses(entries: readonly Entry[]): Fault[] {
  const ranges = entries.flatMap((entry) => addressesOf(entry).map((address) => ({ ...address, ...entry })));
  return clashes(ranges, ({ first, range }) => Array.from({ length: range.count }, (_, i) => first + i)).map(({ entry, other, value }) => ({
    code: 'duplicate-address',
    path: entry.path,
    message: `${hostAt(entry, value)} has the address ${formatAddress(value)}, and so has ${hostAt(other, value)}`,
    hint: `${other.key} takes ${formatAddress(other.first)} to ${formatAddress(other.first + other.range.count - 1)}`,
  }));
}

function hostAt({ range, first }: Entry & { first: number }, address: number): string {
  return namesOf(range)[address - first]!;
}

/** The first value that each entry shares with an earlier one. */
function clashes<E, V>(entries: readonly E[], valuesOf: (entry: E) => readonly V[]): { entry: E; other: E; value: V }[] {
  const owners = new Map<V, E>();
  const found = [];
  for (const entry of entries) {
    const values = valuesOf(entry);
    const value = values.find((each) => owners.has(each));
    if (value !== undefined) found.push({ entry, other: owners.get(value)!, value });
    for (const each of values) if (!owners.has(each)) owners.set(each, entry);
  }
  return found;
}

/** Each of an entry's addresses with its network; of a range, the first host's. */
function addressesOf({ key, host }: Entry): { network: string; path: readonly string[]; first: number }[] {
  const others = Object.entries(host.addresses ?? {});
  return [
    { network: 'management', path: ['hosts', key, 'address'], first: parseAddress(host.address)! },
    ...others.map(([network, address]) => ({ network, path: ['hosts', key, 'addresses', network], first: parseAddress(address)! })),
  ];
}

function checkAddresses(networks: Written['networks'], entry: Entry): Fault[] {
  return addressesOf(entry).flatMap(({ network, path, first }) => {
    const cidr = networks[network]?.cidr;
    if (cidr === undefined) return unknownNetwork(path, network, networks);
    return addressFaults(path, entry.key, first, entry.range.count, network, parseBlock(cidr)!);
  });
}

function unknownNetwork(path: readonly string[], network: string, networks: Written['networks']): Fault[] {
  // No networks at all: they were wrong themselves, and that has been said.
  if (Object.keys(networks).length === 0) return [];
  return [
    {
      code: 'unknown-network',
      path,
      at: 'key',
      message: `There is no network ${network} for this address`,
      hint: `Describe it under networks: ${network}: {cidr: …}`,
    },
  ];
}

/** `count` addresses from `first` on have to be in a network and not its own. */
function addressFaults(path: readonly string[], owner: string, first: number, count: number, name: string, block: Block): Fault[] {
  const last = first + count - 1;
  const network = `the ${name} network ${formatBlock(block)}`;
  if (!contains(block, first)) {
    return [{ code: 'address-outside-network', path, message: `${owner}: ${formatAddress(first)} is not in ${network}` }];
  }
  if (!contains(block, last)) {
    const room = block.first + block.size - 1 - first;
    const message = `${owner} needs ${count} addresses from ${formatAddress(first)} on; ${network} has room for ${room}`;
    return [{ code: 'address-outside-network', path, message, hint: 'Begin at a lower address, or make the network larger' }];
  }
  const reserved = [first, last].find((address) => isReserved(block, address));
  if (reserved === undefined) return [];
  const what = reserved === block.first ? 'is the name' : 'is the broadcast address';
  return [{ code: 'address-reserved', path, message: `${owner}: ${formatAddress(reserved)} ${what} of ${network}` }];
}

function checkCellKind({ key, host }: Entry): Fault[] {
  const kinds = kindsOf(host);
  if (kinds.includes('controller') && kinds.includes('cell')) {
    const message = `${key} is a controller, and cannot carry a cell's own database and message queue beside the cloud's`;
    return [{ code: 'cell-host', path: ['hosts', key, 'kind'], message, hint: 'Leave one of the two kinds out' }];
  }
  if (host.cell === undefined || kinds.includes('compute') || kinds.includes('cell')) return [];
  const message = `${key} names the cell ${host.cell}, and is neither a compute host nor of kind cell`;
  const hint = 'Write `kind: cell` if it is to carry the database, message queue and conductor of the cell; leave `cell` out if not';
  return [{ code: 'cell-host', path: ['hosts', key, 'cell'], message, hint }];
}

function checkCell({ cells = { cell1: {} } }: Written, { key, host }: Entry): Fault[] {
  const names = Object.keys(cells);
  const { cell } = host;
  const kinds = kindsOf(host);
  const inCell = kinds.includes('compute') || kinds.includes('cell');
  // No cells at all: they were wrong themselves, and that has been said.
  if (names.length === 0) return [];
  if (cell === undefined) {
    if (names.length < 2 || !inCell) return [];
    const message = `${key} does not say which of the cells it is in`;
    return [{ code: 'missing-cell', path: ['hosts', key], at: 'key', message, hint: `Add cell: ${names.join(' or ')}` }];
  }
  if (Object.hasOwn(cells, cell)) return [];
  const near = nearest(cell, names);
  const hint = near ? `Did you mean "${near}"?` : `Cells: ${names.join(', ')}; others are added under cells`;
  return [{ code: 'unknown-cell', path: ['hosts', key, 'cell'], message: `There is no cell ${cell}`, hint }];
}

function checkZone({ key, host }: Entry): Fault[] {
  if (host.zone !== 'nova' || !kindsOf(host).includes('compute')) return [];
  const message = 'No availability zone can be called nova';
  const hint = 'It is what Nova calls the zone of hosts without one';
  return [{ code: 'bad-value', path: ['hosts', key, 'zone'], message, hint }];
}

function checkDisks({ key, host: { disks = [] } }: Entry): Fault[] {
  const seen = new Set<string>();
  return disks.flatMap((disk, i): Fault[] => {
    const { device } = diskOf(disk);
    if (seen.size < seen.add(device).size) return [];
    return [
      { code: 'duplicate-disk', path: ['hosts', key, 'disks', i], message: `${key} lists the disk ${device} twice`, hint: 'Remove one' },
    ];
  });
}
