import type { State } from '../base/state.ts';
import { type ApiAnswer, type ApiRequest, defineApiResource, type Found } from './define.ts';

interface Service {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly description?: string;
  readonly enabled: boolean;
}

interface Endpoint {
  readonly id: string;
  readonly interface: string;
  readonly url: string;
  readonly region_id: string | null;
  readonly enabled: boolean;
}

/** A service in the catalogue with its three endpoints. Endpoints in other regions are those regions' business. */
export const keystoneService = defineApiResource({
  type: 'keystone-service',
  summary: 'A service in the catalogue with its public, internal and admin endpoint in one region.',
  nameParam: 'service',
  identity: (p) => `${p.service} in ${p.region}`,
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['service', 'name', 'region', 'public', 'internal', 'admin'],
    additionalProperties: false,
    properties: {
      service: { type: 'string', minLength: 1, maxLength: 255, description: 'Its type, e.g. image: what clients look for.' },
      name: { type: 'string', minLength: 1, maxLength: 255, description: 'Its name, e.g. glance.' },
      description: {
        type: 'string',
        pattern: '^[\\u0000-\\uffff]*$',
        description: 'What people read about it. Keystone’s tables cannot hold emoji.',
      },
      region: { type: 'string', minLength: 1, maxLength: 255, description: 'Region of the endpoints; it must be there.' },
      public: { type: 'string', pattern: '^https?://', description: 'Public URL.' },
      internal: { type: 'string', pattern: '^https?://', description: 'Internal URL.' },
      admin: { type: 'string', pattern: '^https?://', description: 'Admin URL.' },
    },
  },
  desired: (p): State => ({
    name: p.name,
    enabled: true,
    ...(p.description === undefined ? {} : { description: p.description }),
    public: p.public,
    internal: p.internal,
    admin: p.admin,
  }),
  *look(p): Generator<ApiRequest, Found, ApiAnswer> {
    const service = first(good(yield services(p.service)));
    if (!service) return null;
    const { endpoints } = good(yield endpointsOf(service.id, p.region)) as { endpoints: readonly Endpoint[] };
    const url = (name: string) => endpoints.find((endpoint) => endpoint.interface === name && endpoint.enabled)?.url ?? null;
    return {
      name: service.name,
      enabled: service.enabled,
      description: service.description ?? '',
      public: url('public'),
      internal: url('internal'),
      admin: url('admin'),
    };
  },
  *apply(p, change) {
    const differs = new Set(change.differences.map((difference) => difference.key));
    const about = { type: p.service, name: p.name, enabled: true, ...(p.description === undefined ? {} : { description: p.description }) };
    let service = first(good(yield services(p.service)));
    if (!service) {
      const body = { service: about };
      service = (good(yield { service: 'identity', method: 'POST', path: '/v3/services', body }) as { service: Service }).service;
    } else if (['name', 'enabled', 'description'].some((key) => differs.has(key))) {
      good(yield { service: 'identity', method: 'PATCH', path: `/v3/services/${service.id}`, body: { service: about } });
    }
    const { endpoints } = good(yield endpointsOf(service.id, p.region)) as { endpoints: readonly Endpoint[] };
    for (const name of ['public', 'internal', 'admin'] as const) {
      if (!differs.has(name)) continue;
      const present = endpoints.find((endpoint) => endpoint.interface === name);
      const endpoint = { service_id: service.id, interface: name, region_id: p.region, url: p[name], enabled: true };
      good(
        present
          ? yield { service: 'identity', method: 'PATCH', path: `/v3/endpoints/${present.id}`, body: { endpoint } }
          : yield { service: 'identity', method: 'POST', path: '/v3/endpoints', body: { endpoint } },
      );
    }
  },
});

function services(type: string): ApiRequest {
  return { service: 'identity', method: 'GET', path: `/v3/services?type=${encodeURIComponent(type)}` };
}

function endpointsOf(service: string, region: string): ApiRequest {
  return { service: 'identity', method: 'GET', path: `/v3/endpoints?service_id=${service}&region_id=${encodeURIComponent(region)}` };
}

function good(answer: ApiAnswer): unknown {
  if (answer.status >= 300) throw new Error(`Keystone answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

function first(body: unknown): Service | undefined {
  return (body as { services: readonly Service[] }).services[0];
}
