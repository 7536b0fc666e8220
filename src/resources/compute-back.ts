import { defineApiResource, type Found } from './define.ts';
import { call, leavingReason, type Talk } from './openstack.ts';

/** A compute host that was to leave and stays after all. */
export const computeBack = defineApiResource({
  type: 'compute-back',
  summary:
    'Machines can be put on a compute host again that Cellwise had closed because it was to leave. What somebody else has closed stays so.',
  nameParam: 'host',
  params: {
    type: 'object',
    required: ['host'],
    additionalProperties: false,
    properties: { host: { type: 'string', description: 'The host, as Nova knows it.' } },
  },
  desired: () => ({ leaving: false }),
  *look(p): Talk<Found> {
    const found = yield* serviceOf(p.host);
    return found ? { leaving: found.status === 'disabled' && found.disabled_reason === leavingReason } : null;
  },
  *apply(p) {
    const found = yield* serviceOf(p.host);
    if (!found) throw new Error(`Nova knows no nova-compute on ${p.host}`);
    const body = { status: 'enabled' };
    yield* call({ service: 'compute', method: 'PUT', path: `/v2.1/os-services/${found.id}`, microversion: '2.53', body });
  },
});

interface Service {
  readonly id: string;
  readonly host: string;
  readonly status: string;
  readonly disabled_reason: string | null;
}

// One list for all hosts of a fleet.
function* serviceOf(host: string): Talk<Service | undefined> {
  const path = '/v2.1/os-services?binary=nova-compute';
  const { services } = yield* call<{ services: readonly Service[] }>({ service: 'compute', method: 'GET', path, microversion: '2.53' });
  return services.find((service) => service.host === host);
}
