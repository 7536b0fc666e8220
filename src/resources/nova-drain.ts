import { defineApiResource, type Found } from './define.ts';
import { call, migrationsFrom, type Talk } from './openstack.ts';

interface Server {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly 'OS-EXT-SRV-ATTR:host': string | null;
  readonly 'OS-EXT-STS:task_state': string | null;
}

/** Seconds between two looks. */
const pace = 3;

/**
 * No machine runs on a host any more: they are moved to others without being stopped, or waited for. Machines that are shut
 * off stay: nobody notices what happens to their host.
 */
export const novaDrain = defineApiResource({
  type: 'nova-drain',
  summary: 'No machine runs on a compute host: those that do are moved to other hosts while they run, or waited for.',
  nameParam: 'host',
  params: {
    type: 'object',
    required: ['host'],
    additionalProperties: false,
    properties: {
      host: { type: 'string', minLength: 1, description: 'The host, as Nova knows it. Its compute service should be disabled.' },
      by: { type: 'string', enum: ['live-migrate', 'wait'], default: 'live-migrate', description: 'What is done about machines that run.' },
      within: { type: 'integer', minimum: 1, default: 3600, description: 'Seconds to wait until they are gone.' },
    },
  },
  desired: () => ({ machines: [] }),
  *look(p): Talk<Found> {
    return { machines: (yield* running(p.host)).map(({ name }) => name).toSorted() };
  },
  *apply(p): Talk<void> {
    const asked = new Set<string>();
    const seen = new Map<string, Server>();
    let left = yield* running(p.host);
    for (let waited = 0; left.length > 0 && waited < p.within; waited += pace) {
      for (const server of left) seen.set(server.id, server);
      if (p.by === 'live-migrate') yield* move(left, asked);
      left = yield* running(p.host, pace);
      if (left.length > 0) continue;
      const under = (yield* migrationsFrom(p.host)).flatMap(({ instance_uuid: id }) => seen.get(id) ?? []);
      left = under.map((server) => ({ ...server, 'OS-EXT-STS:task_state': 'migrating' }));
    }
    const names = left.map(({ name }) => name).join(', ');
    if (left.length > 0)
      throw new Error(`After ${p.within} s there are still machines on ${p.host}, or on their way from there as Nova counts: ${names}`);
  },
});

/** Asks Nova to move those that nobody has been asked to move yet; one that is back to rest where it was has not been moved. */
function* move(servers: readonly Server[], asked: Set<string>): Talk<void> {
  for (const { id, name, 'OS-EXT-STS:task_state': task } of servers) {
    if (task !== null) continue;
    if (asked.has(id)) throw new Error(`Nova could not move the machine ${name} (${id}): see its migrations and events`);
    const body = { 'os-migrateLive': { host: null, block_migration: 'auto' } };
    yield* call({ service: 'compute', method: 'POST', path: `/v2.1/servers/${id}/action`, body, microversion: '2.30' });
    asked.add(id);
  }
}

/** Asked again in this many seconds where it says so. */
function* running(host: string, wait?: number): Talk<readonly Server[]> {
  const servers = yield* call<readonly Server[]>({
    service: 'compute',
    method: 'GET',
    path: `/v2.1/servers/detail?all_tenants=1&host=${encodeURIComponent(host)}`,
    list: 'servers',
    ...(wait === undefined ? {} : { wait }),
  });
  // A machine that is being made or moved here counts, too.
  return servers.filter(
    (server) => server['OS-EXT-SRV-ATTR:host'] === host && !['SHUTOFF', 'ERROR', 'SHELVED_OFFLOADED'].includes(server.status),
  );
}
