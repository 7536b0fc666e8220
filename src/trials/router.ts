import { ask, defineTrial, until } from './define.ts';

export const router = defineTrial({
  type: 'router',
  summary: 'A user joins a network to the world by a router.',
  nameParam: 'external',
  params: {
    type: 'object',
    required: ['external'],
    additionalProperties: false,
    properties: { external: { type: 'string', description: 'Name of the external network; empty: the first that there is.' } },
  },
  scope: 'cluster',
  needs: ['network'],
  suspects: ['neutron-server', 'neutron-openvswitch-agent'],
  *attempt(p, stage) {
    const service = 'network';
    const path = '/v2.0/networks?router:external=true';
    const all = yield* ask<readonly { id: string; name: string }[]>(stage, { service, method: 'GET', path, list: 'networks' });
    const external = p.external === '' ? all[0] : all.find(({ name }) => name === p.external);
    if (!external) {
      const hint = 'declare one under resources.networks with `external: true`';
      throw new Error(`There is no external network${p.external === '' ? '' : ` called ${p.external}`}: ${hint}`);
    }
    const router = { name: stage.name, external_gateway_info: { network_id: external.id } };
    const made = yield* ask<{ router: { id: string } }>(stage, { service, method: 'POST', path: '/v2.0/routers', body: { router } });
    const { id } = made.router;
    const body = { subnet_id: stage.of('network').subnet };
    yield* ask(stage, { service, method: 'PUT', path: `/v2.0/routers/${id}/add_router_interface`, body });
    const ports = { service, method: 'GET', path: `/v2.0/ports?device_id=${id}` } as const;
    yield* until<{ ports: readonly { status: string }[] }>(stage, ports, ({ ports: [inner] }) =>
      inner?.status === 'ACTIVE' ? undefined : `the router's port is ${inner?.status ?? 'not there'}`,
    );
    return { said: external.name, external: external.id };
  },
});
