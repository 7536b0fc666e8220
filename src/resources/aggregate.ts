import type { State } from '../base/state.ts';
import { defineApiResource, type Found } from './define.ts';
import { call, must, projectId, type Talk } from './openstack.ts';

interface Aggregate {
  readonly id: number;
  readonly name: string;
  readonly availability_zone: string | null;
  readonly hosts: readonly string[];
  /** Of a zone's aggregate with the zone's name among them. */
  readonly metadata: Readonly<Record<string, string>>;
}

const owned = ['filter_tenant_id', 'instance_type'];

/** Compute hosts that have something in common, for the scheduler to go by. */
export const aggregate = defineApiResource({
  type: 'aggregate',
  summary: 'Compute hosts that have something in common, which the scheduler goes by: exactly these hosts, and exactly this metadata.',
  nameParam: 'aggregate',
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['aggregate', 'hosts'],
    additionalProperties: false,
    properties: {
      aggregate: { type: 'string', minLength: 1, maxLength: 255, description: 'Its name; not that of an availability zone.' },
      hosts: { type: 'array', items: { type: 'string' }, uniqueItems: true, description: 'The hosts, as Nova knows them.' },
      metadata: {
        type: 'object',
        additionalProperties: { type: 'string' },
        default: {},
        description: 'What flavors ask for by extra specs of the scope aggregate_instance_extra_specs.',
      },
      projects: {
        type: 'array',
        items: { type: 'string' },
        uniqueItems: true,
        description: 'Only machines of these projects may be on the hosts. Everybody’s when left out.',
      },
      flavors: {
        type: 'array',
        items: { type: 'string' },
        uniqueItems: true,
        description: 'Only machines of these flavors may be on the hosts. All when left out.',
      },
      absent: { type: 'boolean', default: false, description: 'True: it must not be there. Machines stay where they are.' },
    },
  },
  desired: (p): State | null =>
    p.absent
      ? null
      : {
          hosts: p.hosts.toSorted(),
          metadata: p.metadata,
          projects: p.projects?.toSorted() ?? [],
          flavors: p.flavors?.toSorted() ?? [],
        },
  cannot: (p, { before }) =>
    before?.['zone'] === undefined ? undefined : `${p.aggregate} is an availability zone: give the aggregate another name`,
  *look(p): Talk<Found> {
    const found = (yield* aggregates()).find(({ name }) => name === p.aggregate);
    if (!found) return null;
    const { filter_tenant_id: projects = '', instance_type: flavors = '' } = found.metadata;
    const names = new Map<string, string>();
    for (const name of p.projects ?? []) {
      const id = yield* projectId(name);
      if (id !== undefined) names.set(id, name);
    }
    return {
      hosts: found.hosts.toSorted(),
      metadata: Object.fromEntries(Object.entries(found.metadata).filter(([key]) => ![...owned, 'availability_zone'].includes(key))),
      projects: list(projects)
        .map((id) => names.get(id) ?? id)
        .toSorted(),
      flavors: list(flavors).toSorted(),
      ...(found.availability_zone === null ? {} : { zone: found.availability_zone }),
    };
  },
  *apply(p) {
    let found = (yield* aggregates()).find(({ name }) => name === p.aggregate);
    if (!found) {
      const made = yield* call<{ aggregate: Omit<Aggregate, 'hosts' | 'metadata'> }>({
        ...nova,
        method: 'POST',
        path: '/v2.1/os-aggregates',
        body: { aggregate: { name: p.aggregate } },
      });
      found = { ...made.aggregate, hosts: [], metadata: {} };
    }
    const { id, hosts, metadata } = found;
    const act = (body: unknown) => call({ ...nova, method: 'POST', path: `/v2.1/os-aggregates/${id}/action`, body });
    const wanted = p.absent ? [] : p.hosts;
    // What it asks for is there before a host is in it.
    const ids: string[] = [];
    for (const name of p.projects ?? []) ids.push(must(yield* projectId(name), `project ${name}`));
    const should: Readonly<Record<string, string>> = {
      ...p.metadata,
      ...(ids.length > 0 ? { filter_tenant_id: ids.join(',') } : {}),
      ...(p.flavors && p.flavors.length > 0 ? { instance_type: p.flavors.join(',') } : {}),
    };
    const changes = Object.entries(should).filter(([key, value]) => metadata[key] !== value);
    const gone = Object.keys(metadata).filter((key) => !(key in should) && key !== 'availability_zone');
    if (!p.absent && changes.length + gone.length > 0)
      yield* act({ set_metadata: { metadata: { ...Object.fromEntries(changes), ...Object.fromEntries(gone.map((key) => [key, null])) } } });
    for (const host of hosts.filter((each) => !wanted.includes(each))) yield* act({ remove_host: { host } });
    for (const host of wanted.filter((each) => !hosts.includes(each))) yield* act({ add_host: { host } });
    if (p.absent) yield* call({ ...nova, method: 'DELETE', path: `/v2.1/os-aggregates/${id}` });
  },
});

const nova = { service: 'compute' } as const;

function* aggregates(): Talk<readonly Aggregate[]> {
  return (yield* call<{ aggregates: readonly Aggregate[] }>({ ...nova, method: 'GET', path: '/v2.1/os-aggregates' })).aggregates;
}

function list(text: string): string[] {
  return text === '' ? [] : text.split(',');
}
