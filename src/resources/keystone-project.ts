import { type ApiAnswer, type ApiRequest, defineApiResource, type Found } from './define.ts';

interface Project {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly enabled: boolean;
}

/** A project of the default domain. What it owns would be orphaned, so there is no way to remove it here. */
export const keystoneProject = defineApiResource({
  type: 'keystone-project',
  summary: 'A project of the default domain.',
  nameParam: 'project',
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['project'],
    additionalProperties: false,
    properties: {
      project: { type: 'string', minLength: 1, maxLength: 64, description: 'Its name.' },
      description: {
        type: 'string',
        pattern: '^[\\u0000-\\uffff]*$',
        description: 'What people read about it. Keystone’s tables cannot hold emoji.',
      },
    },
  },
  desired: (p) => ({ enabled: true, ...(p.description === undefined ? {} : { description: p.description }) }),
  *look(p): Generator<ApiRequest, Found, ApiAnswer> {
    const answer = yield find(p.project);
    if (answer.status !== 200) return { unknown: `Keystone answered ${answer.status}` };
    const project = only(answer, p.project);
    return project ? { enabled: project.enabled, description: project.description } : null;
  },
  *apply(p) {
    const project = only(yield find(p.project), p.project);
    const body = {
      project: {
        name: p.project,
        domain_id: 'default',
        enabled: true,
        ...(p.description === undefined ? {} : { description: p.description }),
      },
    };
    const answer = project
      ? yield { service: 'identity', method: 'PATCH', path: `/v3/projects/${project.id}`, body }
      : yield { service: 'identity', method: 'POST', path: '/v3/projects', body };
    if (answer.status >= 300) throw new Error(`Keystone answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  },
});

function find(name: string): ApiRequest {
  return { service: 'identity', method: 'GET', path: `/v3/projects?domain_id=default&name=${encodeURIComponent(name)}` };
}

// Databases compare names without case; the catalogue does not.
function only(answer: ApiAnswer, name: string): Project | undefined {
  return (answer.body as { projects?: readonly Project[] }).projects?.find((project) => project.name === name);
}
