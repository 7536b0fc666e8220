import { ask, defineTrial } from './define.ts';

export const login = defineTrial({
  type: 'login',
  summary: 'Once a rule opens the port, SSH over the floating IP lets the key in, and the server knows its own name.',
  nameParam: 'user',
  params: {
    type: 'object',
    required: ['user'],
    additionalProperties: false,
    properties: { user: { type: 'string', description: 'Who the image lets in with the key.' } },
  },
  needs: ['closed-port'],
  suspects: ['neutron-openvswitch-agent', 'neutron-l3-agent', 'neutron-metadata-agent', 'nova-api'],
  *attempt({ user }, stage) {
    const { name, group, address: inner } = stage.of('server');
    const { address, port } = stage.of('closed-port');
    const rule = { security_group_id: group, direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp' };
    const body = { security_group_rule: { ...rule, port_range_min: port, port_range_max: port } };
    yield* ask(stage, { service: 'network', method: 'POST', path: '/v2.0/security-group-rules', body });
    for (;;) {
      const { status, body: printed } = yield { deed: 'login', address, user, command: 'hostname' };
      const [first = ''] = String(printed).trim().split('\n');
      if (status === 0 && first.split('.')[0] === name) return { said: `${user}@${address}`, address, user, server: name, inner };
      if (status === 0) throw new Error(`The server is called ${first} and not ${name}: the metadata service has not told it`);
      yield { deed: 'wait', for: `${user}@${address} is not let in: ${first}` };
    }
  },
});
