import type { State } from '../base/state.ts';
import { defineApiResource } from './define.ts';
import { call, must, projectId, type Talk } from './openstack.ts';

/** What is limited, by service: our word, and the service's own. */
const limits = {
  compute: {
    instances: 'instances',
    cores: 'cores',
    ram: 'ram',
    key_pairs: 'key_pairs',
    metadata_items: 'metadata_items',
    server_groups: 'server_groups',
    server_group_members: 'server_group_members',
  },
  network: {
    networks: 'network',
    subnets: 'subnet',
    ports: 'port',
    routers: 'router',
    floating_ips: 'floatingip',
    security_groups: 'security_group',
    security_group_rules: 'security_group_rule',
  },
  volumev3: {
    volumes: 'volumes',
    snapshots: 'snapshots',
    gigabytes: 'gigabytes',
    per_volume_gigabytes: 'per_volume_gigabytes',
    backups: 'backups',
    backup_gigabytes: 'backup_gigabytes',
  },
} as const;

const places = {
  compute: { path: '/v2.1/os-quota-sets', body: 'quota_set' },
  network: { path: '/v2.0/quotas', body: 'quota' },
  volumev3: { path: '/v3/os-quota-sets', body: 'quota_set' },
} as const;

type Service = keyof typeof limits;
const services = Object.keys(limits) as Service[];

/** The service that limits something, e.g. network for floating_ips. */
export function quotaService(limit: string): string | undefined {
  return services.find((service) => Object.hasOwn(limits[service], limit));
}

/** How much a project may have. What is not named is nobody's business. */
export const quota = defineApiResource({
  type: 'quota',
  summary: 'How much of what a project may have.',
  nameParam: 'project',
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['project', 'limits'],
    additionalProperties: false,
    properties: {
      project: { type: 'string', description: 'A project of the default domain.' },
      limits: {
        type: 'object',
        additionalProperties: false,
        properties: Object.fromEntries(
          services.flatMap((service) => Object.keys(limits[service]).map((name) => [name, { type: 'integer', minimum: -1 } as const])),
        ),
        description: 'By name: the most that it may have; -1: no limit. `ram` is in MiB.',
      },
    },
  },
  desired: (p): State => p.limits as State,
  *look(p) {
    const project = yield* projectId(p.project);
    if (project === undefined) return null;
    const state: Record<string, number | null> = {};
    for (const service of services) {
      const names = Object.entries(limits[service]).filter(([name]) => name in p.limits);
      if (names.length === 0) continue;
      const now = yield* limitsOf(service, project);
      for (const [name, theirs] of names) state[name] = now[theirs] ?? null;
    }
    return state;
  },
  *apply(p, { differences }) {
    const project = must(yield* projectId(p.project), `project ${p.project}`);
    for (const service of services) {
      const wanted = differences.flatMap(({ key, after }) => {
        const theirs: string | undefined = (limits[service] as Readonly<Record<string, string>>)[key];
        return theirs === undefined ? [] : [[theirs, after] as const];
      });
      if (wanted.length === 0) continue;
      const { path, body } = places[service];
      yield* call({ service, method: 'PUT', path: `${path}/${project}`, body: { [body]: Object.fromEntries(wanted) } });
    }
  },
});

function* limitsOf(service: Service, project: string): Talk<Readonly<Record<string, number>>> {
  const { path, body } = places[service];
  const answer = yield* call<Readonly<Record<string, Readonly<Record<string, number>>>>>({
    service,
    method: 'GET',
    path: `${path}/${project}`,
  });
  return answer[body]!;
}
