// Compute and network hosts that leave, and one that stays after all.
import type { ApiCase, Exchange } from './case.ts';

const reason = 'leaves the cloud, says the inventory';
const nova = (path: string, microversion: string, status: number, body: unknown, more = {}): Exchange => [
  { service: 'compute', method: 'GET', path, microversion, ...more },
  status,
  body,
];

const one = (host: string, more = {}) => ({
  id: `id-${host}`,
  binary: 'nova-compute',
  host,
  status: 'enabled',
  state: 'up',
  zone: 'nova',
  disabled_reason: null,
  ...more,
});
const services = (...all: readonly unknown[]): Exchange => nova('/v2.1/os-services?binary=nova-compute', '2.53', 200, { services: all });

const server = (name: string, status: string, more = {}) => ({
  id: `id-${name}`,
  name,
  status,
  'OS-EXT-STS:task_state': null,
  'OS-EXT-SRV-ATTR:host': 'cmp2',
  pinned_availability_zone: null,
  image: { id: 'i' },
  flavor: { vcpus: 1, ram: 128, disk: 1, ephemeral: 0, swap: 0 },
  ...more,
});
const servers = (all: readonly unknown[], more = {}): Exchange =>
  nova('/v2.1/servers/detail?all_tenants=true&host=cmp2', '2.96', 200, all, { list: 'servers', ...more });
const moves = (...migrations: readonly unknown[]): Exchange => nova('/v2.1/os-migrations?source_compute=cmp2', '2.59', 200, { migrations });
const move = (name: string, status: string, migration_type = 'migration') => ({
  uuid: `m-${name}`,
  instance_uuid: `id-${name}`,
  status,
  migration_type,
});
const asked = (name: string, status: number, body: unknown): Exchange => nova(`/v2.1/servers/id-${name}`, '2.96', status, body);
const act = (name: string, body: unknown): Exchange => [
  { service: 'compute', method: 'POST', path: `/v2.1/servers/id-${name}/action`, microversion: '2.56', body },
  202,
];
const rooms = (...hosts: readonly string[]): Exchange =>
  nova(
    '/v2.1/os-hypervisors/detail',
    '2.88',
    200,
    hosts.map((host) => ({ id: `rp-${host}`, service: { host } })),
    { list: 'hypervisors' },
  );
const placement = (path: string, body: unknown): Exchange => [
  { service: 'placement', method: 'GET', path, microversion: '1.36' },
  200,
  body,
];
const room = (host: string, memory: number, used = 0): readonly Exchange[] => [
  placement(`/resource_providers/rp-${host}/inventories`, {
    inventories: {
      VCPU: { total: 2, reserved: 0, allocation_ratio: 4 },
      MEMORY_MB: { total: memory + 256, reserved: 256, allocation_ratio: 1 },
    },
  }),
  placement(`/resource_providers/rp-${host}/usages`, { usages: { VCPU: 0, MEMORY_MB: used } }),
];
const cmp2 = { hosts: [{ name: 'cmp2', to: ['cmp1'] }] };
const closed = { status: 'disabled', disabled_reason: reason };
/** web is another host's already, and cmp2 is not done with it. */
const lingering = (more = {}): readonly Exchange[] => [
  servers([], more),
  moves(move('web', 'running', 'live-migration')),
  asked('web', 200, { server: server('web', 'ACTIVE') }),
];
const again = { wait: 2, says: 'moving web (ACTIVE)' };
const known = services(one('cmp2', closed));

