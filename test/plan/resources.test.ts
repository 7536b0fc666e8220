import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/base/secret.ts';
import { readInventory } from '../../src/inventory/read.ts';
import { check } from '../../src/plan/check.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { complaints, inventoryOf, needs, planOf, rolesOf, small, step, waits } from './clouds.ts';

const api = (service: string) => ({ api: { service, url: 'http://{{host.address}}:1' } });
const roles = rolesOf({
  keystone: api('identity'),
  glance: { ...api('image'), needs: ['keystone'] },
  nova: { ...api('compute'), needs: ['glance'] },
  neutron: { ...api('network'), needs: ['keystone'] },
  cinder: { ...api('volumev3'), needs: ['keystone'] },
});

const first = `resources:
  projects:
    demo: {description: "of {{braces}}"}
  users:
    alice: {roles: {demo: [member]}}
    bob: {name: robert, password: {secret: bobs}}
  quotas:
    demo: {cores: 4, volumes: 2}
  images:
    tiny: {build: tiny}
    big: {url: "https://mirror.example/x.iso", properties: {hw_vif_multiqueue_enabled: true}}
  flavors:
    m1: {vcpus: 1, ram: 128, disk: 1, projects: [demo], public: false, extra_specs: {"hw:cpu_policy": dedicated, n: 1}}
  networks:
    public: {external: true, network_type: flat, physical_network: ext, subnets: {public4: {cidr: 10.9.0.0/24}}}
    net: {name: inner, project: demo, subnets: {sub: {name: four, cidr: 192.168.1.0/24}}}
  routers:
    edge: {project: demo, gateway: public, interfaces: [sub]}
  security_groups:
    web: {project: demo, ingress: [{protocol: tcp, ports: 80, group: lb}]}
    lb: {project: demo, state: absent}
  keypairs:
    key: {user: bob, public_key: ssh-ed25519 AAAA}
`;
const planned = (more: string): Plan => planOf(inventoryOf(small, more), roles);
const problems = (resources: string): string[] => {
  const text = `cloud: {name: lab, release: "2025.1"}\nnetworks: {management: {cidr: 10.0.0.0/8}}\nhosts: {ctl1: {address: 10.0.0.1, kind: controller}}\nresources:\n${resources}`;
  return readInventory(import.meta.filename, text).problems.map(({ code, place, hint }) =>
    `${code} ${place!.line}:${place!.column} ${hint ?? ''}`.trim(),
  );
};

