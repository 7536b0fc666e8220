import { contains, parseAddress, parseBlock } from '../base/ipv4.ts';
import { nearest } from '../base/problem.ts';
import type { Fault, Path } from '../document/document.ts';
import { namesOf, parseRange } from './range.ts';
import type { Host, Owned, Resources } from './types.ts';

type Section = keyof Resources;

// What is there in every cloud.
const given: Readonly<Partial<Record<Section, readonly string[]>>> = {
  projects: ['admin', 'service'],
  users: ['admin'],
  security_groups: ['default'],
};

/** What is wrong with resources beyond their schema: references, sources, addresses. */
export function checkResources(resources: Resources, hosts: readonly Pick<Host, 'name' | 'kinds'>[]): Fault[] {
  return [
    ...owners(resources),
    ...users(resources),
    ...images(resources),
    ...keypairs(resources),
    ...subnets(resources),
    ...routers(resources),
    ...rules(resources),
    ...aggregates(resources, hosts),
  ];
}

/** Says of a reference what is wrong with it. */
function reference(resources: Resources, section: Section, name: string | undefined, path: Path, at?: 'key'): Fault[] {
  if (name === undefined) return [];
  const known = [...(given[section] ?? []), ...(section === 'security_groups' ? [] : Object.keys(resources[section]))];
  return known.includes(name) ? [] : [unknown(`resources.${section}`, name, known, path, at)];
}

function unknown(where: string, name: string, known: readonly string[], path: Path, at?: 'key'): Fault {
  const near = nearest(name, known);
  const hint = near === undefined ? (known.length > 0 ? `There: ${known.join(', ')}.` : 'There is none.') : `Did you mean "${near}"?`;
  return { code: 'unknown-resource', path, message: `"${name}" is not under ${where}`, hint, ...(at && { at }) };
}

function owners(resources: Resources): Fault[] {
  const sections: readonly (readonly [Section, Readonly<Record<string, Owned>>])[] = [
    ['images', resources.images],
    ['networks', resources.networks],
    ['routers', resources.routers],
    ['security_groups', resources.security_groups],
  ];
  const owned = sections.flatMap(([section, all]) =>
    Object.entries(all).flatMap(([key, { project }]) => reference(resources, 'projects', project, ['resources', section, key, 'project'])),
  );
  const flavors = Object.entries(resources.flavors).flatMap(([key, { projects = [] }]) =>
    projects.flatMap((project, i) => reference(resources, 'projects', project, ['resources', 'flavors', key, 'projects', i])),
  );
  const quotas = Object.keys(resources.quotas).flatMap((project) =>
    reference(resources, 'projects', project, ['resources', 'quotas', project], 'key'),
  );
  return [...owned, ...flavors, ...quotas];
}

function users(resources: Resources): Fault[] {
  return Object.entries(resources.users).flatMap(([key, { roles = {} }]) =>
    Object.keys(roles).flatMap((project) =>
      reference(resources, 'projects', project, ['resources', 'users', key, 'roles', project], 'key'),
    ),
  );
}

function images({ images }: Resources): Fault[] {
  return Object.entries(images).flatMap(([key, image]): Fault[] => {
    const path = ['resources', 'images', key];
    const { file, url, build, options, sha256, sha512 } = image;
    const misplaced = (name: string, only: string): Fault => ({
      code: 'unknown-key',
      path: [...path, name],
      at: 'key',
      message: `\`${name}\` is for images with \`${only}\``,
    });
    return [
      ...oneSource(path, { file, url, build }),
      ...(options && build !== 'debian' ? [misplaced('options', 'build: debian')] : []),
      ...(sha256 !== undefined && url === undefined ? [misplaced('sha256', 'url')] : []),
      ...(sha512 !== undefined && url === undefined ? [misplaced('sha512', 'url')] : []),
      ...(url?.startsWith('http:') && sha256 === undefined && sha512 === undefined ? [unchecked([...path, 'url'])] : []),
    ];
  });
}

function unchecked(path: Path): Fault {
  const message = 'What comes by http:// can be replaced on its way, and nothing here says what it should be';
  return { code: 'no-digest', path, message, hint: 'Write the `sha256` or `sha512` that its publisher names, or take https://.' };
}

function keypairs(resources: Resources): Fault[] {
  return Object.entries(resources.keypairs).flatMap(([key, { user, public_key, file }]) => {
    const path = ['resources', 'keypairs', key];
    return [...reference(resources, 'users', user, [...path, 'user']), ...oneSource(path, { public_key, file })];
  });
}

function oneSource(path: Path, sources: Readonly<Record<string, unknown>>): Fault[] {
  const there = Object.keys(sources).filter((name) => sources[name] !== undefined);
  if (there.length === 1) return [];
  const all = Object.keys(sources).join(', ');
  const message = there.length === 0 ? `${path.at(-1)} has none of ${all}` : `${path.at(-1)} has ${there.join(' and ')}`;
  return [{ code: 'no-source', path, at: 'key', message, hint: `Write one of ${all}.` }];
}