export const leaving: readonly ApiCase[] = [
  { type: 'compute-drain', is: 'nobody leaves: nothing is asked', params: { hosts: [] }, look: [], found: {}, differs: null },
  {
    type: 'compute-drain',
    is: 'closed and empty',
    params: cmp2,
    look: [services(one('cmp1'), one('cmp2', closed)), servers([]), moves(move('old', 'confirmed'))],
    found: { cmp2: 'empty' },
    differs: null,
  },
  {
    type: 'compute-drain',
    is: 'not there any more',
    params: cmp2,
    look: [services(one('cmp1')), servers([]), moves()],
    found: { cmp2: 'empty' },
    differs: null,
  },
  {
    type: 'compute-drain',
    is: 'empty, and open for machines',
    params: cmp2,
    look: [services(one('cmp1'), one('cmp2')), servers([]), moves()],
    found: { cmp2: 'open for machines' },
    differs: ['cmp2'],
    apply: [
      services(one('cmp1'), one('cmp2')),
      [
        {
          service: 'compute',
          method: 'PUT',
          path: '/v2.1/os-services/id-cmp2',
          microversion: '2.53',
          body: { status: 'disabled', disabled_reason: reason },
        },
        200,
      ],
      servers([]),
      moves(),
    ],
  },
  {
    type: 'compute-drain',
    is: 'one machine runs and one is stopped; the stopped one is somewhere else before its move is confirmed',
    params: cmp2,
    look: [
      services(one('cmp1'), one('cmp2', closed)),
      servers([server('web', 'ACTIVE'), server('db', 'SHUTOFF')]),
      moves(),
      rooms('cmp1', 'cmp2'),
      ...room('cmp1', 256),
    ],
    found: { cmp2: ['web (ACTIVE)', 'db (SHUTOFF)'] },
    differs: ['cmp2'],
    apply: [
      services(one('cmp1'), one('cmp2', closed)),
      servers([server('web', 'ACTIVE'), server('db', 'SHUTOFF')]),
      moves(),
      act('web', { 'os-migrateLive': { host: null, block_migration: 'auto' } }),
      act('db', { migrate: null }),
      servers([server('web', 'MIGRATING', { 'OS-EXT-STS:task_state': 'migrating' })], {
        wait: 2,
        says: 'moving web (ACTIVE), db (SHUTOFF)',
      }),
      moves(move('db', 'finished'), move('web', 'running', 'live-migration')),
      asked('db', 200, { server: server('db', 'VERIFY_RESIZE') }),
      act('db', { confirmResize: null }),
      servers([], { wait: 2, says: 'moving web (MIGRATING), db (VERIFY_RESIZE)' }),
      moves(move('db', 'confirming')),
      asked('db', 404, {}),
    ],
  },
  {
    type: 'compute-drain',
    is: 'a machine runs elsewhere before its old host is done with it',
    params: cmp2,
    look: [known, ...lingering(), rooms()],
    found: { cmp2: ['web (ACTIVE)'] },
    differs: ['cmp2'],
    apply: [known, ...lingering(), servers([], again), moves(move('web', 'completed', 'live-migration'))],
  },
  {
    type: 'compute-drain',
    is: 'a machine runs elsewhere, and its old host never told Nova',
    params: cmp2,
    look: [known, ...lingering(), rooms()],
    found: { cmp2: ['web (ACTIVE)'] },
    differs: ['cmp2'],
    apply: [known, ...lingering(), ...Array.from({ length: 150 }, () => lingering(again)).flat()],
    throws: 'Machines stayed: web: it has left cmp2, whose nova-compute ended before it had told Nova so',
  },
  {
    type: 'compute-drain',
    is: 'two machines, and room for one',
    params: cmp2,
    look: [
      services(one('cmp1'), one('cmp2')),
      servers([server('web', 'ACTIVE'), server('db', 'ACTIVE')]),
      moves(),
      rooms('cmp1', 'cmp2'),
      ...room('cmp1', 300, 100),
      ...room('cmp2', 4000),
    ],
    found: {
      cmp2: ['web (ACTIVE)', 'db (ACTIVE)'],
      obstacle: 'machines cannot leave: db on cmp2 fits nowhere: it needs 1 VCPU, 128 MiB, 1 GiB of disk, and cmp1 has 7 VCPU, 72 MiB',
    },
    differs: ['cmp2'],
    refuses: 'db on cmp2 fits nowhere',
  },
  {
    type: 'compute-drain',
    is: 'machines that no migration takes, and the only other host is down',
    params: cmp2,
    look: [
      services(one('cmp1', { state: 'down' }), one('cmp2', closed)),
      servers([server('ill', 'ERROR'), server('web', 'ACTIVE', { pinned_availability_zone: 'a' })]),
      moves(move('big', 'finished', 'resize')),
      asked('big', 200, { server: server('big', 'VERIFY_RESIZE') }),
      rooms(),
    ],
    found: {
      cmp2: ['ill (ERROR)', 'web (ACTIVE)', 'big (VERIFY_RESIZE)'],
      obstacle:
        'machines cannot leave: ill on cmp2 is ERROR: start it, stop it or delete it first; big is being resized away from cmp2: confirm or revert that first; web on cmp2 fits nowhere: no other compute host of its cell and of the zone a is up and takes machines',
    },
    differs: ['cmp2'],
    refuses: 'ill on cmp2 is ERROR',
  },
  {
    type: 'compute-drain',
    is: 'an API in trouble',
    params: cmp2,
    look: [nova('/v2.1/os-services?binary=nova-compute', '2.53', 503, '')],
    found: { unknown: 'Nova answered 503' },
  },

  ...goneCases(),
  ...networkCases(),

  {
    type: 'compute-back',
    is: 'closed because it was to leave',
    params: { host: 'cmp2' },
    look: [services(one('cmp2', closed))],
    found: { leaving: true },
    differs: ['leaving'],
    apply: [
      services(one('cmp2', closed)),
      [{ service: 'compute', method: 'PUT', path: '/v2.1/os-services/id-cmp2', microversion: '2.53', body: { status: 'enabled' } }, 200],
    ],
  },
  {
    type: 'compute-back',
    is: 'closed by somebody else',
    params: { host: 'cmp2' },
    look: [services(one('cmp2', { status: 'disabled', disabled_reason: 'a fan is broken' }))],
    found: { leaving: false },
    differs: null,
  },
  {
    type: 'compute-back',
    is: 'not there',
    params: { host: 'cmp2' },
    look: [services(one('cmp1'))],
    found: null,
    differs: ['leaving'],
  },
  {
    type: 'compute-back',
    is: 'an API in trouble',
    params: { host: 'cmp2' },
    look: [nova('/v2.1/os-services?binary=nova-compute', '2.53', 500, '')],
    found: { unknown: 'Nova answered 500' },
  },
];

