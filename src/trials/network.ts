import { ask, defineTrial, until } from './define.ts';

interface Subnet {
  readonly id: string;
  readonly gateway_ip: string;
}

export const network = defineTrial({
  type: 'network',
  summary: 'A user makes a network, and somebody gives addresses on it by DHCP.',
  nameParam: 'cidr',
  params: {
    type: 'object',
    required: ['cidr'],
    additionalProperties: false,
    properties: { cidr: { type: 'string', description: 'Its addresses.' } },
  },
  scope: 'cluster',
  needs: ['token'],
  suspects: ['neutron-server', 'neutron-openvswitch-agent'],
  *attempt({ cidr }, stage) {
    const service = 'network';
    const body = { network: { name: stage.name } };
    const made = yield* ask<{ network: { id: string } }>(stage, { service, method: 'POST', path: '/v2.0/networks', body });
    const { id } = made.network;
    const subnet = { name: stage.name, network_id: id, ip_version: 4, cidr };
    const within = yield* ask<{ subnet: Subnet }>(stage, { service, method: 'POST', path: '/v2.0/subnets', body: { subnet } });
    const path = `/v2.0/ports?network_id=${id}&device_owner=network:dhcp`;
    yield* until<{ ports: readonly { status: string }[] }>(stage, { service, method: 'GET', path }, ({ ports }) => {
      if (ports.length === 0) return 'no DHCP agent has taken the network';
      return ports.some(({ status }) => status === 'ACTIVE') ? undefined : `the port of the DHCP server is ${ports[0]!.status}`;
    });
    return { id, subnet: within.subnet.id, gateway: within.subnet.gateway_ip };
  },
});
