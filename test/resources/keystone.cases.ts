import { Secret } from '../../src/base/secret.ts';
import type { ApiCase, Exchange } from './case.ts';

const password = Secret.of('nova', 'pw');
const get = (path: string, status: number, body?: unknown): Exchange => [{ method: 'GET', path }, status, body];
const projects = '/v3/projects?domain_id=default&name=service';
const users = '/v3/users?domain_id=default&name=nova';
const roles = '/v3/role_assignments?user.id=u1&include_names=true';
const domains = '/v3/domains?name=heat';
const heat = { id: 'd1', name: 'heat', description: '', enabled: true };
const ofHeat = '/v3/users?domain_id=d1&name=nova';
const services = '/v3/services?type=image';
const endpoints = '/v3/endpoints?service_id=s1&region_id=R';
const project = { id: 'p1', name: 'service', description: '', enabled: true, domain: { id: 'default' } };
const admin = { role: { id: 'r1', name: 'admin' }, scope: { project } };
const login: Exchange[0] = {
  method: 'POST',
  path: '/v3/auth/tokens',
  auth: 'none',
  body: { auth: { identity: { methods: ['password'], password: { user: { id: 'u1', password } } }, scope: 'unscoped' } },
};
const user = { user: 'nova', password, roles: [{ role: 'admin', project: 'service' }] };
const image = { service: 'image', name: 'glance', region: 'R', public: 'http://p', internal: 'http://i', admin: 'http://a' };
const endpoint = (name: string, url: string) => ({ id: `e-${name}`, interface: name, url, region_id: 'R', enabled: true });
const glance = { id: 's1', name: 'glance', type: 'image', enabled: true };