function goneCases(): readonly ApiCase[] {
  const agent = { id: 'a1', binary: 'neutron-openvswitch-agent', alive: false };
  const traces = (services: readonly unknown[], agents: readonly unknown[], names: readonly string[], more = {}): readonly Exchange[] => [
    nova('/v2.1/os-services?binary=nova-compute&host=cmp2', '2.53', 200, { services }, more),
    [{ service: 'network', method: 'GET', path: '/v2.0/agents?host=cmp2' }, 200, { agents }],
    placement('/resource_providers', { resource_providers: names.map((name) => ({ uuid: `rp-${name}`, name })) }),
  ];
  const gone = (service: string, path: string, microversion?: string): Exchange => [
    { service, method: 'DELETE', path, ...(microversion === undefined ? {} : { microversion }) },
    204,
  ];
  const [up, down] = [one('cmp2'), one('cmp2', { state: 'down' })];
  const waits = { wait: 5, says: 'waiting until Nova and Neutron hear nothing of cmp2 any more' };
  const params = { hosts: [{ name: 'cmp2', to: [] }] };
  return [
    { type: 'compute-gone', is: 'nobody leaves: nothing is asked', params: { hosts: [] }, look: [], found: {}, differs: null },
    { type: 'compute-gone', is: 'gone', params, look: traces([], [], ['cmp1', 'cmp20']), found: { cmp2: 'gone' }, differs: null },
    {
      type: 'compute-gone',
      is: 'stopped a moment ago',
      params,
      look: traces([up], [agent], ['cmp1', 'cmp2.flt.example']),
      found: { cmp2: 'nova-compute, neutron-openvswitch-agent, resource provider' },
      differs: ['cmp2'],
      apply: [
        ...traces([up], [agent], ['cmp2.flt.example']),
        ...traces([down], [agent], ['cmp2.flt.example'], waits),
        ...traces([down], [agent], ['cmp2.flt.example']),
        gone('compute', '/v2.1/os-services/id-cmp2', '2.53'),
        gone('network', '/v2.0/agents/a1'),
        ...traces([], [], ['cmp2.flt.example']),
        gone('placement', '/resource_providers/rp-cmp2.flt.example', '1.36'),
      ],
    },
    {
      type: 'compute-gone',
      is: 'an API in trouble',
      params,
      look: [nova('/v2.1/os-services?binary=nova-compute&host=cmp2', '2.53', 502, '')],
      found: { unknown: 'Nova answered 502' },
    },
  ];
}

