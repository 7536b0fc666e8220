import type { Json, State } from '../base/state.ts';
import { defineApiResource } from './define.ts';
import { call, find, must, networkIn, type Talk } from './openstack.ts';

interface Subnet {
  readonly id: string;
  readonly project_id: string;
  readonly cidr: string;
  readonly gateway_ip: string | null;
  readonly enable_dhcp: boolean;
  readonly allocation_pools: readonly { readonly start: string; readonly end: string }[];
  readonly dns_nameservers: readonly string[];
  readonly host_routes: readonly { readonly destination: string; readonly nexthop: string }[];
  readonly ipv6_address_mode: string | null;
  readonly ipv6_ra_mode: string | null;
}

const fixed: readonly string[] = ['project', 'cidr', 'ipv6_mode'];

/** Addresses of a network. Servers may have some of them, so there is no way to remove it here. */
export const subnet = defineApiResource({
  type: 'subnet',
  summary: 'A block of addresses on a network, with what DHCP tells the servers there.',
  nameParam: 'subnet',
  identity: (p) => `${p.project}/${p.network}/${p.subnet}`,
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['subnet', 'network', 'cidr'],
    additionalProperties: false,
    properties: {
      subnet: { type: 'string', minLength: 1, maxLength: 255, description: 'Its name.' },
      network: { type: 'string', description: 'The network that it is on.' },
      project: { type: 'string', default: 'admin', description: 'The project that the network belongs to.' },
      cidr: { type: 'string', pattern: '^[0-9a-f.:]+/\\d+$', description: 'The addresses, e.g. 192.168.10.0/24.' },
      gateway: { type: 'string', description: 'The router’s address, or none. Neutron takes the first one when left out.' },
      dhcp: { type: 'boolean', default: true, description: 'Servers are told their address by DHCP.' },
      pools: {
        type: 'array',
        items: { type: 'string', pattern: '^[0-9a-f.:]+-[0-9a-f.:]+$' },
        description: 'Which addresses are given out, e.g. 192.168.10.100-192.168.10.200; all when left out.',
      },
      dns: { type: 'array', items: { type: 'string' }, description: 'Name servers, in order.' },
      routes: {
        type: 'object',
        additionalProperties: { type: 'string' },
        description: 'Routes that servers are told: destination and next hop, e.g. 10.0.0.0/8: 192.168.10.2.',
      },
      ipv6_mode: {
        type: 'string',
        enum: ['slaac', 'dhcpv6-stateful', 'dhcpv6-stateless'],
        description: 'How servers get their IPv6 address.',
      },
    },
  },
  // Servers of a project get addresses from subnets that the project sees, and others' on its network are not among these.
  desired: (p): State => ({
    project: p.project,
    cidr: p.cidr,
    dhcp: p.dhcp,
    ...(p.gateway === undefined ? {} : { gateway: p.gateway }),
    ...(p.pools ? { pools: p.pools.toSorted() } : {}),
    ...(p.dns ? { dns: p.dns } : {}),
    ...(p.routes ? { routes: p.routes } : {}),
    ...(p.ipv6_mode === undefined ? {} : { ipv6_mode: p.ipv6_mode }),
  }),
  cannot: (_, { before, differences }) => {
    const changed = differences.map(({ key }) => key).filter((key) => fixed.includes(key));
    if (!before || changed.length === 0) return undefined;
    return `Neutron cannot change ${changed.join(', ')} of a subnet: add another subnet to the network`;
  },
  *look(p) {
    const network = yield* networkIn(p.project, p.network);
    const known = network && (yield* subnetOf(network.id, p.subnet));
    if (!known) return null;
    return {
      project: known.project_id === network.project_id ? p.project : known.project_id,
      cidr: known.cidr,
      dhcp: known.enable_dhcp,
      gateway: known.gateway_ip ?? 'none',
      pools: known.allocation_pools.map(({ start, end }) => `${start}-${end}`).toSorted(),
      dns: known.dns_nameservers,
      routes: Object.fromEntries(known.host_routes.map(({ destination, nexthop }) => [destination, nexthop])),
      ipv6_mode: known.ipv6_address_mode,
    };
  },
  *apply(p, { differences }) {
    const { id: network_id, project_id } = must(yield* networkIn(p.project, p.network), `network ${p.network} in the project ${p.project}`);
    const known = yield* subnetOf(network_id, p.subnet);
    const values: Readonly<Record<string, Readonly<Record<string, Json>>>> = {
      project: { project_id },
      cidr: { cidr: p.cidr, ip_version: p.cidr.includes(':') ? 6 : 4 },
      dhcp: { enable_dhcp: p.dhcp },
      gateway: { gateway_ip: p.gateway === undefined || p.gateway === 'none' ? null : p.gateway },
      pools: { allocation_pools: (p.pools ?? []).map((pool) => ({ start: pool.split('-')[0]!, end: pool.split('-')[1]! })) },
      dns: { dns_nameservers: p.dns ?? [] },
      routes: { host_routes: Object.entries(p.routes ?? {}).map(([destination, nexthop]) => ({ destination, nexthop })) },
      ipv6_mode: p.ipv6_mode === undefined ? {} : { ipv6_address_mode: p.ipv6_mode, ipv6_ra_mode: p.ipv6_mode },
    };
    const wanted = Object.fromEntries(differences.flatMap(({ key }) => Object.entries(values[key] ?? {})));
    yield* known
      ? call({ service: 'network', method: 'PUT', path: `/v2.0/subnets/${known.id}`, body: { subnet: wanted } })
      : call({ service: 'network', method: 'POST', path: '/v2.0/subnets', body: { subnet: { name: p.subnet, network_id, ...wanted } } });
  },
});

function* subnetOf(network_id: string, name: string): Talk<Subnet | undefined> {
  return yield* find<Subnet>(
    { service: 'network', path: '/v2.0/subnets', list: 'subnets', where: { network_id, name } },
    `the subnet ${name} on its network`,
  );
}
