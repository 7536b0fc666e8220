import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { quote } from '../base/command.ts';
import { Invalid, type Problem } from '../base/problem.ts';
import { canonical } from '../base/state.ts';
import { faultsOf } from '../document/check.ts';
import type { Path } from '../document/document.ts';
import { formatOf } from '../inventory/check-files.ts';
import { namesOf, parseRange, type Range } from '../inventory/range.ts';
import type { Image, Inventory, Rule } from '../inventory/types.ts';
import { quotaService } from '../resources/quota.ts';
import type { Role, RoleStep } from '../roles/role.ts';
import { hostsOf, type SecretOf } from './context.ts';

/** What the inventory declares under `resources` is the steps of a role of this name. */
const name = 'resources';

/** The roles that a cloud wants and, where its inventory has resources, the role that makes them. Throws Invalid. */
export function withResources(inventory: Inventory, wanted: readonly Role[], secretOf: SecretOf): readonly Role[] {
  const declared = declare(inventory, secretOf);
  if (declared.length === 0) return wanted;
  const byName = new Map(wanted.map((role) => [role.name, role]));
  const placed = wanted.filter((role) => hostsOf(inventory, role, byName).length > 0);
  return [...wanted, roleOf(inventory, declared, placed)];
}

/** A resource as a step, before it is known which step is which. */
interface Declared {
  readonly type: string;
  readonly name: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly path: Path;
  /** Paths of the resources that must be there first, each with what it is to this one. */
  readonly after: readonly (readonly [path: Path, why: string])[];
  /** The APIs that it talks to, besides Keystone's. */
  readonly apis: readonly string[];
  /** Other roles that must be ready first, where the cloud has them. */
  readonly roles?: readonly string[];
}

function roleOf(inventory: Inventory, declared: readonly Declared[], placed: readonly Role[]): Role {
  const { document } = inventory;
  // By service: the role that offers its API.
  const apis = new Map(placed.flatMap(({ api, name }) => (api ? [[api.service, name] as const] : [])));
  const there = new Set(placed.map((role) => role.name));
  const problems = missingApis(inventory, declared, apis);
  if (problems.length > 0) throw new Invalid(problems);
  const needsOf = (each: Declared): string[] => [
    ...['identity', ...each.apis].map((service) => apis.get(service)!),
    ...(each.roles ?? []).filter((role) => there.has(role)),
  ];
  const index = new Map(declared.map(({ path }, i) => [path.join('\n'), i]));
  const packages = [...new Set(Object.values(inventory.resources.images).flatMap(({ build }) => (build ? builders[build].packages : [])))];
  const installing: RoleStep[] = packages.length === 0 ? [] : [{ ...written('package', packages, {}, ['resources', 'images']) }];
  const steps = declared.map((each): RoleStep => {
    const after = new Map(
      each.after.flatMap(([path, why]) => {
        const at = index.get(path.join('\n'));
        return at === undefined ? [] : [[at + installing.length, why] as const];
      }),
    );
    return { ...written(each.type, each.name, each.params, each.path), apart: { after, needs: needsOf(each) } };
  });
  return {
    name,
    summary: 'What the inventory declares under `resources`.',
    on: ['controller'],
    scope: 'cloud',
    hosts: 'first',
    needs: [...new Set(declared.flatMap(needsOf))],
    after: [],
    reads: [],
    gate: [],
    os: {},
    params: {},
    listens: [],
    steps: [...installing, ...steps],
    health: [],
    verify: [],
    upgrade: nothing,
    place: (path, at) => document.place(path, at),
    faults: (checker, path, value) => faultsOf(checker, document, path, value).map((fault) => document.problem(fault)),
    template: () => {
      throw new TypeError('Resources have no templates');
    },
  };
}

const nothing: Role['upgrade'] = {
  ...{ before: [], backup: [], expand: [], drain: [], restore: [], settle: [], contract: [], after: [] },
  checks: { preflight: [], gate: [], health: [] },
};

function written(type: string, name: unknown, params: RoleStep['params'], path: Path): RoleStep {
  return { type, name, params, once: false, watches: [], during: 'deploy', irreversible: false, path };
}

/** One problem for each section that needs an API which nobody offers. */
function missingApis({ document }: Inventory, declared: readonly Declared[], apis: ReadonlyMap<string, string>): Problem[] {
  const problems = new Map<string, Problem>();
  for (const { path, apis: wanted } of declared) {
    for (const service of ['identity', ...wanted].filter((one) => !apis.has(one))) {
      const section = path.slice(0, 2);
      const message = `${section.join('.')} need the ${service} API, and no role of this cloud offers it`;
      problems.set(message, document.problem({ code: 'no-api', path: section, at: 'key', message }));
    }
  }
  return [...problems.values()];
}