/** Addresses of IPv4 subnets; what is wrong with those of IPv6, Neutron says. */
function subnets({ networks }: Resources): Fault[] {
  const seen = new Set<string>();
  return Object.entries(networks).flatMap(([network, { subnets = {} }]) =>
    Object.entries(subnets).flatMap(([key, { cidr, gateway, pools = [] }]): Fault[] => {
      const path = ['resources', 'networks', network, 'subnets', key];
      const twice: Fault[] = seen.has(key)
        ? [
            {
              code: 'duplicate-resource',
              path,
              at: 'key',
              message: `There is another subnet "${key}"`,
              hint: 'Give this one another key, and the same `name`.',
            },
          ]
        : [];
      seen.add(key);
      if (cidr.includes(':')) return twice;
      const block = parseBlock(cidr);
      if (!block)
        return [
          ...twice,
          { code: 'bad-value', path: [...path, 'cidr'], message: `${cidr} is no network`, hint: 'Such as 192.168.10.0/24.' },
        ];
      const outside = (address: string, at: Path): Fault[] => {
        const number = parseAddress(address);
        if (number !== undefined && contains(block, number)) return [];
        return [{ code: 'address-outside-network', path: at, message: `${address} is not in ${cidr}` }];
      };
      return [
        ...twice,
        ...(gateway === undefined || gateway === 'none' ? [] : outside(gateway, [...path, 'gateway'])),
        ...pools.flatMap((pool, i) => poolFaults(pool, [...path, 'pools', i], outside)),
      ];
    }),
  );
}

/** A pool is FIRST-LAST. */
function poolFaults(pool: string, path: Path, outside: (address: string, at: Path) => Fault[]): Fault[] {
  const [first = '', last = ''] = pool.split('-');
  const faults = [first, last].flatMap((address) => outside(address, path));
  if (faults.length > 0 || parseAddress(first)! <= parseAddress(last)!) return faults;
  return [{ code: 'bad-value', path, message: `The pool ${pool} begins after its end`, hint: `Write ${last}-${first}` }];
}

function routers(resources: Resources): Fault[] {
  const known = Object.values(resources.networks).flatMap(({ subnets = {} }) => Object.keys(subnets));
  return Object.entries(resources.routers).flatMap(([key, { gateway, interfaces = [] }]): Fault[] => {
    const path = ['resources', 'routers', key];
    const inner = gateway !== undefined && resources.networks[gateway]?.external !== true;
    const faults = reference(resources, 'networks', gateway, [...path, 'gateway']);
    const message = `The network ${gateway} is not external, so no router can lead to it`;
    return [
      ...faults,
      ...(inner && faults.length === 0
        ? [
            {
              code: 'bad-value' as const,
              path: [...path, 'gateway'],
              message,
              hint: 'Write `external: true` there, or put its subnets under `interfaces`.',
            },
          ]
        : []),
      ...interfaces.flatMap((subnet, i) =>
        known.includes(subnet) ? [] : [unknown('any network’s subnets', subnet, known, [...path, 'interfaces', i])],
      ),
    ];
  });
}

/** A rule speaks of groups of its own project. */
function rules(resources: Resources): Fault[] {
  const groups = Object.entries(resources.security_groups);
  return groups.flatMap(([key, own]) => {
    const same = groups.filter(([, { project = 'admin' }]) => project === (own.project ?? 'admin')).map(([name]) => name);
    return (['ingress', 'egress'] as const).flatMap((direction) =>
      (own[direction] ?? []).flatMap(({ group, cidr }, i): Fault[] => {
        const path = ['resources', 'security_groups', key, direction, i];
        if (group !== undefined && cidr !== undefined)
          return [
            {
              code: 'bad-value',
              path,
              message: 'A rule speaks of addresses or of a group, and this one of both',
              hint: 'Write two rules.',
            },
          ];
        const known = [...same, 'default'];
        return group === undefined || known.includes(group)
          ? []
          : [unknown(`resources.security_groups of the project ${own.project ?? 'admin'}`, group, known, [...path, 'group'])];
      }),
    );
  });
}

function aggregates(resources: Resources, hosts: readonly Pick<Host, 'name' | 'kinds'>[]): Fault[] {
  const computes = new Set(hosts.filter(({ kinds }) => kinds.includes('compute')).map(({ name }) => name));
  return Object.entries(resources.aggregates).flatMap(([key, { hosts: named, projects = [], flavors = [] }]) => {
    const path = ['resources', 'aggregates', key];
    return [
      ...named.flatMap((range, i): Fault[] => {
        const parsed = parseRange(range);
        if (typeof parsed === 'string')
          return [{ code: 'bad-range', path: [...path, 'hosts', i], message: `The range ${range} ${parsed}` }];
        const name = namesOf(parsed).find((each) => !computes.has(each));
        // No hosts at all: they were wrong themselves, and that has been said.
        if (name === undefined || hosts.length === 0) return [];
        const near = nearest(name, [...computes]);
        const message = `${name} is no compute host of this inventory`;
        const hint = near === undefined ? 'Give the host `kind: compute`.' : `Did you mean "${near}"?`;
        return [{ code: 'unknown-resource', path: [...path, 'hosts', i], message, hint }];
      }),
      ...projects.flatMap((project, i) => reference(resources, 'projects', project, [...path, 'projects', i])),
      ...flavors.flatMap((flavor, i) => reference(resources, 'flavors', flavor, [...path, 'flavors', i])),
    ];
  });
}
