import { type ApiAnswer, type ApiRequest, defineApiResource, type Found } from './define.ts';

/** A role: a name that policies speak of. */
export const keystoneRole = defineApiResource({
  type: 'keystone-role',
  summary: 'A role that users can have on projects.',
  nameParam: 'role',
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['role'],
    additionalProperties: false,
    properties: { role: { type: 'string', minLength: 1, maxLength: 255, description: 'Its name.' } },
  },
  desired: () => ({ there: true }),
  *look(p): Generator<ApiRequest, Found, ApiAnswer> {
    const answer = yield { service: 'identity', method: 'GET', path: `/v3/roles?name=${encodeURIComponent(p.role)}` };
    if (answer.status !== 200) return { unknown: `Keystone answered ${answer.status}` };
    const { roles } = answer.body as { roles: readonly { name: string }[] };
    return roles.some((role) => role.name === p.role) ? { there: true } : null;
  },
  *apply(p) {
    const answer = yield { service: 'identity', method: 'POST', path: '/v3/roles', body: { role: { name: p.role } } };
    if (answer.status >= 300) throw new Error(`Keystone answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  },
});
