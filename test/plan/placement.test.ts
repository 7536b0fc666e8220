import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readRoles } from '../../src/roles/role.ts';
import { inventoryOf, needs, planOf, rolesOf, step } from './clouds.ts';

const controller = '  ctl1: {address: 10.77.0.11, kind: controller}\n';
const storage = (count: number): string => `${controller}  sto[1-${count}]: {address: 10.77.0.31, kind: storage, disks: [/dev/sdb]}\n`;
const roles = rolesOf({
  odd: { on: ['storage'], hosts: 'quorum', params: { hosts: { type: 'integer' } }, steps: [{ file: '/odd' }] },
  beside: { on: ['storage'], hosts: { with: 'odd' }, needs: ['odd'], steps: [{ file: '/beside' }] },
  ours: { on: ['storage'], storage: 'ceph', reads: ['odd'], steps: [{ file: '/ours', content: '{{join (pluck odd.hosts "name") " "}}' }] },
});

function hostsWith(path: string, hosts: string, more = '', cloud = ''): string[] {
  const plan = planOf(inventoryOf(hosts, more, cloud), roles);
  return [...plan.nodes.values()].flatMap((node) => (node.kind === 'step' && node.name === path ? [node.host] : []));
}

it.each([
  [1, ['sto1']],
  [2, ['sto1']],
  [4, ['sto1', 'sto2', 'sto3']],
  [6, ['sto1', 'sto2', 'sto3', 'sto4', 'sto5']],
])('of %i hosts an odd number is chosen', (count, chosen) => {
  expect(hostsWith('/odd', storage(count))).toEqual(chosen);
  expect(hostsWith('/beside', storage(count))).toEqual(chosen);
});

it('of each zone in turn', () => {
  const zones = ['a', 'a', 'b', 'b', 'c']
    .map((zone, i) => `  sto${i + 1}: {address: 10.77.0.3${i}, kind: storage, zone: ${zone}}\n`)
    .join('');
  expect(hostsWith('/odd', controller + zones, 'params: {odd: {hosts: 3}}\n')).toEqual(['sto1', 'sto3', 'sto5']);
});

it('or where the inventory says', () => {
  expect(hostsWith('/odd', storage(4), 'kinds: {storage: {params: {odd: {hosts: [sto4]}}}}\n')).toEqual(['sto4']);
  expect(hostsWith('/odd', storage(4), 'params: {odd: {hosts: 1}}\n')).toEqual(['sto1']);
});

it('a role of another storage back end is no part of the cloud', () => {
  expect(hostsWith('/ours', storage(1))).toEqual(['sto1']);
  expect(hostsWith('/ours', storage(1), '', ', storage: file')).toEqual([]);
});

it('what is needed of another storage back end is not needed', () => {
  const both = rolesOf({
    disks: { on: ['storage'], storage: 'ceph', params: { size: { type: 'integer', default: 3 } }, steps: [{ file: '/disks' }] },
    image: {
      on: ['controller'],
      needs: ['disks'],
      steps: [{ file: '/image', content: '{{#if (eq cloud.storage "ceph")}}{{disks.size}}{{else}}files{{/if}}' }],
    },
  });
  const withDisks = planOf(inventoryOf(storage(1)), both);
  expect(step(withDisks, 'ctl1/image/file /image').params).toMatchObject({ content: '3' });
  expect(needs(withDisks, 'ctl1/image/file /image')).toEqual(['disks ready: needs disks']);
  const without = planOf(inventoryOf(controller), both);
  expect(step(without, 'ctl1/image/file /image').params).toMatchObject({ content: 'files' });
  expect(needs(without, 'ctl1/image/file /image')).toEqual([]);
});

it('reading a role is not waiting for it', () => {
  const plan = planOf(inventoryOf(storage(3)), roles);
  expect(step(plan, 'sto2/ours/file /ours').params).toMatchObject({ content: 'sto1 sto2 sto3' });
  expect(needs(plan, 'sto2/ours/file /ours')).toEqual([]);
});

it('what leaves is known to templates', () => {
  const leaving = rolesOf({ r: { on: ['storage'], steps: [{ file: '/f', content: '{{json leaving.hosts}} {{json leaving.disks}}' }] } });
  const hosts = `${controller}  sto1: {address: 10.77.0.31, kind: storage, disks: [/dev/sdb, {device: /dev/sdc, state: absent}]}
  sto2: {address: 10.77.0.32, kind: storage, disks: [/dev/sdb], state: absent}\n`;
  const { params } = step(planOf(inventoryOf(hosts), leaving), 'sto1/r/file /f');
  expect(params).toMatchObject({ content: '["sto2"] [{"host":"sto1","device":"/dev/sdc"}]' });
});

it('a service may watch what a role that it needs keeps', () => {
  const plan = planOf(
    inventoryOf(controller),
    rolesOf({
      conf: { on: ['controller'], scope: 'host', steps: [{ file: '/etc/conf' }] },
      daemon: { on: ['controller'], needs: ['conf'], steps: [{ service: 'd', watches: ['/etc/conf'] }] },
    }),
  );
  expect(step(plan, 'ctl1/daemon/service d').watches).toEqual([{ step: 'ctl1/conf/file /etc/conf', name: '/etc/conf' }]);
});

