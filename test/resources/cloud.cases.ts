// Step types behind Glance, Nova, Neutron and Cinder.
import type { ApiCase, Exchange } from './case.ts';

const find = (service: string, path: string, list: string, where: Record<string, string>, items: readonly unknown[] | number): Exchange => [
  { service, method: 'GET', path, list, where },
  typeof items === 'number' ? items : 200,
  typeof items === 'number' ? { error: { message: 'in trouble' } } : items,
];
const project = (id: string | undefined, name = 'admin'): Exchange =>
  find('identity', '/v3/projects', 'projects', { domain_id: 'default', name }, id === undefined ? [] : [{ id, name }]);

const flavors = (items: readonly unknown[] | number): Exchange => [
  {
    service: 'compute',
    method: 'GET',
    path: '/v2.1/flavors/detail?is_public=None',
    microversion: '2.61',
    list: 'flavors',
    where: { name: 'm1' },
  },
  typeof items === 'number' ? items : 200,
  items,
];
const m1 = {
  id: 'f1',
  name: 'm1',
  vcpus: 1,
  ram: 128,
  disk: 1,
  'OS-FLV-EXT-DATA:ephemeral': 0,
  swap: '',
  'os-flavor-access:is_public': true,
  extra_specs: { a: '1', b: '2' },
};
const m1State = { vcpus: 1, ram: 128, disk: 1, ephemeral: 0, swap: 0, public: true, extra_specs: { a: '1', b: '2' } };
const m1Params = { flavor: 'm1', vcpus: 1, ram: 128, disk: 1 };

const networks = (items: readonly unknown[] | number): Exchange =>
  find('network', '/v2.0/networks', 'networks', { project_id: 'p1', name: 'net' }, items);
const net = {
  id: 'n1',
  project_id: 'p1',
  name: 'net',
  admin_state_up: true,
  description: '',
  mtu: 1450,
  shared: false,
  'router:external': false,
  port_security_enabled: true,
  'provider:network_type': 'vxlan',
  'provider:physical_network': null,
  'provider:segmentation_id': 7,
};
const netState = {
  enabled: true,
  description: '',
  mtu: 1450,
  shared: false,
  external: false,
  port_security: true,
  network_type: 'vxlan',
  physical_network: null,
  segmentation_id: 7,
};

const subnets = (items: readonly unknown[] | number): Exchange =>
  find('network', '/v2.0/subnets', 'subnets', { network_id: 'n1', name: 'sub' }, items);
const sub = {
  id: 's1',
  project_id: 'p1',
  cidr: '10.0.0.0/24',
  gateway_ip: null,
  enable_dhcp: true,
  allocation_pools: [{ start: '10.0.0.1', end: '10.0.0.9' }],
  dns_nameservers: [],
  host_routes: [],
  ipv6_address_mode: null,
};
const subState = {
  project: 'admin',
  cidr: '10.0.0.0/24',
  dhcp: true,
  gateway: 'none',
  pools: ['10.0.0.1-10.0.0.9'],
  dns: [],
  routes: {},
  ipv6_mode: null,
};

const routers = (items: readonly unknown[] | number): Exchange =>
  find('network', '/v2.0/routers', 'routers', { project_id: 'p1', name: 'edge' }, items);
const edge = { id: 'r1', name: 'edge', admin_state_up: true, external_gateway_info: null, routes: [] };
const ports = (items: readonly unknown[]): Exchange =>
  find(
    'network',
    '/v2.0/ports?device_owner=network:router_interface&device_owner=network:router_interface_distributed&device_owner=network:ha_router_replicated_interface',
    'ports',
    { device_id: 'r1' },
    items,
  );
const joining = { router: 'edge', interfaces: [{ subnet: 'sub', network: 'net' }] };

const groups = (items: readonly unknown[] | number, name = 'web'): Exchange =>
  find('network', '/v2.0/security-groups', 'security_groups', { project_id: 'p1', name }, items);
