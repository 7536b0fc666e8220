import type { ApiRequest, Login } from '../resources/define.ts';
import { call, find, must } from '../resources/openstack.ts';
import type { Attempt } from './define.ts';
import { container, pathOf } from './storage.ts';

/** Names of the projects, users and keys that are made for a run begin so; whatever is called so can be removed. */
const prefix = 'cellwise-verify-';

/** A project of a run, this one or one that was cut off. */
export interface Guest {
  readonly id: string;
  readonly name: string;
}

export function guestName(run: string): string {
  return prefix + run.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}

const admins = { service: 'identity', method: 'GET' } as const;

/** Projects that runs before this one have left. */
export function* leftGuests(): Attempt<readonly Guest[]> {
  const projects = yield* call<readonly Guest[]>({ ...admins, path: '/v3/projects', list: 'projects' });
  return projects.filter(({ name }) => name.startsWith(prefix));
}

/** Makes a project, with its user in it, and room for a server on every compute host. `services`: those that the cloud has. */
export function* invite(user: Login, administrator: string, publicKey: string, services: ReadonlySet<string>): Attempt<Guest> {
  const about = { name: user.project, domain_id: 'default', description: 'Made by `cellwise verify`, which removes it.' };
  const { project } = yield* call<{ project: Guest }>({ ...admins, method: 'POST', path: '/v3/projects', body: { project: about } });
  const { id } = project;
  yield* admit(id, administrator);
  const login = { name: user.user, password: user.password, domain_id: 'default', default_project_id: id };
  const made = yield* call<{ user: { id: string } }>({ ...admins, method: 'POST', path: '/v3/users', body: { user: login } });
  yield* grant(id, made.user.id, 'member');
  const none = -1;
  for (const [service, path, body] of [
    ['compute', `/v2.1/os-quota-sets/${id}`, { quota_set: { instances: none, cores: none, ram: none } }],
    ['network', `/v2.0/quotas/${id}`, { quota: { port: none, floatingip: none, security_group: none, security_group_rule: none } }],
  ] as const) {
    if (services.has(service)) yield* call({ service, method: 'PUT', path, body });
  }
  // Servers are made by the administrator, because only they may say where; so the key is theirs.
  const keypair = { name: user.project, public_key: publicKey };
  if (services.has('compute')) yield* call({ service: 'compute', method: 'POST', path: '/v2.1/os-keypairs', body: { keypair } });
  return project;
}

/** Lets the administrator into a project, to see and remove what is in it. */
function* admit(project: string, administrator: string): Attempt<void> {
  const where = { name: administrator, domain_id: 'default' };
  const user = must(
    yield* find({ ...admins, path: '/v3/users', list: 'users', where }, `the user ${administrator}`),
    `user ${administrator}`,
  );
  yield* grant(project, user.id, 'admin');
}

function* grant(project: string, user: string, role: string): Attempt<void> {
  const found = yield* find({ ...admins, path: '/v3/roles', list: 'roles', where: { name: role } }, `the role ${role}`);
  const path = `/v3/projects/${project}/users/${user}/roles/${must(found, `role ${role}`).id}`;
  yield* call({ ...admins, method: 'PUT', path });
}

interface Item {
  readonly id: string;
  readonly [name: string]: unknown;
}

/** What can be in a project, in the order in which it can go. */
interface Kind {
  readonly service: string;
  readonly what: string;
  /** Where all of a project are listed, and under which name; asked as the administrator in the project. */
  readonly path: (project: string) => string;
  /** The list's name in the answer; left out: the answer is the list. */
  readonly list?: string;
  readonly remove: (item: Item, project: string) => Pick<ApiRequest, 'method' | 'path' | 'body'>;
  /** Which of the list; all when left out. */
  readonly meant?: (item: Item, project: string) => boolean;
  /** Asking for the list makes another: not asked again. */
  readonly once?: boolean;
}

const gone = (path: string): ReturnType<Kind['remove']> => ({ method: 'DELETE', path });
const ofNetwork = (list: string, what: string): Kind => ({
  service: 'network',
  what,
  path: (project) => `/v2.0/${list}?project_id=${project}`,
  list,
  remove: ({ id }) => gone(`/v2.0/${list}/${id}`),
});

