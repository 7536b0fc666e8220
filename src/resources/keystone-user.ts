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
  readonly role_assignments: readonly { readonly role: Named; readonly scope: { readonly project?: Project; readonly domain?: Named } }[];
}

/** A user, e.g. that of a service, with its password and exactly these roles on projects of the default domain and on its own domain. */
export const keystoneUser = defineApiResource({
  type: 'keystone-user',
  summary: 'A user with its password and exactly these roles on projects and on its domain.',
  nameParam: 'user',
  identity: (p) => (p.domain === undefined ? p.user : `${p.user} of ${p.domain}`),
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['user', 'password'],
    additionalProperties: false,
    properties: {
      user: { type: 'string', minLength: 1, maxLength: 255, description: 'Its name.' },
      domain: { type: 'string', minLength: 1, maxLength: 64, description: 'Name of its domain; the default domain when left out.' },
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
      domain_roles: { type: 'array', items: { type: 'string' }, default: [], description: 'Names of the roles that it has on its domain.' },
    },
  },
  desired: (p) => ({ enabled: true, password: 'current', roles: wantedOf(p).map(told).toSorted() }),
  *look(p): Generator<ApiRequest, Found, ApiAnswer> {
    const domain = yield* domainOf(p.domain);
    const user = domain === undefined ? undefined : one(good(yield users(domain, p.user)), 'users', p.user);
    if (!user) return null;
    const login = yield { service: 'identity', method: 'POST', path: '/v3/auth/tokens', body: attempt(user.id, p.password), auth: 'none' };
    if (login.status !== 201 && login.status !== 401) return { unknown: `Keystone answered ${login.status} to a login` };
    const { role_assignments } = good(yield assignments(user.id)) as Assignments;
    return {
      enabled: (user as Named & { enabled: boolean }).enabled,
      password: login.status === 201 ? 'current' : 'other',
      roles: held(role_assignments, domain!).map(told).toSorted(),
    };
  },
  *apply(p, change) {
    const differs = new Set(change.differences.map((difference) => difference.key));
    const domain = yield* domainOf(p.domain);
    if (domain === undefined) throw new Error(`There is no domain ${p.domain!}`);
    let user = one(good(yield users(domain, p.user)), 'users', p.user);
    if (!user) {
      const body = { user: { name: p.user, domain_id: domain, enabled: true, password: p.password } };
      user = (good(yield { service: 'identity', method: 'POST', path: '/v3/users', body }) as { user: Named }).user;
    } else if (differs.has('password') || differs.has('enabled')) {
      const body = { user: { enabled: true, ...(differs.has('password') ? { password: p.password } : {}) } };
      good(yield { service: 'identity', method: 'PATCH', path: `/v3/users/${user.id}`, body });
    }
    if (!differs.has('roles')) return;
    const { role_assignments } = good(yield assignments(user.id)) as Assignments;
    const present = held(role_assignments, domain);
    const is = new Set(present.map(told));
    for (const wanted of wantedOf(p).filter((one) => !is.has(told(one)))) {
      const role = one(good(yield get(`/v3/roles?name=${encodeURIComponent(wanted.role)}`)), 'roles', wanted.role);
      if (!role) throw new Error(`There is no role ${wanted.role}`);
      let place = `domains/${domain}`;
      if (wanted.project !== undefined) {
        const found = good(yield get(`/v3/projects?domain_id=default&name=${encodeURIComponent(wanted.project)}`));
        const project = one(found, 'projects', wanted.project);
        if (!project) throw new Error(`There is no project ${wanted.project} in the default domain`);
        place = `projects/${project.id}`;
      }
      good(yield { service: 'identity', method: 'PUT', path: `/v3/${place}/users/${user.id}/roles/${role.id}` });
    }
    const wanted = new Set(wantedOf(p).map(told));
    for (const { id, place } of present.filter((one) => !wanted.has(told(one)))) {
      good(yield { service: 'identity', method: 'DELETE', path: `/v3/${place}/users/${user.id}/roles/${id}` });
    }
  },
});

/** A role on a project of the default domain or, without one, on the user's own domain. */
interface Wanted {
  readonly role: string;
  readonly project?: string;
}

function wantedOf(p: { readonly roles: readonly Wanted[]; readonly domain_roles: readonly string[] }): readonly Wanted[] {
  return [...p.roles, ...p.domain_roles.map((role) => ({ role }))];
}

/** The id of a domain; undefined: there is none of this name. */
function* domainOf(name: string | undefined): Generator<ApiRequest, string | undefined, ApiAnswer> {
  if (name === undefined) return 'default';
  return one(good(yield get(`/v3/domains?name=${encodeURIComponent(name)}`)), 'domains', name)?.id;
}

function users(domain: string, name: string): ApiRequest {
  return get(`/v3/users?domain_id=${domain}&name=${encodeURIComponent(name)}`);
}

function get(path: string): ApiRequest {
  return { service: 'identity', method: 'GET', path };
}

function assignments(user: string): ApiRequest {
  return get(`/v3/role_assignments?user.id=${user}&include_names=true`);
}

/** Roles on projects of the default domain and on the user's own, with where these are. */
function held(all: Assignments['role_assignments'], domain: string): (Wanted & { readonly id: string; readonly place: string })[] {
  return all.flatMap(({ role: { id, name }, scope: { project, domain: whole } }) => {
    if (project?.domain.id === 'default') return [{ role: name, project: project.name, id, place: `projects/${project.id}` }];
    return whole?.id === domain ? [{ role: name, id, place: `domains/${domain}` }] : [];
  });
}

function attempt(id: string, password: Text): unknown {
  return { auth: { identity: { methods: ['password'], password: { user: { id, password } } }, scope: 'unscoped' } };
}

function told(one: Wanted): string {
  return one.project === undefined ? `${one.role} on its domain` : `${one.role} on ${one.project}`;
}

function good(answer: ApiAnswer): unknown {
  if (answer.status >= 300) throw new Error(`Keystone answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

// Databases compare names without case; the catalogue does not.
function one(body: unknown, list: string, name: string): Named | undefined {
  return (body as Record<string, readonly Named[] | undefined>)[list]?.find((item) => item.name === name);
}