export const keystone: readonly ApiCase[] = [
  {
    type: 'keystone-project',
    is: 'absent, but for another case',
    params: { project: 'service' },
    look: [get(projects, 200, { projects: [{ ...project, name: 'Service' }] })],
    found: null,
    differs: ['enabled'],
    apply: [
      get(projects, 200, { projects: [] }),
      [{ method: 'POST', path: '/v3/projects', body: { project: { name: 'service', domain_id: 'default', enabled: true } } }, 201],
    ],
  },
  {
    type: 'keystone-project',
    is: 'the same',
    params: { project: 'service' },
    look: [get(projects, 200, { projects: [project] })],
    found: { enabled: true, description: '' },
    differs: null,
  },
  {
    type: 'keystone-project',
    is: 'another description',
    params: { project: 'service', description: 'x' },
    look: [get(projects, 200, { projects: [project] })],
    found: { enabled: true, description: '' },
    differs: ['description'],
    apply: [
      get(projects, 200, { projects: [project] }),
      [
        {
          method: 'PATCH',
          path: '/v3/projects/p1',
          body: { project: { name: 'service', domain_id: 'default', enabled: true, description: 'x' } },
        },
        200,
      ],
    ],
  },
  {
    type: 'keystone-project',
    is: 'an API in trouble',
    params: { project: 'service' },
    look: [get(projects, 503)],
    found: { unknown: 'Keystone answered 503' },
  },
  {
    type: 'keystone-role',
    is: 'the same',
    params: { role: 'admin' },
    look: [get('/v3/roles?name=admin', 200, { roles: [{ name: 'admin' }] })],
    found: { there: true },
    differs: null,
  },
  {
    type: 'keystone-role',
    is: 'absent',
    params: { role: 'a&b' },
    look: [get('/v3/roles?name=a%26b', 200, { roles: [] })],
    found: null,
    differs: ['there'],
    apply: [[{ method: 'POST', path: '/v3/roles', body: { role: { name: 'a&b' } } }, 201]],
  },
  {
    type: 'keystone-role',
    is: 'an API in trouble',
    params: { role: 'a' },
    look: [get('/v3/roles?name=a', 500)],
    found: { unknown: 'Keystone answered 500' },
  },
  {
    type: 'keystone-user',
    is: 'absent',
    params: user,
    look: [get(users, 200, { users: [] })],
    found: null,
    differs: ['enabled', 'password', 'roles'],
    apply: [
      get(users, 200, { users: [] }),
      [
        { method: 'POST', path: '/v3/users', body: { user: { name: 'nova', domain_id: 'default', enabled: true, password } } },
        201,
        { user: { id: 'u1', name: 'nova' } },
      ],
      get(roles, 200, { role_assignments: [] }),
      get('/v3/roles?name=admin', 200, { roles: [admin.role] }),
      get(projects, 200, { projects: [project] }),
      [{ method: 'PUT', path: '/v3/projects/p1/users/u1/roles/r1' }, 204],
    ],
  },
  {
    type: 'keystone-user',
    is: 'the same',
    params: user,
    look: [
      get(users, 200, { users: [{ id: 'u1', name: 'nova', enabled: true }] }),
      [login, 201],
      get(roles, 200, { role_assignments: [admin] }),
    ],
    found: { enabled: true, password: 'current', roles: ['admin on service'] },
    differs: null,
  },
  {
    type: 'keystone-user',
    is: 'another password, one role too many',
    params: { user: 'nova', password },
    look: [
      get(users, 200, { users: [{ id: 'u1', name: 'nova', enabled: true }] }),
      [login, 401],
      get(roles, 200, { role_assignments: [admin] }),
    ],
    found: { enabled: true, password: 'other', roles: ['admin on service'] },
    differs: ['password', 'roles'],
    apply: [
      get(users, 200, { users: [{ id: 'u1', name: 'nova', enabled: true }] }),
      [{ method: 'PATCH', path: '/v3/users/u1', body: { user: { enabled: true, password } } }, 200],
      get(roles, 200, { role_assignments: [admin] }),
      [{ method: 'DELETE', path: '/v3/projects/p1/users/u1/roles/r1' }, 204],
    ],
  },
  {
    type: 'keystone-user',
    is: 'a login that cannot be judged',
    params: user,
    look: [get(users, 200, { users: [{ id: 'u1', name: 'nova', enabled: true }] }), [login, 500]],
    found: { unknown: 'Keystone answered 500 to a login' },
  },
  { type: 'keystone-user', is: 'an API in trouble', params: user, look: [get(users, 503)], found: { unknown: 'Keystone answered 503' } },
  {
    type: 'keystone-user',
    is: 'absent, of a domain of its own',
    params: { user: 'nova', domain: 'heat', password, domain_roles: ['admin'] },
    look: [get(domains, 200, { domains: [heat] }), get(ofHeat, 200, { users: [] })],
    found: null,
    differs: ['enabled', 'password', 'roles'],
    apply: [
      get(domains, 200, { domains: [heat] }),
      get(ofHeat, 200, { users: [] }),
      [
        { method: 'POST', path: '/v3/users', body: { user: { name: 'nova', domain_id: 'd1', enabled: true, password } } },
        201,
        { user: { id: 'u1', name: 'nova' } },
      ],
      get(roles, 200, { role_assignments: [] }),
      get('/v3/roles?name=admin', 200, { roles: [admin.role] }),
      [{ method: 'PUT', path: '/v3/domains/d1/users/u1/roles/r1' }, 204],
    ],
  },
  {
    type: 'keystone-user',
    is: 'one role too many on its domain; those on other domains are not looked at',
    params: { user: 'nova', domain: 'heat', password },
    look: [
      get(domains, 200, { domains: [heat] }),
      get(ofHeat, 200, { users: [{ id: 'u1', name: 'nova', enabled: true }] }),
      [login, 201],
      get(roles, 200, {
        role_assignments: [
          { role: admin.role, scope: { domain: heat } },
          { role: admin.role, scope: { domain: { id: 'd2', name: 'else' } } },
        ],
      }),
    ],
    found: { enabled: true, password: 'current', roles: ['admin on its domain'] },
    differs: ['roles'],
    apply: [
      get(domains, 200, { domains: [heat] }),
      get(ofHeat, 200, { users: [{ id: 'u1', name: 'nova', enabled: true }] }),
      get(roles, 200, { role_assignments: [{ role: admin.role, scope: { domain: heat } }] }),
      [{ method: 'DELETE', path: '/v3/domains/d1/users/u1/roles/r1' }, 204],
    ],
  },
  {
    type: 'keystone-user',
    is: 'of a domain that is not there yet',
    params: { user: 'nova', domain: 'heat', password },
    look: [get(domains, 200, { domains: [] })],
    found: null,
    differs: ['enabled', 'password', 'roles'],
  },
  {
    type: 'keystone-domain',
    is: 'absent',
    params: { domain: 'heat', description: 'x' },
    look: [get(domains, 200, { domains: [{ ...heat, name: 'HEAT' }] })],
    found: null,
    differs: ['enabled', 'description'],
    apply: [
      get(domains, 200, { domains: [] }),
      [{ method: 'POST', path: '/v3/domains', body: { domain: { name: 'heat', enabled: true, description: 'x' } } }, 201],
    ],
  },
  {
    type: 'keystone-domain',
    is: 'the same',
    params: { domain: 'heat' },
    look: [get(domains, 200, { domains: [heat] })],
    found: { enabled: true, description: '' },
    differs: null,
  },
  {
    type: 'keystone-domain',
    is: 'disabled',
    params: { domain: 'heat' },
    look: [get(domains, 200, { domains: [{ ...heat, enabled: false }] })],
    found: { enabled: false, description: '' },
    differs: ['enabled'],
    apply: [
      get(domains, 200, { domains: [heat] }),
      [{ method: 'PATCH', path: '/v3/domains/d1', body: { domain: { name: 'heat', enabled: true } } }, 200],
    ],
  },
  {
    type: 'keystone-domain',
    is: 'an API in trouble',
    params: { domain: 'heat' },
    look: [get(domains, 503)],
    found: { unknown: 'Keystone answered 503' },
  },
  {
    type: 'keystone-service',
    is: 'absent',
    params: image,
    look: [get(services, 200, { services: [] })],
    found: null,
    differs: ['name', 'enabled', 'public', 'internal', 'admin'],
    apply: [
      get(services, 200, { services: [] }),
      [
        { method: 'POST', path: '/v3/services', body: { service: { type: 'image', name: 'glance', enabled: true } } },
        201,
        { service: glance },
      ],
      get(endpoints, 200, { endpoints: [] }),
      ...(['public', 'internal', 'admin'] as const).map((name): Exchange => [
        {
          method: 'POST',
          path: '/v3/endpoints',
          body: { endpoint: { service_id: 's1', interface: name, region_id: 'R', url: image[name], enabled: true } },
        },
        201,
      ]),
    ],
  },
  {
    type: 'keystone-service',
    is: 'the same',
    params: image,
    look: [
      get(services, 200, { services: [glance] }),
      get(endpoints, 200, { endpoints: [endpoint('public', 'http://p'), endpoint('internal', 'http://i'), endpoint('admin', 'http://a')] }),
    ],
    found: { name: 'glance', enabled: true, description: '', public: 'http://p', internal: 'http://i', admin: 'http://a' },
    differs: null,
  },
  {
    type: 'keystone-service',
    is: 'another URL',
    params: image,
    look: [
      get(services, 200, { services: [glance] }),
      get(endpoints, 200, {
        endpoints: [endpoint('public', 'http://old'), endpoint('internal', 'http://i'), endpoint('admin', 'http://a')],
      }),
    ],
    found: { name: 'glance', enabled: true, description: '', public: 'http://old', internal: 'http://i', admin: 'http://a' },
    differs: ['public'],
    apply: [
      get(services, 200, { services: [glance] }),
      get(endpoints, 200, { endpoints: [endpoint('public', 'http://old')] }),
      [
        {
          method: 'PATCH',
          path: '/v3/endpoints/e-public',
          body: { endpoint: { service_id: 's1', interface: 'public', region_id: 'R', url: 'http://p', enabled: true } },
        },
        200,
      ],
    ],
  },
  {
    type: 'keystone-service',
    is: 'an API in trouble',
    params: image,
    look: [get(services, 503)],
    found: { unknown: 'Keystone answered 503' },
  },
];
