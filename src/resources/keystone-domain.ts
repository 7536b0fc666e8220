import { type ApiAnswer, type ApiRequest, defineApiResource, type Found } from './define.ts';

interface Domain {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly enabled: boolean;
}

/** A domain: users and projects with names of their own. What is in it would be lost with it, so there is no way to remove it here. */
export const keystoneDomain = defineApiResource({
  type: 'keystone-domain',
  summary: 'A domain of users and projects.',
  nameParam: 'domain',
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['domain'],
    additionalProperties: false,
    properties: {
      domain: { type: 'string', minLength: 1, maxLength: 64, description: 'Its name.' },
      description: {
        type: 'string',
        pattern: '^[\\u0000-\\uffff]*$',
        description: 'What people read about it. Keystone’s tables cannot hold emoji.',
      },
    },
  },
  desired: (p) => ({ enabled: true, ...(p.description === undefined ? {} : { description: p.description }) }),
  *look(p): Generator<ApiRequest, Found, ApiAnswer> {
    const answer = yield find(p.domain);
    if (answer.status !== 200) return { unknown: `Keystone answered ${answer.status}` };
    const domain = only(answer, p.domain);
    return domain ? { enabled: domain.enabled, description: domain.description } : null;
  },
  *apply(p) {
    const there = only(yield find(p.domain), p.domain);
    const domain = { name: p.domain, enabled: true, ...(p.description === undefined ? {} : { description: p.description }) };
    const answer = there
      ? yield { service: 'identity', method: 'PATCH', path: `/v3/domains/${there.id}`, body: { domain } }
      : yield { service: 'identity', method: 'POST', path: '/v3/domains', body: { domain } };
    if (answer.status >= 300) throw new Error(`Keystone answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  },
});

function find(name: string): ApiRequest {
  return { service: 'identity', method: 'GET', path: `/v3/domains?name=${encodeURIComponent(name)}` };
}

// Databases compare names without case.
function only(answer: ApiAnswer, name: string): Domain | undefined {
  return (answer.body as { domains?: readonly Domain[] }).domains?.find((domain) => domain.name === name);
}