function networkCases(): readonly ApiCase[] {
  const neutron = (method: 'GET' | 'POST' | 'DELETE', path: string, status: number, body?: unknown, more = {}): Exchange => [
    { service: 'network', method, path: `/v2.0/${path}`, ...more },
    status,
    body,
  ];
  const agent = (kind: string, host: string, more = {}) => ({
    ...{ id: `${kind}-${host}`, binary: `neutron-${kind}-agent`, host, alive: true, admin_state_up: true },
    ...more,
  });
  const agents = (all: readonly unknown[], more = {}): Exchange => neutron('GET', 'agents', 200, { agents: all }, more);
  const routers = (...names: readonly string[]): Exchange =>
    neutron('GET', 'agents/l3-net1/l3-routers', 200, { routers: names.map((name) => ({ id: `id-${name}`, name })) });
  const networks = (...names: readonly string[]): Exchange =>
    neutron('GET', 'agents/dhcp-net1/dhcp-networks', 200, { networks: names.map((name) => ({ id: `id-${name}`, name })) });
  const kinds = ['l3', 'dhcp', 'openvswitch'];
  const [net1, net2, net3] = ['net1', 'net2', 'net3'].map((host) => kinds.map((kind) => agent(kind, host)));
  const silent = kinds.map((kind) => agent(kind, 'net1', { alive: false }));
  const params = { hosts: ['net1'] };
  return [
    { type: 'network-drain', is: 'nobody leaves: nothing is asked', params: { hosts: [] }, look: [], found: {}, differs: null },
    {
      type: 'network-drain',
      is: 'empty',
      params,
      look: [agents([...net1!, ...net2!]), routers(), networks()],
      found: { net1: 'empty' },
      differs: null,
    },
    {
      type: 'network-drain',
      is: 'two routers and a network that has a second DHCP server already, with two hosts to go to',
      params,
      look: [agents([...net1!, ...net2!, ...net3!]), routers('edge', 'other'), networks('inner')],
      found: { net1: ['network inner', 'router edge', 'router other'] },
      differs: ['net1'],
      apply: [
        agents([...net1!, ...net2!, ...net3!]),
        routers('edge', 'other'),
        networks('inner'),
        neutron('GET', 'routers/id-edge/l3-agents', 200, { agents: [{ id: 'l3-net1' }] }),
        neutron('DELETE', 'agents/l3-net1/l3-routers/id-edge', 204),
        neutron('POST', 'agents/l3-net2/l3-routers', 201, {}, { body: { router_id: 'id-edge' } }),
        neutron('GET', 'routers/id-other/l3-agents', 200, { agents: [{ id: 'l3-net1' }] }),
        neutron('DELETE', 'agents/l3-net1/l3-routers/id-other', 204),
        neutron('POST', 'agents/l3-net3/l3-routers', 201, {}, { body: { router_id: 'id-other' } }),
        neutron('GET', 'networks/id-inner/dhcp-agents', 200, { agents: [{ id: 'dhcp-net1' }, { id: 'dhcp-net2' }] }),
        neutron('DELETE', 'agents/dhcp-net1/dhcp-networks/id-inner', 204),
        neutron('POST', 'agents/dhcp-net3/dhcp-networks', 201, {}, { body: { network_id: 'id-inner' } }),
      ],
    },
    {
      type: 'network-drain',
      is: 'a router, and nobody else who runs and is open: one is dead, one is closed',
      params,
      look: [
        agents([...net1!, agent('l3', 'net2', { alive: false }), agent('l3', 'net3', { admin_state_up: false }), agent('dhcp', 'net3')]),
        routers('edge'),
        networks('inner'),
      ],
      found: {
        net1: ['network inner', 'router edge'],
        obstacle: 'nobody can take over from net1: no other host runs neutron-l3-agent yet',
      },
      differs: ['net1'],
      refuses: 'nobody can take over from net1',
    },
    {
      type: 'network-drain',
      is: 'one that was stopped a moment ago is deleted, once what it was given meanwhile is elsewhere',
      params: { ...params, delete: true },
      look: [agents([...net1!, ...net2!]), routers('late'), networks()],
      found: { net1: 'neutron-l3-agent, neutron-dhcp-agent, neutron-openvswitch-agent' },
      differs: ['net1'],
      apply: [
        agents([...net1!, ...net2!]),
        agents([...silent, ...net2!], { wait: 5, says: 'waiting until Neutron hears nothing of net1 any more' }),
        agents([...silent, ...net2!]),
        routers('late'),
        networks(),
        neutron('GET', 'routers/id-late/l3-agents', 200, { agents: [{ id: 'l3-net1' }] }),
        neutron('DELETE', 'agents/l3-net1/l3-routers/id-late', 204),
        neutron('POST', 'agents/l3-net2/l3-routers', 201, {}, { body: { router_id: 'id-late' } }),
        ...kinds.map((kind) => neutron('DELETE', `agents/${kind}-net1`, 204)),
      ],
    },
    {
      type: 'network-drain',
      is: 'deleted',
      params: { ...params, delete: true },
      look: [agents(net2!)],
      found: { net1: 'gone' },
      differs: null,
    },
    {
      type: 'network-drain',
      is: 'an API in trouble',
      params,
      look: [neutron('GET', 'agents', 503, '')],
      found: { unknown: 'Neutron answered 503' },
    },
  ];
}
