// Rings of Swift.
import type { Case } from './case.ts';

const hosts = [1, 2, 3].map((i) => ({ name: `sto${i}`, address: `10.0.0.3${i}`, disks: ['/dev/sdb', '/dev/sdc'] }));
const params = { ring: 'object', hosts, port: 6200, part_power: 6, replicas: 3 };
// Of this ring, before gzip. It must never change: all objects would have to move.
const sha256 = 'dae35be39f615f00c88b1e261b5e3efb08e4af6639ea8a71b47624cdf5e56b6d';

export const swift: readonly Case[] = [
  {
    type: 'swift-ring',
    is: 'absent',
    params,
    answer: '',
    found: null,
    differs: ['sha256', 'mode'],
    runs: ['/etc/swift/object.ring.gz'],
  },
  {
    type: 'swift-ring',
    is: 'the same',
    params,
    answer: `644\n${sha256}\n26`,
    found: { mode: '644', sha256, part_power: 6 },
    differs: null,
  },
  {
    type: 'swift-ring',
    is: 'the same, of directories instead of disks',
    params: {
      ...params,
      hosts: hosts.map(({ name, address }) => ({ name, address })),
      directories: ['/srv/node/sdb', '/srv/node/sdc'],
    },
    answer: `644\n${sha256}\n26`,
    found: { mode: '644', sha256, part_power: 6 },
    differs: null,
  },
  {
    type: 'swift-ring',
    is: 'of another device',
    params: { ...params, hosts: hosts.slice(0, 2) },
    answer: `644\n${sha256}\n26`,
    found: { mode: '644', sha256, part_power: 6 },
    differs: ['sha256'],
  },
  {
    type: 'swift-ring',
    is: 'with other parts',
    params: { ...params, part_power: 7 },
    answer: `644\n${sha256}\n26`,
    found: { mode: '644', sha256, part_power: 6 },
    differs: ['sha256'],
    refuses: '2^6 parts, and that can never change',
  },
];