it('compute hosts that leave carry the roles of leaving alone, and it is known where their machines can go', () => {
  const leave = rolesOf({
    drain: { steps: [{ file: '/drain', content: '{{json (pluck leaving.compute "name")}}' }, { 'compute-drain': '{{leaving.compute}}' }] },
    works: { on: ['compute'], steps: [{ file: '/works' }] },
    stops: { on: ['compute'], hosts: 'leaving', steps: [{ file: '/stops' }] },
  });
  const hosts = `${controller}  cmp[1-2]: {address: 10.77.0.21, kind: compute, cell: a}
  cmp3: {address: 10.77.0.23, kind: compute, cell: b}
  cmp4: {address: 10.77.0.24, kind: compute, cell: a, state: absent}\n`;
  const plan = planOf(inventoryOf(hosts, 'cells: {a: {}, b: {}}\n'), leave);
  const on = (path: string) => [...plan.nodes.values()].flatMap((node) => (node.kind === 'step' && node.name === path ? [node.host] : []));
  expect([on('/drain'), on('/works'), on('/stops')]).toEqual([['ctl1'], ['cmp1', 'cmp2', 'cmp3'], ['cmp4']]);
  expect(step(plan, 'ctl1/drain/compute-drain').params).toEqual({ hosts: [{ name: 'cmp4', to: ['cmp1', 'cmp2'] }] });
});

it('network hosts that leave are known to controllers, those that carry machines, too', () => {
  const leave = rolesOf({
    drain: { steps: [{ 'network-drain': '{{leaving.network}}' }, { 'network-drain': '{{leaving.network}}', delete: true }] },
  });
  const hosts = `${controller}  net[1-2]: {address: 10.77.0.41, kind: network}
  net3: {address: 10.77.0.43, kind: network, state: absent}
  net4: {address: 10.77.0.44, kind: [compute, network], state: absent}
  cmp4: {address: 10.77.0.24, kind: compute, state: absent}\n`;
  const plan = planOf(inventoryOf(hosts), leave);
  expect(step(plan, 'ctl1/drain/network-drain net3 net4').params).toEqual({ hosts: ['net3', 'net4'], delete: false });
  expect(step(plan, 'ctl1/drain/network-drain net3 net4 #2').params).toEqual({ hosts: ['net3', 'net4'], delete: true });
});

it('a role that is part of another comes along with it, and what it needs', () => {
  const parts = rolesOf({
    whole: { steps: [{ file: '/whole' }] },
    part: { part_of: 'whole', needs: ['base'], steps: [{ file: '/part' }] },
    base: { steps: [{ file: '/base' }] },
    other: { part_of: 'absent', steps: [{ file: '/other' }] },
    absent: { steps: [{ file: '/absent' }] },
  });
  const plan = planOf(inventoryOf(controller, '', ', services: [whole]'), parts);
  expect([...new Set([...plan.nodes.values()].flatMap((node) => (node.kind === 'ready' ? [node.role] : [])))].toSorted()).toEqual([
    'base',
    'part',
    'whole',
  ]);
});

it('controllers carry the roles of network hosts, until there are such hosts', () => {
  const net = rolesOf({
    api: { on: ['controller'], steps: [{ file: '/api' }] },
    routers: { on: ['network'], needs: ['switch'], steps: [{ file: '/routers' }] },
    switch: { on: ['network', 'compute'], scope: 'host', steps: [{ file: '/switch' }] },
  });
  const computes = '  cmp1: {address: 10.77.0.21, kind: compute}\n';
  const carried = (hosts: string) => {
    const plan = planOf(inventoryOf(hosts), net);
    return ['/api', '/routers', '/switch'].map((path) =>
      [...plan.nodes.values()].flatMap((node) => (node.kind === 'step' && node.name === path ? [node.host] : [])),
    );
  };
  expect(carried(controller + computes)).toEqual([['ctl1'], ['ctl1'], ['ctl1', 'cmp1']]);
  const hosts = '  net[1-2]: {address: 10.77.0.31, kind: network}\n';
  expect(carried(controller + computes + hosts)).toEqual([['ctl1'], ['net1', 'net2'], ['cmp1', 'net1', 'net2']]);
  const gone = '  net1: {address: 10.77.0.31, kind: network, state: absent}\n';
  expect(carried(controller + computes + gone)).toEqual([['ctl1'], ['ctl1'], ['ctl1', 'cmp1']]);
});

it("zones of storage hosts are Ceph's zones, where all have one", () => {
  const shipped = readRoles(join(import.meta.dirname, '../../roles')).roles;
  const wanted = (...zones: readonly string[]) => {
    const hosts = zones.map((zone, i) => `  sto${i + 1}: {address: 10.77.0.3${i}, kind: storage, disks: [/dev/sdb]${zone}}\n`);
    const { resource, params } = step(planOf(inventoryOf(controller + hosts.join('')), shipped), 'sto1/ceph-osd/ceph-crush');
    return resource.desired(params);
  };
  expect(wanted('', '', '')).toEqual({});
  expect(wanted(', zone: a', ', zone: b', '')).toEqual({});
  const zones = { 'zone of sto1': 'a', 'zone of sto2': 'b' };
  expect(wanted(', zone: a', ', zone: b', ', zone: b')).toEqual({ 'copies apart by': 'host', ...zones, 'zone of sto3': 'b' });
  expect(wanted(', zone: a', ', zone: b', ', zone: c')).toEqual({ 'copies apart by': 'zone', ...zones, 'zone of sto3': 'c' });
});

it('tunnels need the kernel’s help where there is somebody to tunnel to', () => {
  const shipped = readRoles(join(import.meta.dirname, '../../roles')).roles;
  const required = (hosts: string): unknown => {
    const plan = planOf(inventoryOf(hosts), shipped);
    return step(plan, 'all1/neutron-openvswitch-agent/feature-file /etc/neutron/agent.conf.d/datapath.conf').params['required'];
  };
  const one = '  all1: {address: 10.77.0.11, kind: [controller, compute]}\n';
  expect(required(one)).toBe('');
  const two = required(`${one}  cmp[1-2]: {address: 10.77.0.21, kind: compute}\n`);
  expect(two).toMatch(/^this kernel has no module for Open vSwitch, so .*: \{tunnels_in_user_space: true\}$/);
});
