import { expect, test } from 'vitest';
import { Invalid } from '../../src/base/problem.ts';
import { differing, layOut, occupied, type LabSpec } from '../../src/lab/layout.ts';

const spec: LabSpec = {
  name: 'lab',
  directory: '/tmp/lab',
  networks: [
    { name: 'storage', cidr: '10.78.0.0/24' },
    { name: 'management', cidr: '10.77.0.9/23' },
  ],
  hosts: [
    { name: 'ctl1', address: '10.77.1.11', disks: [] },
    { name: 'sto1', address: '10.77.0.21', addresses: { storage: '10.78.0.21' }, disks: [] },
  ],
};

function messages(change: Partial<LabSpec>): string[] {
  try {
    layOut({ ...spec, ...change });
  } catch (error) {
    if (error instanceof Invalid) return error.problems.map(({ message }) => message);
    throw error;
  }
  return [];
}

test('networks keep their order in their names, and have the first address for gateway', () => {
  expect(layOut(spec).networks).toEqual([
    { name: 'cellwise-lab-0-storage', cidr: '10.78.0.0/24', gateway: '10.78.0.1' },
    { name: 'cellwise-lab-1-management', cidr: '10.77.0.9/23', gateway: '10.77.0.1' },
  ]);
});

test('a host is connected to the network of its SSH address first', () => {
  const { attachments } = layOut(spec);
  expect(attachments.get('ctl1')).toEqual([{ network: 'cellwise-lab-1-management', address: '10.77.1.11', link: 'eth0' }]);
  expect(attachments.get('sto1')).toEqual([
    { network: 'cellwise-lab-1-management', address: '10.77.0.21', link: 'eth0' },
    { network: 'cellwise-lab-0-storage', address: '10.78.0.21', link: 'storage' },
  ]);
});

test('what Docker cannot do is said, all at once', () => {
  const hosts = [
    { name: 'a', address: '192.0.2.1', disks: [] },
    { name: 'b', address: '10.77.0.1', disks: [] },
  ];
  expect(messages({ hosts })).toEqual([
    'a has the address 192.0.2.1, which is in no network of the lab',
    'b has the address 10.77.0.1, which the lab needs for its gateway',
  ]);
  expect(messages({ networks: [...spec.networks, { name: 'six', cidr: 'fd00::/64' }] })).toEqual([
    'The lab needs IPv4 networks; six is fd00::/64',
  ]);
});

test('a network that this machine is in is not taken from it', () => {
  const bridge = (local: string) => ({ ifname: 'br-1', addr_info: [{ local, prefixlen: 24 }] });
  expect(occupied(spec.networks, [bridge('10.77.1.5')]).map(({ message }) => message)).toEqual([
    "The network management, 10.77.0.9/23, overlaps 10.77.1.5/24 of this machine's br-1",
  ]);
  expect(occupied(spec.networks, [bridge('10.79.1.5'), { ifname: 'eth1', addr_info: [] }])).toEqual([]);
});

test('only hosts that are there can differ', () => {
  const was = new Map(Object.entries({ a: '1', b: '2' }));
  const is = new Map(Object.entries({ a: '1', b: '3', c: '4' }));
  expect(differing(was, is)).toEqual(['b']);
});
