import type { State } from '../base/state.ts';
import { defineApiResource, type Found } from './define.ts';
import { call, find, must, type Talk } from './openstack.ts';

interface Service {
  readonly id: string;
  readonly status: 'enabled' | 'disabled';
  readonly disabled_reason: string | null;
}

/** Whether Nova gives new work to a service. What somebody has disabled for a reason of his own is another state. */
export const novaService = defineApiResource({
  type: 'nova-service',
  summary: 'A service of Nova on a host is enabled, or disabled with a reason: a compute service that is gets no new machines.',
  nameParam: 'service',
  identity: (p) => `${p.service} ${p.host}`,
  params: {
    type: 'object',
    required: ['service', 'host'],
    additionalProperties: false,
    properties: {
      service: { type: 'string', description: 'The service, e.g. nova-compute.' },
      host: { type: 'string', minLength: 1, description: 'The host, as Nova knows it.' },
      disabled: { type: 'string', minLength: 1, maxLength: 255, description: 'Why it is disabled; enabled when left out.' },
    },
  },
  desired: (p): State => (p.disabled === undefined ? { status: 'enabled' } : { status: 'disabled', reason: p.disabled }),
  *look(p): Talk<Found> {
    const found = yield* serviceOf(p.service, p.host);
    return found ? { status: found.status, reason: found.disabled_reason } : { unknown: `Nova knows no ${p.service} on ${p.host}` };
  },
  *apply(p): Talk<void> {
    const { id } = must(yield* serviceOf(p.service, p.host), `${p.service} on ${p.host}`);
    const body = p.disabled === undefined ? { status: 'enabled' } : { status: 'disabled', disabled_reason: p.disabled };
    yield* call({ service: 'compute', method: 'PUT', path: `/v2.1/os-services/${id}`, body, microversion: '2.53' });
  },
});

function serviceOf(binary: string, host: string): Talk<Service | undefined> {
  return find<Service>(
    { service: 'compute', path: '/v2.1/os-services', list: 'services', where: { binary, host }, microversion: '2.53' },
    `${binary} on ${host}`,
  );
}
