import { printable } from '../base/printable.ts';
import type { ApiAnswer, ApiRequest } from './define.ts';

/** A talk with OpenStack's APIs that ends with a T. */
export type Talk<T> = Generator<ApiRequest, T, ApiAnswer>;

/** What the APIs call themselves in their documentation. */
const names: Readonly<Record<string, string>> = {
  identity: 'Keystone',
  image: 'Glance',
  compute: 'Nova',
  network: 'Neutron',
  volumev3: 'Cinder',
  orchestration: 'Heat',
  metric: 'Gnocchi',
  placement: 'Placement',
};

/** Why a compute host is closed for machines that the inventory says is absent: by it, Cellwise knows its own doing. */
export const leavingReason = 'leaves the cloud, says the inventory';

/** Sends a request and gives the body of its answer; throws what the service had against it. */
export function* call<T>(request: ApiRequest): Talk<T> {
  const { status, body } = yield request;
  if (status < 300) return body as T;
  throw new Error(`${names[request.service] ?? request.service} answered ${status}${said(body)}`);
}

/** The one item of a list that has these values; undefined when there is none. */
export function* find<T extends { readonly id: string }>(request: ListRequest, what: string): Talk<T | undefined> {
  const found = yield* call<readonly T[]>({ method: 'GET', ...request });
  if (found.length > 1)
    throw new Error(`There are ${found.length} of ${what}, and names tell them apart: ${found.map(({ id }) => id).join(', ')}`);
  return found[0];
}

type ListRequest = Pick<ApiRequest, 'service' | 'path' | 'microversion'> & Required<Pick<ApiRequest, 'list' | 'where'>>;

/** The id of a project of the default domain; undefined when there is none. */
export function* projectId(name: string): Talk<string | undefined> {
  const where = { domain_id: 'default', name };
  return (yield* find({ service: 'identity', path: '/v3/projects', list: 'projects', where }, `the project ${name}`))?.id;
}

/** A network by its name and its project's; undefined when there is none. */
export function* networkIn(project: string, name: string): Talk<Owned | undefined> {
  const project_id = yield* projectId(project);
  if (project_id === undefined) return undefined;
  const where = { project_id, name };
  return yield* find<Owned>({ service: 'network', path: '/v2.0/networks', list: 'networks', where }, `the network ${name} in its project`);
}

/** Its id. */
export function* networkId(project: string, name: string): Talk<string | undefined> {
  return (yield* networkIn(project, name))?.id;
}

interface Owned {
  readonly id: string;
  readonly project_id: string;
}

/** A machine's way from one compute host to another. */
export interface Migration {
  readonly uuid: string;
  readonly instance_uuid: string;
  readonly status: string;
  /** migration and resize stop the machine; an evacuation is from a host that is dead. */
  readonly migration_type: 'live-migration' | 'migration' | 'resize' | 'evacuation';
}

/** By them Nova knows that a migration is over, as a compute service is not deleted before. */
const over = new Set(['confirmed', 'reverted', 'error', 'failed', 'completed', 'cancelled', 'done']);

/**
 * The migrations away from a host that Nova counts as under way. A live one goes on for some seconds when the machine is the
 * other host's already: its nova-compute must not end before.
 */
export function* migrationsFrom(host: string): Talk<readonly Migration[]> {
  const { migrations } = yield* call<{ migrations: readonly Migration[] }>({
    service: 'compute',
    method: 'GET',
    path: `/v2.1/os-migrations?source_compute=${encodeURIComponent(host)}`,
    microversion: '2.59',
  });
  return migrations.filter(({ status }) => !over.has(status));
}

/** What must be there, e.g. before something is put into it. */
export function must<T>(found: T | undefined, what: string): T {
  if (found === undefined) throw new Error(`There is no ${what}`);
  return found;
}

/** What a service says about a request that it refuses; each of them packs it otherwise. */
function said(body: unknown): string {
  if (body === undefined || body === '') return '';
  if (typeof body === 'string')
    return `: ${printable(body, 100_000)
      .replaceAll(/<[^<>]*>|\s+/g, ' ')
      .trim()
      .slice(0, 500)}`;
  const { message } = { message: undefined, ...(Object.values(body ?? {})[0] as object | undefined) };
  return `: ${printable(typeof message === 'string' ? message : JSON.stringify(body), 2000)}`;
}
