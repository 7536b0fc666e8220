import { ask, defineTrial, until } from './define.ts';

// That somebody listens there is proved by `login`, which opens the port.
export const closedPort = defineTrial({
  type: 'closed-port',
  summary: 'Behind its floating IP, a server is not reached at a port that its security group does not open.',
  nameParam: 'port',
  params: {
    type: 'object',
    required: ['port'],
    additionalProperties: false,
    properties: { port: { type: 'integer', minimum: 1, maximum: 65535, description: 'The port, at which the server does listen.' } },
  },
  needs: ['console', 'router'],
  suspects: ['neutron-openvswitch-agent', 'neutron-l3-agent', 'neutron-server'],
  *attempt({ port }, stage) {
    const service = 'network';
    const floatingip = {
      floating_network_id: stage.of('router').external,
      port_id: stage.of('server').port,
    };
    const path = '/v2.0/floatingips';
    const made = yield* ask<{ floatingip: { id: string; floating_ip_address: string } }>(stage, {
      service,
      method: 'POST',
      path,
      body: { floatingip },
    });
    const { id, floating_ip_address: address } = made.floatingip;
    const request = { service, method: 'GET', path: `${path}/${id}` } as const;
    yield* until<{ floatingip: { status: string } }>(stage, request, ({ floatingip: { status } }) =>
      status === 'ACTIVE' ? undefined : `the floating IP ${address} is ${status}`,
    );
    const { status } = yield { deed: 'knock', address, port };
    if (status === 200) throw new Error(`${address} answers at port ${port}, which no rule of its security group opens`);
    return { said: address, address, port };
  },
});
