import type { State } from '../base/state.ts';
import { defineApiResource } from './define.ts';
import { call, find, must, projectId, type Talk } from './openstack.ts';

interface Network {
  readonly id: string;
  readonly [attribute: string]: unknown;
}

/** Params by the name that Neutron has for them. */
const attributes = {
  description: 'description',
  mtu: 'mtu',
  shared: 'shared',
  external: 'router:external',
  port_security: 'port_security_enabled',
  network_type: 'provider:network_type',
  physical_network: 'provider:physical_network',
  segmentation_id: 'provider:segmentation_id',
} as const;
type Param = keyof typeof attributes;

// Neutron would take other values, and the agents would go on with the old ones: servers lose their network.
const fixed: readonly string[] = ['network_type', 'physical_network', 'segmentation_id'] satisfies Param[];

/** A network of a project. Servers may be on it, so there is no way to remove it here. */
export const network = defineApiResource({
  type: 'network',
  summary: 'A network of a project, with what it is made of and who may use it.',
  nameParam: 'network',
  identity: (p) => `${p.project}/${p.network}`,
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['network'],
    additionalProperties: false,
    properties: {
      network: { type: 'string', minLength: 1, maxLength: 255, description: 'Its name.' },
      project: { type: 'string', default: 'admin', description: 'The project that it belongs to.' },
      description: { type: 'string', maxLength: 255, description: 'What people read about it.' },
      mtu: { type: 'integer', minimum: 68, description: 'Largest packet in bytes; what Neutron works out when left out.' },
      shared: { type: 'boolean', default: false, description: 'All projects may put servers on it.' },
      external: { type: 'boolean', default: false, description: 'Routers may have it as their gateway; floating IPs are in it.' },
      port_security: { type: 'boolean', default: true, description: 'Security groups and protection against forged addresses.' },
      network_type: { type: 'string', enum: ['flat', 'vlan', 'vxlan', 'gre', 'geneve', 'local'], description: 'What carries it.' },
      physical_network: { type: 'string', description: 'For flat and vlan: the name that the agents’ bridge mappings have for it.' },
      segmentation_id: { type: 'integer', minimum: 1, description: 'VLAN id or number of the tunnel; one that is free when left out.' },
    },
  },
  desired: (p): State => ({ enabled: true, ...given(p) }),
  cannot: (_, { before, differences }) => {
    const changed = differences.map(({ key }) => key).filter((key) => fixed.includes(key));
    if (!before || changed.length === 0) return undefined;
    return `${changed.join(', ')} of a network cannot change under the servers on it: make another network`;
  },
  *look(p) {
    const project = yield* projectId(p.project);
    const known = project === undefined ? undefined : yield* networkOf(project, p.network);
    if (!known) return null;
    const state = Object.entries(attributes).map(([param, attribute]) => [param, known[attribute] ?? null]);
    return { enabled: known['admin_state_up'] as boolean, ...(Object.fromEntries(state) as State) };
  },
  *apply(p, { differences }) {
    const project_id = must(yield* projectId(p.project), `project ${p.project}`);
    const known = yield* networkOf(project_id, p.network);
    const differs = new Set(differences.map(({ key }) => key));
    const wanted = Object.entries(given(p)).filter(([param]) => differs.has(param));
    const network = { admin_state_up: true, ...Object.fromEntries(wanted.map(([param, value]) => [attributes[param as Param], value])) };
    yield* known
      ? call({ service: 'network', method: 'PUT', path: `/v2.0/networks/${known.id}`, body: { network } })
      : call({
          service: 'network',
          method: 'POST',
          path: '/v2.0/networks',
          body: { network: { name: p.network, project_id, ...network } },
        });
  },
});

function given(p: Readonly<Partial<Record<Param, string | number | boolean>>>): Partial<Record<Param, string | number | boolean>> {
  const names = Object.keys(attributes) as Param[];
  return Object.fromEntries(names.flatMap((param) => (p[param] === undefined ? [] : [[param, p[param]]])));
}

function* networkOf(project_id: string, name: string): Talk<Network | undefined> {
  return yield* find<Network>(
    { service: 'network', path: '/v2.0/networks', list: 'networks', where: { project_id, name } },
    `the network ${name} in its project`,
  );
}