function declare(inventory: Inventory, secretOf: SecretOf): Declared[] {
  const { resources } = inventory;
  const nameOf = (section: 'projects' | 'users' | 'networks' | 'security_groups', key: string): string =>
    resources[section][key]?.name ?? key;
  const project = (key = 'admin'): string => nameOf('projects', key);
  const projectFirst = (key = 'admin'): Declared['after'] => [[['resources', 'projects', key], 'its project']];
  const present = new Set(inventory.hosts.filter(({ state }) => state === 'present').map((host) => host.name));
  const subnets = Object.entries(resources.networks).flatMap(([network, { subnets = {}, ...of }]) =>
    Object.entries(subnets).map(([key, subnet]) => ({
      key,
      subnet,
      network,
      of,
      path: ['resources', 'networks', network, 'subnets', key],
    })),
  );
  const all = <T extends { readonly name?: string }>(
    section: keyof Inventory['resources'],
    entries: Readonly<Record<string, T>>,
    make: (of: Omit<T, 'name'>, key: string) => Omit<Declared, 'name' | 'path'>,
  ): Declared[] =>
    Object.entries(entries).map(([key, { name, ...of }]) => ({ name: name ?? key, path: ['resources', section, key], ...make(of, key) }));

  return [
    ...all('projects', resources.projects, (params) => ({ type: 'keystone-project', params, after: [], apis: [] })),
    ...all('users', resources.users, ({ password, roles = {} }, key) => ({
      type: 'keystone-user',
      params: {
        password: secretOf(password?.secret ?? `resources.users.${key}`),
        roles: Object.entries(roles).flatMap(([of, names]) => names.map((role) => ({ role, project: project(of) }))),
      },
      after: Object.keys(roles).flatMap(projectFirst),
      apis: [],
    })),
    ...Object.entries(resources.quotas).map(([key, limits]) => ({
      type: 'quota',
      name: project(key),
      params: { limits },
      path: ['resources', 'quotas', key],
      after: projectFirst(key),
      apis: [...new Set(Object.keys(limits).flatMap((limit) => quotaService(limit) ?? []))],
    })),
    ...all('images', resources.images, ({ project: owner, ...image }) => ({
      type: 'image',
      params: { ...imageParams(inventory, image), project: project(owner) },
      after: projectFirst(owner),
      apis: ['image'],
    })),
    ...all('flavors', resources.flavors, ({ projects, extra_specs, state, ...rest }) => ({
      type: 'flavor',
      params: {
        ...rest,
        ...(projects ? { projects: projects.map(project) } : {}),
        ...(extra_specs ? { extra_specs: texts(extra_specs) } : {}),
        absent: state === 'absent',
      },
      after: (projects ?? []).flatMap(projectFirst),
      apis: ['compute'],
    })),
    ...all('aggregates', resources.aggregates, ({ hosts, metadata = {}, projects, flavors, state }) => ({
      type: 'aggregate',
      params: {
        hosts: hosts.flatMap((range) => namesOf(parseRange(range) as Range)).filter((host) => present.has(host)),
        metadata: texts(metadata),
        ...(projects ? { projects: projects.map(project) } : {}),
        ...(flavors ? { flavors: flavors.map((key) => resources.flavors[key]?.name ?? key) } : {}),
        absent: state === 'absent',
      },
      after: (projects ?? []).flatMap(projectFirst),
      apis: ['compute'],
      // Nova takes none that it does not know.
      roles: ['nova-hosts'],
    })),
    ...all('keypairs', resources.keypairs, ({ user = 'admin', public_key, file, state }) => ({
      type: 'keypair',
      params: { user: nameOf('users', user), public_key: public_key ?? readFileSync(file!, 'utf8').trim(), absent: state === 'absent' },
      after: [[['resources', 'users', user], 'its user']],
      apis: ['compute'],
    })),
    ...all('networks', resources.networks, ({ project: owner, ...params }) => ({
      type: 'network',
      params: { ...without(params, 'subnets'), project: project(owner) },
      after: projectFirst(owner),
      apis: ['network'],
    })),
    ...subnets.map(({ key, subnet: { name, ...params }, network, of, path }) => ({
      type: 'subnet',
      name: name ?? key,
      params: { ...params, network: of.name ?? network, project: project(of.project) },
      path,
      after: [[['resources', 'networks', network], 'its network']] as const,
      apis: ['network'],
    })),
    ...all('routers', resources.routers, ({ project: owner, gateway, snat = true, interfaces, routes }) => {
      const outer = gateway === undefined ? undefined : resources.networks[gateway];
      const joined = subnets.filter(({ key }) => interfaces?.includes(key));
      // Its own address there is from a subnet of the external network.
      const world = subnets.filter(({ network }) => network === gateway);
      return {
        type: 'router',
        params: {
          project: project(owner),
          interfaces: joined.map(({ key, subnet, network, of }) => ({
            subnet: subnet.name ?? key,
            network: of.name ?? network,
            project: project(of.project),
          })),
          ...(outer ? { gateway: { network: outer.name ?? gateway, project: project(outer.project), snat } } : {}),
          ...(routes ? { routes } : {}),
        },
        after: [
          ...projectFirst(owner),
          ...(outer ? ([[['resources', 'networks', gateway!], 'its gateway']] as const) : []),
          ...world.map(({ path }) => [path, 'its address'] as const),
          ...joined.map(({ path }) => [path, 'joins it'] as const),
        ],
        apis: ['network'],
      };
    }),
    ...all('security_groups', resources.security_groups, ({ project: owner, ingress, egress, state, ...rest }, key) => {
      const named = (rules: readonly Rule[]) =>
        rules.map((rule) => (rule.group === undefined ? rule : { ...rule, group: nameOf('security_groups', rule.group) }));
      const others = [...(ingress ?? []), ...(egress ?? [])].flatMap(({ group }) => (group === undefined || group === key ? [] : [group]));
      return {
        type: 'security-group',
        params: {
          ...rest,
          project: project(owner),
          ...(ingress ? { ingress: named(ingress) } : {}),
          ...(egress ? { egress: named(egress) } : {}),
          absent: state === 'absent',
        },
        after: [...projectFirst(owner), ...others.map((group) => [['resources', 'security_groups', group], 'a rule names it'] as const)],
        apis: ['network'],
      };
    }),
  ];
}

