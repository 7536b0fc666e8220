import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { sh, withInput } from '../base/command.ts';
import { canonical, type State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';
import { putFile } from './put.ts';

/**
 * A ring of Swift: which devices hold which part of all names. It follows from the devices alone, so that each host makes
 * the same by itself, and nothing of its history has to be kept: every part ranks all devices by chance, always the same,
 * and takes the first that are as far apart as can be. One device more or less moves at most one copy of each part.
 */
export const swiftRing = defineResource({
  type: 'swift-ring',
  summary: 'A ring of Swift: which devices hold what. The same devices give the same ring on every host.',
  nameParam: 'ring',
  params: {
    type: 'object',
    required: ['ring', 'hosts', 'port', 'part_power', 'replicas'],
    additionalProperties: false,
    properties: {
      ring: { type: 'string', enum: ['account', 'container', 'object'], description: 'Which of the rings.' },
      hosts: {
        type: 'array',
        minItems: 1,
        description: 'The storage hosts.',
        items: {
          type: 'object',
          required: ['name', 'address'],
          additionalProperties: false,
          properties: {
            name: { type: 'string', description: 'Its name.' },
            address: { type: 'string', format: 'ipv4', description: 'Where it is reached.' },
            zone: { type: 'string', description: 'What it shares with the hosts that fail together with it.' },
            disks: { type: 'array', items: { type: 'string' }, description: 'Its disks, e.g. /dev/sdb.' },
          },
        },
      },
      directories: {
        type: 'array',
        items: { type: 'string', pattern: '^/srv/node/[A-Za-z0-9._-]+$' },
        description: 'Directories on every host that stand in for disks.',
      },
      port: { type: 'integer', minimum: 1, maximum: 65535, description: 'Where its server listens.' },
      part_power: { type: 'integer', minimum: 4, maximum: 20, description: 'There are 2 to the power of this parts; it can never change.' },
      replicas: { type: 'integer', minimum: 1, maximum: 9, description: 'Copies of each part; fewer where there are fewer devices.' },
    },
  },
  desired: (p) => ({ sha256: createHash('sha256').update(contentOf(p)).digest('hex'), mode: '644' }),
  refuse: (p, { before }) => {
    const power = before?.['part_power'] as number | undefined;
    if (power === undefined || power === p.part_power) return undefined;
    return `the ring has 2^${power} parts, and that can never change: say part_power ${power}`;
  },
  // gzip may pack the same otherwise tomorrow: what counts is what is in it. The header says how many parts there are.
  probe: (p) => sh`
file=${pathOf(p.ring)}
[ -e "$file" ] || exit 0
stat -c %a -- "$file"
gzip -dc -- "$file" | sha256sum | cut -d ' ' -f 1
gzip -dc -- "$file" | head -c 100000 | grep -ao '"part_shift": *[0-9]*' | head -n 1 | tr -dc 0-9
exit 0`,
  parse: (output): Found => {
    const [mode = '', sha256 = '', shift = ''] = output.out.toString().split('\n');
    if (mode === '') return null;
    return { mode, sha256, ...(shift === '' ? {} : { part_power: 32 - Number(shift) }) } satisfies State;
  },
  apply: (p) => withInput(putFile({ path: pathOf(p.ring), owner: 'root:root', mode: '0644' }), gzipSync(contentOf(p))),
});

interface Ring {
  readonly ring: string;
  readonly hosts: readonly {
    readonly name: string;
    readonly address: string;
    readonly zone?: string;
    readonly disks?: readonly string[];
  }[];
  readonly directories?: readonly string[];
  readonly port: number;
  readonly part_power: number;
  readonly replicas: number;
}

interface Device {
  readonly host: string;
  readonly zone: string;
  readonly ip: string;
  readonly device: string;
  readonly seed: number;
}

function pathOf(ring: string): string {
  return `/etc/swift/${ring}.ring.gz`;
}

// Every host of a cloud has the same three.
const made = new Map<string, Buffer>();

/** The ring as Swift reads it, before gzip: magic, header, and for each copy the number of the device of each part. */
function contentOf(p: Ring): Buffer {
  const key = canonical([p.ring, p.hosts, p.directories, p.port, p.part_power, p.replicas]);
  const known = made.get(key);
  if (known) return known;
  const devices = devicesOf(p);
  const zones = [...new Set(devices.map(({ zone }) => zone))].toSorted();
  const devs = devices.map(({ ip, device, zone }, id) => ({
    ...{ device, id, ip, meta: '', port: p.port, region: 1 },
    ...{ replication_ip: ip, replication_port: p.port, weight: 100, zone: zones.indexOf(zone) + 1 },
  }));
  const table = assign(devices, 2 ** p.part_power, Math.min(p.replicas, devices.length));
  const header = Buffer.from(
    JSON.stringify({ byteorder: 'little', devs, part_shift: 32 - p.part_power, replica_count: table.length, version: 1 }),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32BE(header.length);
  const content = Buffer.concat([Buffer.from('R1NG\0\x01', 'latin1'), length, header, ...table]);
  if (made.size >= 8) made.clear();
  made.set(key, content);
  return content;
}

function devicesOf({ hosts, directories }: Ring): Device[] {
  return hosts.flatMap(({ name, address, zone = '', disks = [] }) =>
    (directories ?? disks)
      .map((path) => path.replace(/^.*\//, ''))
      .map((device) => ({
        host: name,
        zone,
        ip: address,
        device,
        seed: textHash(`${name}/${device}`),
      })),
  );
}

/** For each copy, the numbers of the devices of all parts, two bytes each. */
function assign(devices: readonly Device[], parts: number, replicas: number): Buffer[] {
  const table = Array.from({ length: replicas }, () => Buffer.alloc(2 * parts));
  const ranks = new Float64Array(devices.length);
  for (let part = 0; part < parts; part += 1) {
    const salt = mix(part + 1);
    devices.forEach(({ seed }, id) => (ranks[id] = mix(seed ^ salt)));
    const [zones, hosts] = [new Set<string>(), new Set<string>()];
    for (const row of table) {
      const id = farthest(devices, ranks, zones, hosts);
      row.writeUInt16LE(id, 2 * part);
      ranks[id] = -1;
      zones.add(devices[id]!.zone);
      hosts.add(devices[id]!.host);
    }
  }
  return table;
}

/** The first by rank in a zone of its own, else on a host of its own, else of all that have none of this part. */
function farthest(devices: readonly Device[], ranks: Float64Array, zones: ReadonlySet<string>, hosts: ReadonlySet<string>): number {
  let best = -1;
  let height = -1;
  for (const [id, { zone, host }] of devices.entries()) {
    const rank = ranks[id]!;
    if (rank < 0) continue;
    // Ranks have 32 bits, and what counts more stands above them.
    const reaches = rank + (zones.has(zone) ? 0 : 2 ** 33) + (hosts.has(host) ? 0 : 2 ** 32);
    if (reaches > height) [best, height] = [id, reaches];
  }
  return best;
}

/** FNV-1a. */
function textHash(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return mix(hash);
}

/** The end of MurmurHash3: each bit of the number changes half of those of the result. */
function mix(number: number): number {
  let hash = number ^ (number >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