const rule = (id: string, port: number, more = {}) => ({
  id,
  direction: 'ingress',
  ethertype: 'IPv4',
  protocol: 'tcp',
  port_range_min: port,
  port_range_max: port,
  remote_ip_prefix: null,
  remote_group_id: null,
  ...more,
});
const web = { id: 'g1', name: 'web', description: '', security_group_rules: [rule('x1', 22), rule('x2', 80)] };

const user = (id: string | undefined): Exchange =>
  find('identity', '/v3/users', 'users', { domain_id: 'default', name: 'alice' }, id === undefined ? [] : [{ id }]);
const pairs = (items: readonly unknown[] | number): Exchange => [
  { service: 'compute', method: 'GET', path: '/v2.1/os-keypairs?user_id=u1', microversion: '2.35', list: 'keypairs' },
  typeof items === 'number' ? items : 200,
  items,
];
const keyParams = { keypair: 'k', user: 'alice', public_key: 'ssh-ed25519 AAAA alice@laptop' };

const images = (items: readonly unknown[] | number, hidden = false): Exchange =>
  find('image', `/v2/images?limit=1000&visibility=all&os_hidden=${hidden}`, 'images', { owner: 'p1', name: 'deb' }, items);
const deb = {
  id: 'i1',
  status: 'active',
  os_hash_algo: 'sha512',
  os_hash_value: 'ab',
  visibility: 'public',
  disk_format: 'qcow2',
  min_disk: 0,
  min_ram: 0,
  os_hidden: false,
  protected: false,
  cellwise_source: 'tiny',
  x: 'y',
};
const debState = { data: 'tiny', visibility: 'public', format: 'qcow2', min_disk: 0, min_ram: 0, hidden: false, protected: false };
const debParams = { image: 'deb', build: 'make', source: 'tiny' };
const sending: Exchange = [
  {
    service: 'image',
    method: 'PUT',
    path: '/v2/images/i1/file',
    data: { command: { script: 'make' }, result: 'image' },
  },
  204,
];