/** How images are built: a script of images/, and the packages whose programs it uses. */
const builders = {
  tiny: {
    packages: ['busybox-static', 'dropbear-bin', 'syslinux', 'mtools', 'dosfstools', 'cpio', 'kmod', 'qemu-utils', 'zstd', 'xz-utils'],
    options: {},
  },
  debian: {
    packages: ['mmdebstrap', 'e2fsprogs', 'fdisk', 'grub-pc-bin', 'grub-common', 'qemu-utils'],
    options: { release: 'trixie', size: 2, packages: [] as readonly string[] },
  },
} as const;

function imageParams({ cloud }: Inventory, { build, options, file, properties, ...rest }: Image): Readonly<Record<string, unknown>> {
  const read = { ...rest, ...(properties ? { properties: texts(properties) } : {}) };
  if (build) {
    // Ceph gives servers copies of raw images at once; of others none.
    const format = rest.format ?? (cloud.storage === 'ceph' ? 'raw' : 'qcow2');
    const chosen = { ...builders[build].options, ...options };
    const settings = Object.entries({ format, ...chosen }).map(([name, value]) => `${name}=${quote([value].flat().join(' '))}\n`);
    const script = readFileSync(new URL(`../../images/${build}.sh`, import.meta.url), 'utf8');
    return { ...read, format, build: settings.join('') + script, source: `${build} ${canonical(chosen)}` };
  }
  const format = formatOf({ ...rest, ...(file === undefined ? {} : { file }) });
  if (file === undefined) {
    const isConverted = cloud.storage === 'ceph' && format !== 'raw' && format !== 'iso';
    return { ...read, ...(isConverted ? { format: 'raw', fetched: format } : { format }) };
  }
  return {
    ...read,
    format,
    file,
    // Worked out when somebody asks: the file may be large.
    get sha512() {
      return digestOf(file);
    },
  };
}

function without(params: object, name: string): object {
  return Object.fromEntries(Object.entries(params).filter(([each]) => each !== name));
}

function digestOf(file: string): string {
  const digest = createHash('sha512');
  const chunk = Buffer.alloc(1 << 20);
  const handle = openSync(file, 'r');
  try {
    for (let read; (read = readSync(handle, chunk)) > 0;) digest.update(chunk.subarray(0, read));
  } finally {
    closeSync(handle);
  }
  return digest.digest('hex');
}

function texts(values: Readonly<Record<string, string | number | boolean>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}