const kinds: readonly Kind[] = [
  {
    service: 'orchestration',
    what: 'stacks',
    path: (project) => `/v1/${project}/stacks`,
    list: 'stacks',
    remove: ({ id, stack_name }, project) => gone(`/v1/${project}/stacks/${String(stack_name)}/${id}`),
  },
  {
    service: 'compute',
    what: 'servers',
    path: () => '/v2.1/servers',
    list: 'servers',
    remove: ({ id }) => gone(`/v2.1/servers/${id}`),
  },
  {
    service: 'volumev3',
    what: 'volumes',
    path: (project) => `/v3/${project}/volumes`,
    list: 'volumes',
    remove: ({ id }, project) => gone(`/v3/${project}/volumes/${id}`),
  },
  {
    service: 'object-store',
    what: 'objects',
    path: (project) => `${pathOf(project, container)}?format=json`,
    remove: ({ name }, project) => gone(pathOf(project, container, String(name))),
  },
  {
    service: 'object-store',
    what: 'containers',
    path: (project) => `${pathOf(project)}?format=json`,
    remove: ({ name }, project) => gone(pathOf(project, String(name))),
  },
  {
    service: 'image',
    what: 'images',
    path: (project) => `/v2/images?owner=${project}`,
    list: 'images',
    remove: ({ id }) => gone(`/v2/images/${id}`),
    meant: ({ owner }, project) => owner === project,
  },
  ofNetwork('floatingips', 'floating IPs'),
  {
    ...ofNetwork('ports', 'interfaces of routers'),
    path: (project) => `/v2.0/ports?project_id=${project}&device_owner=network:router_interface`,
    remove: ({ id, device_id }) => ({
      method: 'PUT',
      path: `/v2.0/routers/${String(device_id)}/remove_router_interface`,
      body: { port_id: id },
    }),
  },
  ofNetwork('routers', 'routers'),
  { ...ofNetwork('ports', 'ports'), path: (project) => `/v2.0/ports?project_id=${project}&device_owner=` },
  ofNetwork('networks', 'networks'),
  // Neutron gives a project its default group whenever somebody asks for the groups of the project.
  {
    ...ofNetwork('security-groups', 'security groups'),
    path: () => '/v2.0/security-groups?fields=id&fields=project_id',
    list: 'security_groups',
    meant: ({ project_id }, project) => project_id === project,
    once: true,
  },
  // Gnocchi keeps what was measured of machines that are gone. It gives a thousand at most: the newest.
  {
    service: 'metric',
    what: 'measured things',
    path: () => '/v1/resource/generic?sort=started_at:desc',
    remove: ({ id }) => gone(`/v1/resource/generic/${id}`),
    meant: ({ project_id }, project) => project_id === project,
  },
];

/**
 * Removes a guest with all that is in its project. Returns what would not go, empty when nothing is left; the project stays
 * then, so that the next run finds it. `admin`: the administrator in the project.
 */
export function* dismiss({ id, name }: Guest, admin: Login, services: ReadonlySet<string>): Attempt<readonly string[]> {
  yield* admit(id, admin.user);
  for (const kind of kinds.filter(({ service }) => services.has(service))) {
    const left = yield* clear(kind, id, admin);
    if (left !== undefined) return [left];
  }
  for (const [service, path] of [
    ['compute', `/v2.1/os-keypairs/${name}`],
    ['compute', `/v2.1/os-quota-sets/${id}`],
    ['network', `/v2.0/quotas/${id}`],
  ] as const) {
    if (services.has(service)) yield* removed({ service, method: 'DELETE', path });
  }
  const users = yield* call<readonly Item[]>({ ...admins, path: '/v3/users', list: 'users', where: { name } });
  for (const user of users) yield* removed({ ...admins, method: 'DELETE', path: `/v3/users/${user.id}` });
  yield* removed({ ...admins, method: 'DELETE', path: `/v3/projects/${id}` });
  return [];
}

// Looks at what is left: a server takes its time to go.
const looks = 60;

/** Removes all of a kind; returns what is left after some looks. */
function* clear({ service, what, path, list, remove, meant, once }: Kind, project: string, auth: Login): Attempt<string | undefined> {
  const refused = new Map<string, string>();
  for (let look = 0; ; look++) {
    const answer = yield { service, method: 'GET', path: path(project), auth, ...(list === undefined ? {} : { list }) };
    if (answer.status >= 300 && answer.status !== 404) return `${what}: asking for them is answered ${answer.status}`;
    const items = answer.status === 404 ? [] : (answer.body as readonly Item[]);
    const left = items.filter((item) => meant?.(item, project) ?? true);
    if (left.length === 0) return undefined;
    if (look === looks) return `${left.length} ${what}: ${[...refused.values()][0] ?? left.map(({ id }) => id).join(', ')}`;
    // Asked for once more now and then: what others hold cannot go at first.
    for (const item of look % 5 === 0 ? left : []) {
      const { status, body } = yield { service, auth, ...remove(item, project) };
      if (status >= 300 && status !== 404) refused.set(item.id, `${status} ${JSON.stringify(body)}`);
      else refused.delete(item.id);
    }
    if (once) return refused.size > 0 ? `${refused.size} ${what}: ${[...refused.values()][0]!}` : undefined;
    yield { deed: 'wait', for: `${left.length} ${what} to go` };
  }
}

/** Removes one thing, which may be gone already. */
function* removed(request: ApiRequest): Attempt<void> {
  const { status } = yield request;
  if (status >= 300 && status !== 404) throw new Error(`${request.method} ${request.path} was answered ${status}`);
}
