import type { Json, State } from '../base/state.ts';
import { defineApiResource } from './define.ts';
import { call, find, must, networkId, projectId, type Talk } from './openstack.ts';

interface Named {
  readonly id: string;
  readonly name: string;
}

interface Router extends Named {
  readonly admin_state_up: boolean;
  readonly external_gateway_info: { readonly network_id: string; readonly enable_snat: boolean } | null;
  readonly routes: readonly { readonly destination: string; readonly nexthop: string }[];
}

interface Port {
  readonly device_id: string;
  readonly fixed_ips: readonly { readonly subnet_id: string }[];
}

/** A router of a project. Servers may reach the world through it, so there is no way to remove it here. */
export const router = defineApiResource({
  type: 'router',
  summary: 'A router of a project: its way to the world and the subnets that it joins. Other subnets on it are left alone.',
  nameParam: 'router',
  identity: (p) => `${p.project}/${p.router}`,
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['router'],
    additionalProperties: false,
    properties: {
      router: { type: 'string', minLength: 1, maxLength: 255, description: 'Its name.' },
      project: { type: 'string', default: 'admin', description: 'The project that it belongs to.' },
      gateway: {
        type: 'object',
        required: ['network'],
        additionalProperties: false,
        properties: { network: { type: 'string' }, project: { type: 'string' }, snat: { type: 'boolean' } },
        description:
          'The external network that it leads to, its project (admin), and whether private addresses are hidden behind its own (true).',
      },
      interfaces: {
        type: 'array',
        default: [],
        items: {
          type: 'object',
          required: ['subnet', 'network'],
          additionalProperties: false,
          properties: { subnet: { type: 'string' }, network: { type: 'string' }, project: { type: 'string' } },
        },
        description: 'The subnets that it joins, each with its network and the project of that (the router’s own).',
      },
      routes: {
        type: 'object',
        additionalProperties: { type: 'string' },
        description: 'Its own routes, exactly these: destination and next hop. Nobody’s business when left out.',
      },
    },
  },
  desired: (p): State => ({
    enabled: true,
    ...(p.gateway ? { gateway: p.gateway.network, snat: p.gateway.snat ?? true } : {}),
    ...Object.fromEntries(p.interfaces.map((each) => [interfaceKey(each), true])),
    ...(p.routes ? { routes: p.routes } : {}),
  }),
  *look(p) {
    const project = yield* projectId(p.project);
    const known = project === undefined ? undefined : yield* routerOf(project, p.router);
    if (!known) return null;
    const gateway = known.external_gateway_info;
    const wanted = gateway && p.gateway ? yield* networkId(p.gateway.project ?? 'admin', p.gateway.network) : undefined;
    const joined = yield* subnetsOn(known.id);
    const interfaces: Record<string, Json> = {};
    for (const each of p.interfaces) {
      const id = yield* subnetId({ project: p.project, ...each });
      interfaces[interfaceKey(each)] = id !== undefined && joined.has(id);
    }
    return {
      enabled: known.admin_state_up,
      gateway: gateway && (gateway.network_id === wanted ? p.gateway!.network : gateway.network_id),
      snat: gateway?.enable_snat ?? null,
      ...interfaces,
      routes: Object.fromEntries(known.routes.map(({ destination, nexthop }) => [destination, nexthop])),
    };
  },
  *apply(p, { differences }) {
    const differs = new Set(differences.map(({ key }) => key));
    const project_id = must(yield* projectId(p.project), `project ${p.project}`);
    const about: Record<string, Json> = { admin_state_up: true };
    if (p.gateway && (differs.has('gateway') || differs.has('snat'))) {
      const { network, project = 'admin', snat = true } = p.gateway;
      const network_id = must(yield* networkId(project, network), `network ${network} in the project ${project}`);
      about['external_gateway_info'] = { network_id, enable_snat: snat };
    }
    let known = yield* routerOf(project_id, p.router);
    if (!known) {
      const body = { router: { name: p.router, project_id, ...about } };
      known = (yield* call<{ router: Router }>({ service: 'network', method: 'POST', path: '/v2.0/routers', body })).router;
    } else if (['enabled', 'gateway', 'snat'].some((key) => differs.has(key))) {
      yield* call({ service: 'network', method: 'PUT', path: `/v2.0/routers/${known.id}`, body: { router: about } });
    }
    for (const each of p.interfaces.filter((one) => differs.has(interfaceKey(one)))) {
      const subnet_id = must(yield* subnetId({ project: p.project, ...each }), `subnet ${each.subnet} on the network ${each.network}`);
      const path = `/v2.0/routers/${known.id}/add_router_interface`;
      yield* call({ service: 'network', method: 'PUT', path, body: { subnet_id } });
    }
    // A next hop must be on one of the subnets, so routes come last.
    if (differs.has('routes')) {
      const routes = Object.entries(p.routes ?? {}).map(([destination, nexthop]) => ({ destination, nexthop }));
      yield* call({ service: 'network', method: 'PUT', path: `/v2.0/routers/${known.id}`, body: { router: { routes } } });
    }
  },
});

function interfaceKey({ network, subnet }: { readonly network: string; readonly subnet: string }): string {
  return `interface ${network}/${subnet}`;
}

function* routerOf(project_id: string, name: string): Talk<Router | undefined> {
  const where = { project_id, name };
  return yield* find<Router>({ service: 'network', path: '/v2.0/routers', list: 'routers', where }, `the router ${name} in its project`);
}

/** Ids of the subnets that a router joins, whichever kind of router it is. */
function* subnetsOn(device_id: string): Talk<ReadonlySet<string>> {
  const owners = ['router_interface', 'router_interface_distributed', 'ha_router_replicated_interface'];
  const path = `/v2.0/ports?${owners.map((owner) => `device_owner=network:${owner}`).join('&')}`;
  const ports = yield* call<readonly Port[]>({ service: 'network', method: 'GET', path, list: 'ports', where: { device_id } });
  return new Set(ports.flatMap(({ fixed_ips }) => fixed_ips.map(({ subnet_id }) => subnet_id)));
}

function* subnetId(of: { readonly project: string; readonly network: string; readonly subnet: string }): Talk<string | undefined> {
  const network_id = yield* networkId(of.project, of.network);
  if (network_id === undefined) return undefined;
  const where = { network_id, name: of.subnet };
  return (yield* find({ service: 'network', path: '/v2.0/subnets', list: 'subnets', where }, `the subnet ${of.subnet} on its network`))?.id;
}
