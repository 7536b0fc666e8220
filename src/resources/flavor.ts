import type { State } from '../base/state.ts';
import { defineApiResource } from './define.ts';
import { call, find, must, projectId, type Talk } from './openstack.ts';

interface Flavor {
  readonly id: string;
  readonly name: string;
  readonly vcpus: number;
  readonly ram: number;
  readonly disk: number;
  readonly 'OS-FLV-EXT-DATA:ephemeral': number;
  /** Older releases answer '' for none. */
  readonly swap: number | '';
  readonly 'os-flavor-access:is_public': boolean;
  readonly extra_specs: Readonly<Record<string, string>>;
}

const sizes = ['vcpus', 'ram', 'disk', 'ephemeral', 'swap', 'public'] as const;

/** A size of servers. Servers keep a copy of the flavor that they were made with, so removing one takes nothing from them. */
export const flavor = defineApiResource({
  type: 'flavor',
  summary: 'A size of servers that users choose from.',
  nameParam: 'flavor',
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['flavor', 'vcpus', 'ram', 'disk'],
    additionalProperties: false,
    properties: {
      flavor: { type: 'string', minLength: 1, maxLength: 255, description: 'Its name.' },
      vcpus: { type: 'integer', minimum: 1, description: 'Virtual processors.' },
      ram: { type: 'integer', minimum: 1, description: 'Memory in MiB.' },
      disk: { type: 'integer', minimum: 0, description: 'Root disk in GiB; 0: as large as the image.' },
      ephemeral: { type: 'integer', minimum: 0, default: 0, description: 'A second disk in GiB that ends with the server.' },
      swap: { type: 'integer', minimum: 0, default: 0, description: 'A swap disk in MiB.' },
      public: { type: 'boolean', default: true, description: 'Everybody may use it; false: the projects that are listed.' },
      projects: { type: 'array', items: { type: 'string' }, uniqueItems: true, description: 'Who may use one that is not public.' },
      extra_specs: {
        type: 'object',
        additionalProperties: { type: 'string' },
        description: 'What the scheduler and the hypervisor read: exactly these. Nobody’s business when left out.',
      },
      absent: { type: 'boolean', default: false, description: 'True: it must not be there. Servers that have it keep it.' },
    },
  },
  desired: (p): State | null =>
    p.absent
      ? null
      : {
          ...Object.fromEntries(sizes.map((key) => [key, p[key]])),
          ...(p.extra_specs ? { extra_specs: p.extra_specs } : {}),
          ...(p.projects ? { projects: p.projects.toSorted() } : {}),
        },
  cannot: (_, { before, after, differences }) => {
    const fixed = differences.map(({ key }) => key).filter((key) => (sizes as readonly string[]).includes(key));
    if (!before || !after || fixed.length === 0) return undefined;
    return `Nova cannot change ${fixed.join(', ')} of a flavor: give the new one another name, or remove this one first (absent: true)`;
  },
  *look(p) {
    const known = yield* flavorOf(p.flavor);
    if (!known) return null;
    return {
      vcpus: known.vcpus,
      ram: known.ram,
      disk: known.disk,
      ephemeral: known['OS-FLV-EXT-DATA:ephemeral'],
      swap: known.swap || 0,
      public: known['os-flavor-access:is_public'],
      extra_specs: known.extra_specs,
      ...(p.projects && !known['os-flavor-access:is_public'] ? { projects: yield* projectsOf(known.id, p.projects) } : {}),
    };
  },
  *apply(p, change) {
    let known = yield* flavorOf(p.flavor);
    if (p.absent) {
      if (known) yield* call({ service: 'compute', method: 'DELETE', path: `/v2.1/flavors/${known.id}` });
      return;
    }
    if (!known) {
      const body = {
        flavor: {
          name: p.flavor,
          vcpus: p.vcpus,
          ram: p.ram,
          disk: p.disk,
          'OS-FLV-EXT-DATA:ephemeral': p.ephemeral,
          swap: p.swap,
          'os-flavor-access:is_public': p.public,
        },
      };
      const made = yield* call<{ flavor: Flavor }>({ service: 'compute', method: 'POST', path: '/v2.1/flavors', body });
      known = { ...made.flavor, extra_specs: {} };
    }
    const differs = new Set(change.differences.map(({ key }) => key));
    if (differs.has('extra_specs')) yield* setSpecs(known, p.extra_specs ?? {});
    if (differs.has('projects')) yield* setProjects(known.id, p.projects ?? []);
  },
});

// One list serves all flavors of an inventory; Nova has no way to ask for one by its name.
function* flavorOf(name: string): Talk<Flavor | undefined> {
  return yield* find<Flavor>(
    { service: 'compute', path: '/v2.1/flavors/detail?is_public=None', microversion: '2.61', list: 'flavors', where: { name } },
    `the flavor ${name}`,
  );
}

/** Names of the projects that may use a flavor: of those that are wanted, and ids of others. */
function* projectsOf(flavor: string, wanted: readonly string[]): Talk<readonly string[]> {
  const ids = yield* accessOf(flavor);
  const names = new Map<string | undefined, string>();
  for (const name of wanted) names.set(yield* projectId(name), name);
  return ids.map((id) => names.get(id) ?? id).toSorted();
}

function* accessOf(flavor: string): Talk<readonly string[]> {
  const path = `/v2.1/flavors/${flavor}/os-flavor-access`;
  const { flavor_access } = yield* call<{ flavor_access: readonly { tenant_id: string }[] }>({ service: 'compute', method: 'GET', path });
  return flavor_access.map(({ tenant_id }) => tenant_id);
}

function* setSpecs(flavor: Flavor, wanted: Readonly<Record<string, string>>): Talk<void> {
  const path = `/v2.1/flavors/${flavor.id}/os-extra_specs`;
  if (Object.keys(wanted).length > 0) yield* call({ service: 'compute', method: 'POST', path, body: { extra_specs: wanted } });
  for (const name of Object.keys(flavor.extra_specs)) {
    if (!Object.hasOwn(wanted, name)) yield* call({ service: 'compute', method: 'DELETE', path: `${path}/${encodeURIComponent(name)}` });
  }
}

function* setProjects(flavor: string, wanted: readonly string[]): Talk<void> {
  const is = new Set(yield* accessOf(flavor));
  const should = new Set<string>();
  for (const name of wanted) should.add(must(yield* projectId(name), `project ${name}`));
  const act = (action: string, tenant: string) =>
    call({ service: 'compute', method: 'POST', path: `/v2.1/flavors/${flavor}/action`, body: { [action]: { tenant } } });
  for (const id of should) if (!is.has(id)) yield* act('addTenantAccess', id);
  for (const id of is) if (!should.has(id)) yield* act('removeTenantAccess', id);
}