export const cloud: readonly ApiCase[] = [
  {
    type: 'flavor',
    is: 'absent',
    params: { ...m1Params, extra_specs: { a: '1' } },
    look: [flavors([])],
    found: null,
    differs: ['vcpus', 'ram', 'disk', 'ephemeral', 'swap', 'public', 'extra_specs'],
    apply: [
      flavors([]),
      [
        {
          service: 'compute',
          method: 'POST',
          path: '/v2.1/flavors',
          body: {
            flavor: {
              name: 'm1',
              vcpus: 1,
              ram: 128,
              disk: 1,
              'OS-FLV-EXT-DATA:ephemeral': 0,
              swap: 0,
              'os-flavor-access:is_public': true,
            },
          },
        },
        200,
        { flavor: { id: 'f1' } },
      ],
      [{ service: 'compute', method: 'POST', path: '/v2.1/flavors/f1/os-extra_specs', body: { extra_specs: { a: '1' } } }, 200, {}],
    ],
  },
  { type: 'flavor', is: 'the same', params: m1Params, look: [flavors([m1])], found: m1State, differs: null },
  {
    type: 'flavor',
    is: 'another extra spec, one too many',
    params: { ...m1Params, extra_specs: { a: '3' } },
    look: [flavors([m1])],
    found: m1State,
    differs: ['extra_specs'],
    apply: [
      flavors([m1]),
      [{ service: 'compute', method: 'POST', path: '/v2.1/flavors/f1/os-extra_specs', body: { extra_specs: { a: '3' } } }, 200, {}],
      [{ service: 'compute', method: 'DELETE', path: '/v2.1/flavors/f1/os-extra_specs/b' }, 200, {}],
    ],
  },
  {
    type: 'flavor',
    is: 'larger, which cannot be',
    params: { ...m1Params, ram: 256 },
    look: [flavors([m1])],
    found: m1State,
    differs: ['ram'],
    refuses: 'Nova cannot change ram of a flavor',
  },
  {
    type: 'flavor',
    is: 'there, and must not be',
    params: { ...m1Params, absent: true },
    look: [flavors([m1])],
    found: m1State,
    differs: Object.keys(m1State),
    apply: [flavors([m1]), [{ service: 'compute', method: 'DELETE', path: '/v2.1/flavors/f1' }, 202]],
  },
  {
    type: 'flavor',
    is: 'an API in trouble',
    params: m1Params,
    look: [flavors(503)],
    found: { unknown: 'Nova answered 503: 503' },
  },

  {
    type: 'network',
    is: 'absent',
    params: { network: 'net', shared: true },
    look: [project('p1'), networks([])],
    found: null,
    differs: ['enabled', 'shared', 'external', 'port_security'],
    apply: [
      project('p1'),
      networks([]),
      [
        {
          service: 'network',
          method: 'POST',
          path: '/v2.0/networks',
          body: {
            network: {
              name: 'net',
              project_id: 'p1',
              admin_state_up: true,
              shared: true,
              'router:external': false,
              port_security_enabled: true,
            },
          },
        },
        201,
        {},
      ],
    ],
  },
  {
    type: 'network',
    is: 'of a project that is not there',
    params: { network: 'net' },
    look: [project(undefined)],
    found: null,
    differs: ['enabled', 'shared', 'external', 'port_security'],
  },
  { type: 'network', is: 'the same', params: { network: 'net' }, look: [project('p1'), networks([net])], found: netState, differs: null },
  {
    type: 'network',
    is: 'another MTU',
    params: { network: 'net', mtu: 1400 },
    look: [project('p1'), networks([net])],
    found: netState,
    differs: ['mtu'],
    apply: [
      project('p1'),
      networks([net]),
      [{ service: 'network', method: 'PUT', path: '/v2.0/networks/n1', body: { network: { admin_state_up: true, mtu: 1400 } } }, 200, {}],
    ],
  },
  {
    type: 'network',
    is: 'another VLAN, which cannot be',
    params: { network: 'net', segmentation_id: 8 },
    look: [project('p1'), networks([net])],
    found: netState,
    differs: ['segmentation_id'],
    refuses: 'segmentation_id of a network cannot change',
  },
  {
    type: 'network',
    is: 'there twice',
    params: { network: 'net' },
    look: [project('p1'), networks([net, { ...net, id: 'n2' }])],
    found: { unknown: 'There are 2 of the network net in its project, and names tell them apart: n1, n2' },
  },
  {
    type: 'network',
    is: 'an API in trouble',
    params: { network: 'net' },
    look: [project('p1'), networks(500)],
    found: { unknown: 'Neutron answered 500: in trouble' },
  },

  {
    type: 'subnet',
    is: 'absent',
    params: { subnet: 'sub', network: 'net', cidr: '10.0.0.0/24', gateway: 'none', pools: ['10.0.0.1-10.0.0.9'] },
    look: [project('p1'), networks([net]), subnets([])],
    found: null,
    differs: ['project', 'cidr', 'dhcp', 'gateway', 'pools'],
    apply: [
      project('p1'),
      networks([net]),
      subnets([]),
      [
        {
          service: 'network',
          method: 'POST',
          path: '/v2.0/subnets',
          body: {
            subnet: {
              name: 'sub',
              network_id: 'n1',
              project_id: 'p1',
              cidr: '10.0.0.0/24',
              ip_version: 4,
              enable_dhcp: true,
              gateway_ip: null,
              allocation_pools: [{ start: '10.0.0.1', end: '10.0.0.9' }],
            },
          },
        },
        201,
        {},
      ],
    ],
  },
  {
    type: 'subnet',
    is: 'the same',
    params: { subnet: 'sub', network: 'net', cidr: '10.0.0.0/24' },
    look: [project('p1'), networks([net]), subnets([sub])],
    found: subState,
    differs: null,
  },
  {
    type: 'subnet',
    is: 'other name servers',
    params: { subnet: 'sub', network: 'net', cidr: '10.0.0.0/24', dns: ['10.0.0.2'] },
    look: [project('p1'), networks([net]), subnets([sub])],
    found: subState,
    differs: ['dns'],
    apply: [
      project('p1'),
      networks([net]),
      subnets([sub]),
      [{ service: 'network', method: 'PUT', path: '/v2.0/subnets/s1', body: { subnet: { dns_nameservers: ['10.0.0.2'] } } }, 200, {}],
    ],
  },
  {
    type: 'subnet',
    is: 'of a project that does not have its network',
    params: { subnet: 'sub', network: 'net', cidr: '10.0.0.0/24' },
    look: [project('p1'), networks([net]), subnets([{ ...sub, project_id: 'p2' }])],
    found: { ...subState, project: 'p2' },
    differs: ['project'],
    refuses: 'Neutron cannot change project of a subnet',
  },
  {
    type: 'subnet',
    is: 'an API in trouble',
    params: { subnet: 'sub', network: 'net', cidr: '10.0.0.0/24' },
    look: [project('p1'), networks(503)],
    found: { unknown: 'Neutron answered 503: in trouble' },
  },

  {
    type: 'router',
    is: 'absent',
    params: joining,
    look: [project('p1'), routers([])],
    found: null,
    differs: ['enabled', 'interface net/sub'],
    apply: [
      project('p1'),
      routers([]),
      [
        {
          service: 'network',
          method: 'POST',
          path: '/v2.0/routers',
          body: { router: { name: 'edge', project_id: 'p1', admin_state_up: true } },
        },
        201,
        { router: edge },
      ],
      project('p1'),
      networks([net]),
      subnets([sub]),
      [{ service: 'network', method: 'PUT', path: '/v2.0/routers/r1/add_router_interface', body: { subnet_id: 's1' } }, 200, {}],
    ],
  },
  {
    type: 'router',
    is: 'the same',
    params: joining,
    look: [project('p1'), routers([edge]), ports([{ fixed_ips: [{ subnet_id: 's1' }] }]), project('p1'), networks([net]), subnets([sub])],
    found: { enabled: true, gateway: null, snat: null, 'interface net/sub': true, routes: {} },
    differs: null,
  },
  {
    type: 'router',
    is: 'without its gateway',
    params: { router: 'edge', gateway: { network: 'net' } },
    look: [project('p1'), routers([edge]), ports([])],
    found: { enabled: true, gateway: null, snat: null, routes: {} },
    differs: ['gateway', 'snat'],
    apply: [
      project('p1'),
      project('p1'),
      networks([net]),
      routers([edge]),
      [
        {
          service: 'network',
          method: 'PUT',
          path: '/v2.0/routers/r1',
          body: { router: { admin_state_up: true, external_gateway_info: { network_id: 'n1', enable_snat: true } } },
        },
        200,
        {},
      ],
    ],
  },
  {
    type: 'router',
    is: 'an API in trouble',
    params: joining,
    look: [project('p1'), routers(503)],
    found: { unknown: 'Neutron answered 503: in trouble' },
  },

  {
    type: 'security-group',
    is: 'absent',
    params: { 'security-group': 'web', ingress: [{ protocol: 'tcp', ports: '8000-8010', cidr: 'fd00::/8' }] },
    look: [project('p1'), groups([])],
    found: null,
    differs: ['there', 'ingress'],
    apply: [
      project('p1'),
      groups([]),
      [
        { service: 'network', method: 'POST', path: '/v2.0/security-groups', body: { security_group: { name: 'web', project_id: 'p1' } } },
        201,
        { security_group: { ...web, security_group_rules: [] } },
      ],
      [
        {
          service: 'network',
          method: 'POST',
          path: '/v2.0/security-group-rules',
          body: {
            security_group_rule: {
              security_group_id: 'g1',
              direction: 'ingress',
              ethertype: 'IPv6',
              protocol: 'tcp',
              port_range_min: 8000,
              port_range_max: 8010,
              remote_ip_prefix: 'fd00::/8',
            },
          },
        },
        201,
        {},
      ],
    ],
  },
  {
    type: 'security-group',
    is: 'the same, in another order',
    params: {
      'security-group': 'web',
      ingress: [
        { protocol: 'tcp', ports: '80-80' },
        { protocol: 'tcp', ports: 22, cidr: '0.0.0.0/0' },
      ],
    },
    look: [project('p1'), groups([web])],
    found: { there: true, description: '', ingress: ['tcp 22 0.0.0.0/0', 'tcp 80 0.0.0.0/0'], egress: [] },
    differs: null,
  },
  {
    type: 'security-group',
    is: 'one rule too many, one missing',
    params: { 'security-group': 'web', ingress: [{ protocol: 'tcp', ports: 22 }, { group: 'db' }] },
    look: [project('p1'), groups([web]), groups([{ id: 'g2' }], 'db')],
    found: { there: true, description: '', ingress: ['tcp 22 0.0.0.0/0', 'tcp 80 0.0.0.0/0'], egress: [] },
    differs: ['ingress'],
    apply: [
      project('p1'),
      groups([web]),
      groups([{ id: 'g2' }], 'db'),
      [
        {
          service: 'network',
          method: 'POST',
          path: '/v2.0/security-group-rules',
          body: {
            security_group_rule: {
              security_group_id: 'g1',
              direction: 'ingress',
              ethertype: 'IPv4',
              protocol: null,
              remote_group_id: 'g2',
            },
          },
        },
        201,
        {},
      ],
      [{ service: 'network', method: 'DELETE', path: '/v2.0/security-group-rules/x2' }, 204],
    ],
  },
  {
    type: 'security-group',
    is: 'an API in trouble',
    params: { 'security-group': 'web' },
    look: [project('p1'), groups(503)],
    found: { unknown: 'Neutron answered 503: in trouble' },
  },

  {
    type: 'keypair',
    is: 'absent',
    params: keyParams,
    look: [user('u1'), pairs([])],
    found: null,
    differs: ['public_key'],
    apply: [
      user('u1'),
      [
        {
          service: 'compute',
          method: 'POST',
          path: '/v2.1/os-keypairs',
          microversion: '2.35',
          body: { keypair: { name: 'k', public_key: keyParams.public_key, type: 'ssh', user_id: 'u1' } },
        },
        201,
        {},
      ],
    ],
  },
  {
    type: 'keypair',
    is: 'the same but for its comment',
    params: keyParams,
    look: [user('u1'), pairs([{ keypair: { name: 'k', public_key: 'ssh-ed25519 AAAA' } }])],
    found: { public_key: 'ssh-ed25519 AAAA' },
    differs: null,
  },
  {
    type: 'keypair',
    is: 'another key, which cannot be',
    params: keyParams,
    look: [user('u1'), pairs([{ keypair: { name: 'k', public_key: 'ssh-ed25519 BBBB' } }])],
    found: { public_key: 'ssh-ed25519 BBBB' },
    differs: ['public_key'],
    refuses: 'Nova cannot change the key',
  },
  {
    type: 'keypair',
    is: 'an API in trouble',
    params: keyParams,
    look: [user('u1'), pairs(503)],
    found: { unknown: 'Nova answered 503: 503' },
  },

  {
    type: 'quota',
    is: 'another, of two services',
    params: { project: 'admin', limits: { cores: 4, networks: 2, routers: 5 } },
    look: [
      project('p1'),
      [{ service: 'compute', method: 'GET', path: '/v2.1/os-quota-sets/p1' }, 200, { quota_set: { cores: 20, ram: 1 } }],
      [{ service: 'network', method: 'GET', path: '/v2.0/quotas/p1' }, 200, { quota: { network: 10, router: 5 } }],
    ],
    found: { cores: 20, networks: 10, routers: 5 },
    differs: ['cores', 'networks'],
    apply: [
      project('p1'),
      [{ service: 'compute', method: 'PUT', path: '/v2.1/os-quota-sets/p1', body: { quota_set: { cores: 4 } } }, 200, {}],
      [{ service: 'network', method: 'PUT', path: '/v2.0/quotas/p1', body: { quota: { network: 2 } } }, 200, {}],
    ],
  },
  {
    type: 'quota',
    is: 'the same',
    params: { project: 'admin', limits: { volumes: -1 } },
    look: [project('p1'), [{ service: 'volumev3', method: 'GET', path: '/v3/os-quota-sets/p1' }, 200, { quota_set: { volumes: -1 } }]],
    found: { volumes: -1 },
    differs: null,
  },
  {
    type: 'quota',
    is: 'of a project that is not there',
    params: { project: 'admin', limits: { cores: 1 } },
    look: [project(undefined)],
    found: null,
    differs: ['cores'],
  },
  {
    type: 'quota',
    is: 'an API in trouble',
    params: { project: 'admin', limits: { cores: 1 } },
    look: [
      project('p1'),
      [{ service: 'compute', method: 'GET', path: '/v2.1/os-quota-sets/p1' }, 503, '<html><b>Service  Unavailable</b></html>'],
    ],
    found: { unknown: 'Nova answered 503: Service Unavailable' },
  },

  {
    type: 'image',
    is: 'absent',
    params: { ...debParams, properties: { x: 'y' } },
    look: [project('p1'), images([]), images([], true)],
    found: null,
    differs: ['data', 'visibility', 'format', 'hidden', 'protected', 'property x'],
    apply: [
      project('p1'),
      images([]),
      images([], true),
      [
        {
          service: 'image',
          method: 'POST',
          path: '/v2/images',
          body: {
            name: 'deb',
            owner: 'p1',
            container_format: 'bare',
            cellwise_source: 'tiny',
            visibility: 'public',
            disk_format: 'qcow2',
            os_hidden: false,
            protected: false,
            x: 'y',
          },
        },
        201,
        { id: 'i1' },
      ],
      sending,
    ],
  },
  {
    type: 'image',
    is: 'the same',
    params: { ...debParams, properties: { x: 'y' } },
    look: [project('p1'), images([deb])],
    found: { ...debState, 'property x': 'y' },
    differs: null,
  },
  {
    type: 'image',
    is: 'without its data, as after a run that was cut off',
    params: debParams,
    look: [project('p1'), images([{ ...deb, status: 'queued' }])],
    found: { ...debState, data: 'none' },
    differs: ['data'],
    apply: [
      project('p1'),
      images([{ ...deb, status: 'queued' }]),
      [
        {
          service: 'image',
          method: 'PATCH',
          path: '/v2/images/i1',
          body: [{ op: 'replace', path: '/cellwise_source', value: 'tiny' }],
          contentType: 'application/openstack-images-v2.1-json-patch',
        },
        200,
        {},
      ],
      sending,
    ],
  },
  {
    type: 'image',
    is: 'a property changed, one missing',
    params: { ...debParams, properties: { x: 'z', 'a/b': 'c' } },
    look: [project('p1'), images([deb])],
    found: { ...debState, 'property x': 'y', 'property a/b': null },
    differs: ['property x', 'property a/b'],
    apply: [
      project('p1'),
      images([deb]),
      [
        {
          service: 'image',
          method: 'PATCH',
          path: '/v2/images/i1',
          body: [
            { op: 'replace', path: '/x', value: 'z' },
            { op: 'add', path: '/a~1b', value: 'c' },
          ],
          contentType: 'application/openstack-images-v2.1-json-patch',
        },
        200,
        {},
      ],
    ],
  },
  {
    type: 'image',
    is: 'made of something else, which cannot be',
    params: { ...debParams, source: 'other' },
    look: [project('p1'), images([deb])],
    found: debState,
    differs: ['data'],
    refuses: 'its data is "tiny", and Glance cannot replace it',
  },
  {
    type: 'image',
    is: 'converted, so that it is known by what it was made from',
    params: { image: 'deb', url: 'http://a/b.vhd', sha512: 'ab'.repeat(64), format: 'raw', fetched: 'vhd' },
    look: [project('p1'), images([{ ...deb, disk_format: 'raw', cellwise_source: `sha512:${'ab'.repeat(64)}` }])],
    found: { ...debState, data: `sha512:${'ab'.repeat(64)}`, format: 'raw' },
    differs: null,
  },
  {
    type: 'image',
    is: 'being sent by somebody else',
    params: debParams,
    look: [project('p1'), images([{ ...deb, status: 'saving' }])],
    found: { unknown: 'Glance says that the image is saving' },
  },
];