describe('resources of an inventory', () => {
  const plan = planned(first);

  it('are steps on the first controller', () => {
    expect([...plan.nodes.keys()].filter((id) => id.includes('resources'))).toEqual([
      'ctl1/resources/keystone-project demo',
      'ctl1/resources/keystone-user alice',
      'ctl1/resources/keystone-user robert',
      'ctl1/resources/quota demo',
      'ctl1/resources/image tiny',
      'ctl1/resources/image big',
      'ctl1/resources/flavor m1',
      'ctl1/resources/keypair key',
      'ctl1/resources/network public',
      'ctl1/resources/network inner',
      'ctl1/resources/subnet public4',
      'ctl1/resources/subnet four',
      'ctl1/resources/router edge',
      'ctl1/resources/security-group web',
      'ctl1/resources/security-group lb',
      'resources ready',
      'ctl1/resources/health',
    ]);
    expect(check(plan)).toEqual([]);
  });

  it.each([
    ['keystone-project demo', ['keystone ready: needs keystone']],
    ['keystone-user alice', ['keystone ready: needs keystone', 'ctl1/resources/keystone-project demo: its project']],
    [
      'quota demo',
      [
        'cinder ready: needs cinder',
        'keystone ready: needs keystone',
        'nova ready: needs nova',
        'ctl1/resources/keystone-project demo: its project',
      ],
    ],
    ['image tiny', ['keystone ready: needs keystone', 'glance ready: needs glance']],
    ['subnet four', ['keystone ready: needs keystone', 'neutron ready: needs neutron', 'ctl1/resources/network inner: its network']],
    [
      'router edge',
      [
        'keystone ready: needs keystone',
        'neutron ready: needs neutron',
        'ctl1/resources/keystone-project demo: its project',
        'ctl1/resources/network public: its gateway',
        'ctl1/resources/subnet public4: its address',
        'ctl1/resources/subnet four: joins it',
      ],
    ],
    [
      'security-group web',
      [
        'keystone ready: needs keystone',
        'neutron ready: needs neutron',
        'ctl1/resources/keystone-project demo: its project',
        'ctl1/resources/security-group lb: a rule names it',
      ],
    ],
    ['keypair key', ['keystone ready: needs keystone', 'nova ready: needs nova', 'ctl1/resources/keystone-user robert: its user']],
  ])('%s waits for what it refers to, and for the APIs that it is behind', (name, wanted) => {
    const packages = 'ctl1/packages: packages first';
    expect(needs(plan, `ctl1/resources/${name}`).toSorted()).toEqual([packages, ...wanted].toSorted());
  });

  it('wait for nothing else: one that fails stops only what refers to it', () => {
    expect(waits(plan, 'ctl1/resources/network inner', 'ctl1/resources/image tiny')).toBe(false);
    expect(waits(plan, 'resources ready', 'ctl1/resources/image tiny')).toBe(true);
  });

  it('have the params that the inventory gives, in the words of the step types', () => {
    const params = (name: string) => step(plan, `ctl1/resources/${name}`).params;
    expect(params('keystone-project demo')).toMatchObject({ description: 'of {{braces}}' });
    expect(params('keystone-user alice')).toMatchObject({ roles: [{ role: 'member', project: 'demo' }] });
    expect(String(params('keystone-user alice')['password'])).toBe('‹secret resources.users.alice›');
    expect(params('keystone-user robert')['password']).toEqual(Secret.of('bobs', 'value of bobs'));
    expect(params('image big')).toMatchObject({ format: 'iso', properties: { hw_vif_multiqueue_enabled: 'true' } });
    expect(params('flavor m1')).toMatchObject({ projects: ['demo'], extra_specs: { 'hw:cpu_policy': 'dedicated', n: '1' } });
    expect(params('network inner')).toEqual({ network: 'inner', project: 'demo', shared: false, external: false, port_security: true });
    expect(params('subnet four')).toMatchObject({ network: 'inner', project: 'demo' });
    expect(params('router edge')).toMatchObject({
      gateway: { network: 'public', project: 'admin', snat: true },
      interfaces: [{ subnet: 'four', network: 'inner', project: 'demo' }],
    });
    expect(params('security-group lb')).toMatchObject({ absent: true });
    expect(params('keypair key')).toMatchObject({ user: 'robert' });
  });

  it('an image that is built has its script, what it was made from, and the programs for it', () => {
    const { build, source, format } = step(plan, 'ctl1/resources/image tiny').params;
    expect(build).toMatch(/^format=qcow2\n#[^]*TINY READY/);
    expect({ source, format }).toEqual({ source: 'tiny {}', format: 'qcow2' });
    expect(step(plan, 'ctl1/packages').params['names']).toContain('busybox-static');
    const other = planned(`resources: {images: {deb: {build: debian, options: {packages: [vim, "g++"]}, format: raw}}}\n`);
    const deb = step(other, 'ctl1/resources/image deb').params;
    expect(deb['build']).toMatch(/^format=raw\nrelease=trixie\nsize=2\npackages='vim g\+\+'\n/);
    expect(deb['source']).toBe('debian {"packages":["vim","g++"],"release":"trixie","size":2}');
  });

  it('an image from a file is known by its digest', () => {
    const plan = planned(`resources: {images: {me: {file: ${import.meta.filename}, format: raw, visibility: private}}}\n`);
    const sha512 = createHash('sha512')
      .update(readFileSync(import.meta.filename))
      .digest('hex');
    expect(step(plan, 'ctl1/resources/image me').params).toMatchObject({ sha512, file: import.meta.filename });
  });

  it('an image from a URL is made raw where it is kept in Ceph', () => {
    const image = (hosts: string, url: string): unknown =>
      step(planOf(inventoryOf(hosts, `resources: {images: {it: {url: "${url}"}}}\n`), roles), 'ctl1/resources/image it').params;
    const ceph = '  ctl1: {address: 10.77.0.11, kind: controller}\n  sto1: {address: 10.77.0.31, kind: storage, disks: [/dev/sdb]}\n';
    expect(image(ceph, 'https://a/b.vhd')).toMatchObject({ format: 'raw', fetched: 'vhd' });
    expect(image(ceph, 'https://a/b.raw')).not.toHaveProperty('fetched');
    expect(image(ceph, 'https://a/b.iso')).toMatchObject({ format: 'iso' });
  });

  it('two of one name in one project are two owners', () => {
    expect(complaints(planned('resources: {networks: {a: {name: x}, b: {name: x}, c: {name: x, project: service}}}\n'))).toEqual([
      'two-owners 3:41',
    ]);
  });

  it('need a role that offers their API', () => {
    const alone = rolesOf({ keystone: api('identity') });
    expect(() => planOf(inventoryOf(small, 'resources: {networks: {a: {}}, flavors: {}}\n'), alone)).toThrow(
      'resources.networks need the network API, and no role of this cloud offers it',
    );
  });
});

describe('what is wrong with resources', () => {
  it.each<[is: string, resources: string, problems: string[]]>([
    [
      'a project that is not declared',
      '  networks: {a: {project: dmo}}\n  projects: {demo: {}}',
      ['unknown-resource 5:27 Did you mean "demo"?'],
    ],
    ['a quota of no project', '  quotas: {dem: {cores: 1}}', ['unknown-resource 5:12 There: admin, service.']],
    ['a role on no project', '  users: {alice: {roles: {x: [member]}}}', ['unknown-resource 5:27 There: admin, service.']],
    [
      'a flavor for no project',
      '  flavors: {f: {vcpus: 1, ram: 1, disk: 1, projects: [admin, x]}}',
      ['unknown-resource 5:62 There: admin, service.'],
    ],
    [
      'a user that is not declared',
      '  keypairs: {k: {user: alise, public_key: ssh-rsa AAAA}}\n  users: {alice: {}}',
      ['unknown-resource 5:24 Did you mean "alice"?'],
    ],
    ['a gateway that is not declared', '  routers: {r: {gateway: pub}}', ['unknown-resource 5:26 There is none.']],
    [
      'a gateway that is not external',
      '  routers: {r: {gateway: a}}\n  networks: {a: {}}',
      ['bad-value 5:26 Write `external: true` there, or put its subnets under `interfaces`.'],
    ],
    [
      'a subnet that is not declared',
      '  routers: {r: {interfaces: [sab]}}\n  networks: {a: {subnets: {sub: {cidr: 10.0.0.0/24}}}}',
      ['unknown-resource 5:30 Did you mean "sub"?'],
    ],
    [
      'a group of another project',
      '  security_groups: {a: {ingress: [{group: b}, {group: default}]}, b: {project: service}}',
      ['unknown-resource 5:43 Did you mean "a"?'],
    ],
    ['a rule of two minds', '  security_groups: {a: {egress: [{group: a, cidr: 10.0.0.0/8}]}}', ['bad-value 5:34 Write two rules.']],
    [
      'a subnet twice',
      '  networks: {a: {subnets: {s: {cidr: 10.0.0.0/24}}}, b: {subnets: {s: {cidr: 10.0.1.0/24}}}}',
      ['duplicate-resource 5:68 Give this one another key, and the same `name`.'],
    ],
    ['a gateway elsewhere', '  networks: {a: {subnets: {s: {cidr: 10.0.0.0/24, gateway: 10.0.1.1}}}}', ['address-outside-network 5:60']],
    [
      'a pool elsewhere',
      '  networks: {a: {subnets: {s: {cidr: 10.0.0.0/24, pools: [10.0.0.9-10.0.1.9]}}}}',
      ['address-outside-network 5:59'],
    ],
    ['no network at all', '  networks: {a: {subnets: {s: {cidr: 10.0.0.0/33}}}}', ['bad-value 5:38 Such as 192.168.10.0/24.']],
    ['an image from nowhere', '  images: {i: {}}', ['no-source 5:12 Write one of file, url, build.']],
    ['an image from everywhere', '  images: {i: {build: tiny, url: "https://x"}}', ['no-source 5:12 Write one of file, url, build.']],
    [
      'a file that is not there',
      '  images: {i: {file: none.qcow2}}',
      ['file-unreadable 5:22 It is looked for from the inventory’s directory.'],
    ],
    ['options of what has none', '  images: {i: {build: tiny, options: {size: 3}}}', ['unknown-key 5:29']],
    ['a key from nowhere', '  keypairs: {k: {}}', ['no-source 5:14 Write one of public_key, file.']],
  ])('%s', (_, resources, wanted) => {
    expect(problems(resources)).toEqual(wanted);
  });
});
