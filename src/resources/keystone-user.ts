import type { Text } from '../base/secret.ts';
import { type ApiAnswer, type ApiRequest, defineApiResource, type Found } from './define.ts';

interface Named {
  readonly id: string;
  readonly name: string;
}

interface Project extends Named {
  readonly domain: { readonly id: string };
}

interface Assignments {
  readonly role_assignments: readonly { readonly role: Named; readonly scope: { readonly project?: Project } }[];
}

/** A user of the default domain, e.g. that of a service, with its password and exactly these roles on projects. */
export const keystoneUser = defineApiResource({
  type: 'keystone-user',
  summary: 'A user of the default domain with its password and exactly these roles on projects.',
  nameParam: 'user',
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['user', 'password'],
    additionalProperties: false,
    properties: {
      user: { type: 'string', minLength: 1, maxLength: 255, description: 'Its name.' },
      password: { type: 'string', format: 'secret', description: 'Its password.' },
      roles: {
        type: 'array',
        default: [],
        description: 'What it is, and where.',
        items: {
          type: 'object',
          required: ['role', 'project'],
          additionalProperties: false,
          properties: {
            role: { type: 'string', description: 'Name of the role.' },
            project: { type: 'string', description: 'Name of a project of the default domain.' },
          },
        },
      },
    },
  },
  desired: (p) => ({ enabled: true, password: 'current', roles: p.roles.map(told).toSorted() }),
  *look(p): Generator<ApiRequest, Found, ApiAnswer> {
    const user = one(good(yield get(`/v3/users?domain_id=default&name=${encodeURIComponent(p.user)}`)), 'users', p.user);
    if (!user) return null;
    const login = yield { service: 'identity', method: 'POST', path: '/v3/auth/tokens', body: attempt(user.id, p.password), auth: 'none' };
    if (login.status !== 201 && login.status !== 401) return { unknown: `Keystone answered ${login.status} to a login` };
    const { role_assignments } = good(yield assignments(user.id)) as Assignments;
    return {
      enabled: (user as Named & { enabled: boolean }).enabled,
      password: login.status === 201 ? 'current' : 'other',
      roles: held(role_assignments)
        .map(({ role, project }) => told({ role: role.name, project: project.name }))
        .toSorted(),
    };
  },
  *apply(p, change) {
    const differs = new Set(change.differences.map((difference) => difference.key));
    let user = one(good(yield get(`/v3/users?domain_id=default&name=${encodeURIComponent(p.user)}`)), 'users', p.user);
    if (!user) {
      const body = { user: { name: p.user, domain_id: 'default', enabled: true, password: p.password } };
      user = (good(yield { service: 'identity', method: 'POST', path: '/v3/users', body }) as { user: Named }).user;
    } else if (differs.has('password') || differs.has('enabled')) {
      const body = { user: { enabled: true, ...(differs.has('password') ? { password: p.password } : {}) } };
      good(yield { service: 'identity', method: 'PATCH', path: `/v3/users/${user.id}`, body });
    }
    if (!differs.has('roles')) return;
    const { role_assignments } = good(yield assignments(user.id)) as Assignments;
    const present = held(role_assignments);
    const is = new Set(present.map(({ role, project }) => told({ role: role.name, project: project.name })));
    for (const wanted of p.roles.filter((one) => !is.has(told(one)))) {
      const role = one(good(yield get(`/v3/roles?name=${encodeURIComponent(wanted.role)}`)), 'roles', wanted.role);
      const project = one(
        good(yield get(`/v3/projects?domain_id=default&name=${encodeURIComponent(wanted.project)}`)),
        'projects',
        wanted.project,
      );
      if (!role) throw new Error(`There is no role ${wanted.role}`);
      if (!project) throw new Error(`There is no project ${wanted.project} in the default domain`);
      good(yield { service: 'identity', method: 'PUT', path: `/v3/projects/${project.id}/users/${user.id}/roles/${role.id}` });
    }
    const wanted = new Set(p.roles.map(told));
    for (const { role, project } of present.filter((one) => !wanted.has(told({ role: one.role.name, project: one.project.name })))) {
      good(yield { service: 'identity', method: 'DELETE', path: `/v3/projects/${project.id}/users/${user.id}/roles/${role.id}` });
    }
  },
});

function get(path: string): ApiRequest {
  return { service: 'identity', method: 'GET', path };
}

function assignments(user: string): ApiRequest {
  return get(`/v3/role_assignments?user.id=${user}&include_names=true`);
}

/** Roles on projects of the default domain. */
function held(all: Assignments['role_assignments']): { role: Named; project: Named }[] {
  return all.flatMap(({ role, scope }) => (scope.project?.domain.id === 'default' ? [{ role, project: scope.project }] : []));
}

function attempt(id: string, password: Text): unknown {
  return { auth: { identity: { methods: ['password'], password: { user: { id, password } } }, scope: 'unscoped' } };
}

function told(one: { readonly role: string; readonly project: string }): string {
  return `${one.role} on ${one.project}`;
}

function good(answer: ApiAnswer): unknown {
  if (answer.status >= 300) throw new Error(`Keystone answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

// Databases compare names without case; the catalogue does not.
function one(body: unknown, list: string, name: string): Named | undefined {
  return (body as Record<string, readonly Named[] | undefined>)[list]?.find((item) => item.name === name);
}
