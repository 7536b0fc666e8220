import type { State } from '../base/state.ts';
import { defineApiResource, type Found } from './define.ts';
import { call, type Talk } from './openstack.ts';

/** Compute hosts that are no part of the cloud any more: Nova, Neutron and Placement know nothing of them. */
export const computeGone = defineApiResource({
  type: 'compute-gone',
  summary: 'Compute hosts that have left: their services, agents, place in the cell and count of resources are deleted.',
  nameParam: 'hosts',
  scope: 'cluster',
  identity: () => '',
  params: {
    type: 'object',
    required: ['hosts'],
    additionalProperties: false,
    properties: {
      hosts: {
        type: 'array',
        description: 'The hosts, as Nova and Neutron know them.',
        items: {
          type: 'object',
          required: ['name'],
          properties: { name: { type: 'string', description: 'Its name.' } },
        },
      },
    },
  },
  desired: (p): State => Object.fromEntries(p.hosts.map(({ name }) => [name, 'gone'])),
  *look(p): Talk<Found> {
    const told: [string, string][] = [];
    for (const { name } of p.hosts) {
      const { services, agents, providers } = yield* tracesOf(name);
      const left = [...services, ...agents].map(({ binary }) => binary);
      told.push([name, [...left, ...providers.map(() => 'resource provider')].join(', ') || 'gone']);
    }
    return Object.fromEntries(told);
  },
  *apply(p) {
    for (const { name } of p.hosts) {
      yield* silence(name);
      const { services, agents } = yield* tracesOf(name);
      // With the service go the mapping to its cell, its aggregates and its provider.
      for (const { id } of services)
        yield* call({ service: 'compute', method: 'DELETE', path: `/v2.1/os-services/${id}`, microversion: '2.53' });
      for (const { id } of agents) yield* call({ service: 'network', method: 'DELETE', path: `/v2.0/agents/${id}` });
      for (const { uuid } of (yield* tracesOf(name)).providers)
        yield* call({ service: 'placement', method: 'DELETE', path: `/resource_providers/${uuid}`, microversion: '1.36' });
    }
  },
});

interface Part {
  readonly id: string;
  readonly binary: string;
}

interface Traces {
  readonly services: readonly (Part & { readonly state: string })[];
  readonly agents: readonly (Part & { readonly alive: boolean })[];
  readonly providers: readonly { readonly uuid: string; readonly name: string }[];
}

function* tracesOf(host: string, more: { readonly wait?: number; readonly says?: string } = {}): Talk<Traces> {
  const { services } = yield* call<Pick<Traces, 'services'>>({
    service: 'compute',
    method: 'GET',
    path: `/v2.1/os-services?binary=nova-compute&host=${host}`,
    microversion: '2.53',
    ...more,
  });
  const { agents } = yield* call<Pick<Traces, 'agents'>>({ service: 'network', method: 'GET', path: `/v2.0/agents?host=${host}` });
  const { resource_providers: all } = yield* call<{ resource_providers: Traces['providers'] }>({
    service: 'placement',
    method: 'GET',
    path: '/resource_providers',
    microversion: '1.36',
  });
  // A provider bears the name that libvirt gives its host: with or without the domain.
  return { services, agents, providers: all.filter(({ name }) => name === host || name.startsWith(`${host}.`)) };
}

/** Longer than Nova and Neutron take to miss a service. */
const patience = 180;
const pace = 5;

/** Waits until nothing is heard of a host any more: what still runs would announce itself again. */
function* silence(host: string): Talk<void> {
  for (let waited = 0; ; waited += pace) {
    const says = `waiting until Nova and Neutron hear nothing of ${host} any more`;
    const { services, agents } = yield* tracesOf(host, waited === 0 ? {} : { wait: pace, says });
    const heard = [...services.filter(({ state }) => state === 'up'), ...agents.filter(({ alive }) => alive)];
    if (heard.length === 0) return;
    if (waited >= patience)
      throw new Error(`On ${host} there still run ${heard.map(({ binary }) => binary).join(', ')}: stop them there, or the host`);
  }
}
