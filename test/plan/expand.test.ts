import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Invalid, type Problem } from '../../src/base/problem.ts';
import { Secret } from '../../src/base/secret.ts';
import { canonical } from '../../src/base/state.ts';
import { check } from '../../src/plan/check.ts';
import { stepsByHost, type Plan } from '../../src/plan/plan.ts';
import { readRoles } from '../../src/roles/role.ts';
import { complaints, inventoryOf, needs, planned, planOf, rolesOf, secretsOf, small, step, waits } from './clouds.ts';
import type { WrittenRole } from '../roles/directories.ts';

const all = ['controller', 'compute'];

function invalid(work: () => unknown): readonly Problem[] {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(Invalid);
    return (error as Invalid).problems;
  }
  throw new Error('nothing was thrown');
}

describe('the roles that come with Cellwise, on small clouds', () => {
  const { roles } = readRoles('roles');

  it.each([
    ['one host', '  aio: {address: 10.77.0.11, kind: [controller, compute, storage]}\n'],
    ['one controller, two computes', small],
    [
      'three controllers, a fleet, storage',
      '  ctl[1-3]: {address: 10.77.0.11, kind: controller}\n  cmp[001-120]: {address: 10.77.1.1, kind: compute}\n  sto[1-3]: {address: 10.77.0.31, kind: storage}\n',
    ],
  ])('%s: has no problem, and an order', (_, hosts) => {
    const plan = planOf(inventoryOf(hosts), roles);
    expect(check(plan)).toEqual([]);
    const place = new Map(plan.graph.order().map((id, i) => [id, i]));
    expect(place.size).toBe(plan.nodes.size);
    for (const id of plan.graph.ids())
      for (const need of plan.graph.needs(id).keys()) expect(place.get(need)!).toBeLessThan(place.get(id)!);
  });

  const plan = planOf(inventoryOf(small), roles);

  it('every node of the graph is known, and every host begins with its packages', () => {
    expect([...plan.graph.ids()].toSorted()).toEqual([...plan.nodes.keys()].toSorted());
    for (const host of ['ctl1', 'cmp1', 'cmp2']) expect(needs(plan, `${host}/packages`)).toEqual([]);
    expect(step(plan, 'ctl1/packages').params['names']).toEqual(
      expect.arrayContaining(['chrony', 'mariadb-server', 'rabbitmq-server', 'memcached', 'keystone=2:27.*']),
    );
    expect(step(plan, 'cmp1/packages').params['names']).toEqual(expect.arrayContaining(['chrony', 'nova-compute=2:31.*']));
    expect(step(plan, 'cmp1/packages').params['names']).not.toContain('keystone=2:27.*');
  });

  // Debian's packages give them to the service: whoever owns the directory can exchange the files that root writes.
  it('the directory of a service’s configuration is root’s before anything is written there', () => {
    const written = new Set<string>();
    for (const steps of stepsByHost(plan).values()) {
      const taken = new Set<string>();
      for (const { stepType, params } of steps) {
        const path = String(params['path']);
        const [, directory = ''] = /^(\/etc\/[^/]+)(\/|$)/.exec(path) ?? [];
        if (stepType === 'directory' && path.replace(/\/$/, '') === directory) taken.add(`${directory} ${String(params['owner'])}`);
        const service = directory.slice('/etc/'.length);
        if (!/^(keystone|nova|neutron|cinder|glance|heat|placement|gnocchi|ceilometer|rabbitmq)$/.test(service)) continue;
        expect(taken).toContain(`${directory} root:${service}`);
        written.add(service);
      }
    }
    expect([...written]).toEqual(expect.arrayContaining(['keystone', 'nova', 'neutron', 'glance', 'placement', 'rabbitmq']));
  });

  it('Keystone waits for the roles that it needs, and these for base on their host', () => {
    for (const role of ['mariadb', 'memcached', 'rabbitmq']) {
      expect(needs(plan, 'ctl1/keystone/directory /etc/keystone')).toContain(`${role} ready: needs ${role}`);
      expect(waits(plan, `${role} ready`, 'ctl1/base/health')).toBe(true);
    }
    expect(waits(plan, 'keystone ready', 'cmp1/base/health')).toBe(false);
  });
});

describe('order', () => {
  const steps = (role: string, ...more: unknown[]) => [{ directory: `/${role}/1` }, { directory: `/${role}/2` }, ...more];

  it('top to bottom within a role on one host, and nothing between hosts', () => {
    const plan = planned({ one: { on: all, steps: steps('one') } });
    expect(needs(plan, 'ctl1/one/directory /one/2')).toEqual(['ctl1/one/directory /one/1: next in the role']);
    expect(needs(plan, 'ctl1/one/health')).toEqual(['ctl1/one/directory /one/2: next in the role']);
    expect(needs(plan, 'one ready')).toEqual([
      'ctl1/one/health: ready on all its hosts',
      'cmp1/one/health: ready on all its hosts',
      'cmp2/one/health: ready on all its hosts',
    ]);
    expect([...plan.graph.closure(['cmp2/one/health'])].every((id) => id.startsWith('cmp2/'))).toBe(true);
  });

  it('packages first, for all roles of a host at once; sources before packages', () => {
    const plan = planned({
      one: { steps: [{ package: 'a' }, { directory: '/one' }] },
      two: {
        needs: ['one'],
        steps: [{ 'apt-source': 'extra', suite: 'x' }, { directory: '/two' }, { package: ['b', 'c'] }, { service: 's' }],
      },
    });
    expect(needs(plan, 'ctl1/one/directory /one')).toEqual(['ctl1/packages: packages first']);
    expect(needs(plan, 'ctl1/two/directory /two')).toEqual(['ctl1/packages: packages first', 'one ready: needs one']);
    expect(needs(plan, 'ctl1/packages')).toEqual(['ctl1/two/apt-source extra: packages come from sources']);
    expect(needs(plan, 'ctl1/two/service s')).toEqual(['ctl1/two/directory /two: next in the role']);
    expect(step(plan, 'ctl1/packages').params).toMatchObject({ names: ['a', 'b', 'c'], units: ['s'] });
    expect(step(plan, 'ctl1/packages')).toMatchObject({ host: 'ctl1', role: 'host', stepType: 'package', name: 'packages' });
    expect([...plan.nodes.keys()].filter((id) => id.includes('package'))).toEqual(['ctl1/packages']);
  });

  it('sources without packages come before the rest as well', () => {
    const plan = planned({ one: { steps: [{ 'apt-source': 'extra', suite: 'x' }, { directory: '/one' }] } });
    expect(waits(plan, 'ctl1/one/directory /one', 'ctl1/one/apt-source extra')).toBe(true);
  });

  it('a need is waited for until it is healthy on all its hosts, and by all', () => {
    const plan = planned({ one: { on: all, steps: steps('one') }, two: { on: ['compute'], needs: ['one'], steps: steps('two') } });
    expect(needs(plan, 'cmp1/two/directory /two/1')).toEqual(['one ready: needs one']);
    expect(waits(plan, 'cmp1/two/directory /two/1', 'ctl1/one/health')).toBe(true);
    expect(waits(plan, 'cmp1/two/directory /two/1', 'cmp2/one/health')).toBe(true);
  });

  it('a need of scope host is waited for on the same host alone', () => {
    const plan = planned({
      one: { on: all, scope: 'host', steps: steps('one') },
      two: { on: ['compute'], needs: ['one'], steps: steps('two') },
    });
    expect(needs(plan, 'cmp1/two/directory /two/1')).toEqual(['cmp1/one/health: needs one on this host']);
    expect(waits(plan, 'cmp1/two/directory /two/1', 'cmp2/one/health')).toBe(false);
  });

  it('a need of scope host that is on other hosts only is no reason to wait', () => {
    const plan = planned({ one: { scope: 'host' }, two: { on: ['compute'], needs: ['one'], steps: steps('two') } });
    expect(needs(plan, 'cmp1/two/directory /two/1')).toEqual([]);
  });

  it('a once step runs on the first host; the others wait at it', () => {
    const plan = planned({
      one: { on: ['compute'], steps: [{ directory: '/1' }, { command: 'x', creates: '/x', once: true }, { directory: '/2' }] },
    });
    expect(plan.nodes.has('cmp2/one/command x')).toBe(false);
    expect(needs(plan, 'cmp1/one/command x')).toEqual(['cmp1/one/directory /1: next in the role']);
    expect(needs(plan, 'cmp1/one/directory /2')).toEqual(['cmp1/one/command x: next in the role']);
    expect(needs(plan, 'cmp2/one/directory /2').toSorted()).toEqual([
      'cmp1/one/command x: once, on cmp1',
      'cmp2/one/directory /1: next in the role',
    ]);
  });

  it('a step of cluster scope is a once step by itself, and one at the end is waited for as well', () => {
    const plan = planned({ one: { on: ['compute'], steps: [{ directory: '/1' }, { 'keystone-project': 'p' }] } });
    expect(plan.nodes.has('cmp2/one/keystone-project p')).toBe(false);
    expect(waits(plan, 'cmp2/one/health', 'cmp1/one/keystone-project p')).toBe(true);
  });

  it('hosts: first is the first host of the kinds, in the order of the inventory', () => {
    const plan = planned(
      { one: { on: ['compute', 'controller'], hosts: 'first' } },
      '  cmp[1-2]: {address: 10.77.0.21, kind: compute}\n  ctl1: {address: 10.77.0.11, kind: controller}\n',
    );
    expect([...plan.nodes.keys()]).toEqual(['cmp1/one/directory /one', 'one ready', 'cmp1/one/health']);
  });

  it('an absent host carries nothing', () => {
    const plan = planned({ one: { on: all } }, `${small}  cmp3: {address: 10.77.0.29, kind: compute, state: absent}\n`);
    expect(stepsByHost(plan).get('cmp3')).toEqual([]);
    expect([...plan.nodes.keys()].some((id) => id.startsWith('cmp3'))).toBe(false);
  });

  it('a role without hosts is no part of the plan', () => {
    const plan = planned({ one: {}, two: { on: ['storage'] } });
    expect([...plan.nodes.keys()].some((id) => id.includes('two'))).toBe(false);
  });
});

describe('when', () => {
  const roles: Readonly<Record<string, WrittenRole>> = {
    one: {
      on: all,
      params: { extra: { type: 'boolean', default: false }, level: { type: 'integer', default: 1 }, names: { type: 'string' } },
      steps: [
        { directory: '/always' },
        { directory: '/extra', when: 'extra' },
        { directory: '/two', when: { level: 2 } },
        { directory: '/both', when: { level: 2, extra: true } },
        { directory: '/not', when: { extra: false } },
        { directory: '/named', when: 'names' },
        { directory: '/end' },
      ],
    },
  };
  const has = (plan: Plan, host: string) => (stepsByHost(plan).get(host) ?? []).map((each) => each.name);

  it('leaves steps out by the params of the host, and closes the gap', () => {
    const plan = planned(
      roles,
      small.replace('kind: controller', 'kind: controller, params: {one: {extra: true, level: 2, names: x}}'),
      'kinds: {compute: {params: {one: {level: 2}}}}\n',
    );
    expect(has(plan, 'ctl1')).toEqual(['/always', '/extra', '/two', '/both', '/named', '/end']);
    expect(has(plan, 'cmp1')).toEqual(['/always', '/two', '/not', '/end']);
    expect(needs(plan, 'cmp1/one/directory /end')).toEqual(['cmp1/one/directory /not: next in the role']);
    expect(needs(plan, 'cmp1/one/directory /two')).toEqual(['cmp1/one/directory /always: next in the role']);
  });

  it('asking for a param that there is not is a problem with its place', () => {
    const problems = invalid(() => planned({ one: { steps: [{ directory: '/a', when: 'exta' }] } }));
    expect(problems).toMatchObject([{ code: 'unknown-param', place: { line: 7 } }]);
    expect(problems[0]!.message).toContain('exta');
  });
});

describe('roles that come after others', () => {
  const roles = {
    one: { on: ['compute'] },
    two: { on: ['controller'], after: ['one'], steps: [{ directory: '/a' }, { directory: '/b' }] },
  };

  it('wait for them, and do not need them', () => {
    const plan = planned(roles);
    expect(needs(plan, 'ctl1/two/directory /a')).toEqual(['one ready: after one']);
    expect([...plan.graph.firm('ctl1/two/directory /a')]).toEqual([]);
    expect(waits(plan, 'ctl1/two/directory /b', 'one ready')).toBe(false);
  });

  it('go on where these are no part of the cloud', () => {
    expect(needs(planned(roles, '  ctl1: {address: 10.77.0.11, kind: controller}\n'), 'ctl1/two/directory /a')).toEqual([]);
  });
});

describe('services that an inventory asks for', () => {
  it('come with all that they need, and nothing else', () => {
    const roles = rolesOf({ one: {}, two: { needs: ['one'] }, three: { needs: ['two'] }, four: { after: ['three'] } });
    const wanted = (services: string) => {
      const plan = planOf(inventoryOf(small, '', services), roles);
      return [...plan.nodes.values()].flatMap((node) => (node.kind === 'ready' ? [node.role] : []));
    };
    expect(wanted(', services: [two]').toSorted()).toEqual(['one', 'two']);
    expect(wanted(', services: [four]')).toEqual(['four']);
    expect(wanted('').toSorted()).toEqual(['four', 'one', 'three', 'two']);
  });

  it('are all but those that are optional where it asks for none', () => {
    const roles = rolesOf({ usual: {}, store: { optional: true }, agent: { optional: true, needs: ['store'] } });
    const wanted = (services = '') =>
      [...planOf(inventoryOf(small, '', services), roles).nodes.values()].flatMap((node) => (node.kind === 'ready' ? [node.role] : []));
    expect(wanted()).toEqual(['usual']);
    expect(wanted(', services: [agent]').toSorted()).toEqual(['agent', 'store']);
    expect(wanted(', services: {add: [agent]}').toSorted()).toEqual(['agent', 'store', 'usual']);
  });

  it('go with all that needs them and all that comes along with them', () => {
    const roles = rolesOf({ base: {}, api: { needs: ['base'] }, worker: { needs: ['api'] }, part: { part_of: 'worker' }, other: {} });
    const wanted = (services: string) =>
      [...planOf(inventoryOf(small, '', services), roles).nodes.values()].flatMap((node) => (node.kind === 'ready' ? [node.role] : []));
    expect(wanted(', services: {remove: [worker]}').toSorted()).toEqual(['api', 'base', 'other']);
    expect(wanted(', services: {remove: [api]}').toSorted()).toEqual(['base', 'other']);
  });
});

describe('a host’s own networks', () => {
  it('are the management network where an inventory has none of their own', () => {
    const content = '{{networks.storage.cidr}} {{host.addresses.storage}} {{networks.data.cidr}} {{host.addresses.data}}';
    const plan = planned(
      { one: { steps: [{ file: '/a', content }] } },
      '  ctl1: {address: 10.77.0.11, kind: controller, addresses: {data: 192.168.0.1}}\n',
    );
    expect(step(plan, 'ctl1/one/file /a').params['content']).toBe('10.0.0.0/8 10.77.0.11 192.168.0.0/16 192.168.0.1');
  });
});

describe('what cannot be expanded', () => {
  it('a circle of roles is named with its path', () => {
    const problems = invalid(() => planned({ a: { needs: ['b'] }, b: { needs: ['c'] }, c: { needs: ['a'] }, d: { needs: ['a'] } }));
    expect(problems).toMatchObject([
      { code: 'role-cycle', message: 'Roles need each other in a circle: a → b → c → a', place: { line: 8 } },
    ]);
  });

  it('a role that needs itself', () => {
    expect(invalid(() => planned({ a: { needs: ['a'] } }))).toMatchObject([{ code: 'role-cycle' }]);
  });

  it('needs that no host carries, all of them', () => {
    const problems = invalid(() => planned({ one: { needs: ['two'] }, two: { on: ['storage'] }, three: { needs: ['two', 'one'] } }));
    expect(problems.map(({ code, message }) => `${code}: ${message}`)).toEqual([
      'need-without-host: The role one needs two, and no host of this inventory carries it',
      'need-without-host: The role three needs two, and no host of this inventory carries it',
    ]);
    for (const { place } of problems) expect(place).toBeDefined();
  });

  it('an operating system that a role knows no names for', () => {
    expect(invalid(() => planned({ one: { os: { redhat: { unit: 'x' } } } }))).toMatchObject([{ code: 'os-unknown' }]);
  });

  it('a step’s name that cannot be rendered', () => {
    const problems = invalid(() => planned({ one: { steps: [{ directory: '/a' }, { directory: '/{{typo}}' }] } }));
    expect(problems).toMatchObject([{ code: 'template', place: { line: 7 } }]);
    expect(problems[0]!.hint).toContain('host');
  });
});

describe('owners', () => {
  it.each<[string, Readonly<Record<string, WrittenRole>>, boolean]>([
    ['the same file in two roles of a host', { one: { steps: [{ file: '/a' }] }, two: { steps: [{ file: '/a', mode: '0600' }] } }, true],
    ['the same file twice in a role', { one: { steps: [{ file: '/a' }, { directory: '/b' }, { file: '/a' }] } }, true],
    ['a path that is a file here and a directory there', { one: { steps: [{ file: '/a' }, { directory: '/a' }] } }, false],
    ['the same file on different hosts', { one: { steps: [{ file: '/a' }] }, two: { on: ['compute'], steps: [{ file: '/a' }] } }, false],
    ['the same file by different names', { one: { steps: [{ file: '/{{host.name}}' }, { file: '/ctl1' }] } }, true],
    [
      'what the whole cloud has once, on different hosts',
      { one: { steps: [{ 'keystone-project': 'p' }] }, two: { on: ['compute'], steps: [{ 'keystone-project': 'p' }] } },
      true,
    ],
    ['the same package in two roles', { one: { steps: [{ package: 'a' }] }, two: { steps: [{ package: ['a', 'b'] }] } }, false],
    [
      'two settings of one file',
      {
        one: {
          steps: [
            { 'ini-setting': '/a.ini', key: 'x', value: '1' },
            { 'ini-setting': '/a.ini', key: 'y', value: '1' },
          ],
        },
      },
      false,
    ],
    [
      'the same setting of one file twice',
      {
        one: {
          steps: [
            { 'ini-setting': '/a.ini', key: 'x', value: '1' },
            { 'ini-setting': '/a.ini', key: 'x', value: '2' },
          ],
        },
      },
      true,
    ],
    [
      'a database user from two places',
      {
        one: {
          params: { pw: { type: 'string', format: 'secret' } },
          steps: [
            { 'mysql-user': 'nova', host: 'localhost', password: '{{pw}}', grants: [{ on: '*.*' }] },
            { 'mysql-user': 'nova', host: '%', password: '{{pw}}', grants: [{ on: '*.*' }] },
          ],
        },
      },
      false,
    ],
    [
      'commands that begin alike',
      {
        one: {
          steps: [
            { command: 'set -e\nfirst', creates: '/1' },
            { command: 'set -e\nsecond', creates: '/2' },
          ],
        },
      },
      false,
    ],
    ['long names that begin alike', { one: { steps: [{ file: `/${'x'.repeat(80)}/1` }, { file: `/${'x'.repeat(80)}/2` }] } }, false],
    ['a file of each host, by a template', { one: { on: all, steps: [{ file: '/{{host.name}}' }] } }, false],
  ])('%s', (_, roles, twice) => {
    let problems: readonly Problem[];
    try {
      problems = check(planned(roles));
    } catch (error) {
      problems = (error as Invalid).problems;
    }
    expect(problems.map(({ code }) => code)).toEqual(twice ? ['two-owners'] : []);
    for (const { message, place } of problems) {
      expect(message).toContain('declared twice');
      expect(place).toBeDefined();
    }
  });
});

describe('what a check tells', () => {
  it.each<[string, WrittenRole, readonly string[]]>([
    ['nothing, where all is well', {}, []],
    [
      'a template that names what is not known',
      { steps: [{ file: '/a', template: 'a.hbs' }], templates: { 'a.hbs': 'x\n {{typo}}' } },
      ['template 2:4'],
    ],
    [
      'a template that does not parse',
      { steps: [{ file: '/a', template: 'a.hbs' }], templates: { 'a.hbs': 'x\n{{#if host}}\n' } },
      ['template 3:1|template 2:1|template 3:'],
    ],
    ['a template that is not there', { steps: [{ file: '/a', template: 'a.hbs' }] }, ['template 6:5']],
    ['a name of a role that is not needed', { steps: [{ file: '/a', content: '{{two.port}}' }] }, ['template 6:5']],
    ['a param of the wrong type', { steps: [{ file: '/a', absent: 'maybe' }] }, ['wrong-type 7:13']],
    ['an unknown param', { steps: [{ file: '/a', mod: '0644' }] }, ['unknown-key 7:5']],
    ['a template for what takes none', { steps: [{ directory: '/a', template: 'a.hbs' }] }, ['unknown-key 7:5|template 6:5']],
    ['a param that becomes wrong when it is rendered', { steps: [{ file: '{{host.name}}' }] }, ['bad-value 6:5']],
    ['a check that becomes wrong', { health: [{ port: '{{host.name}}' }] }, ['wrong-type 8:11']],
    ['a command without a way to tell that it is done', { steps: [{ command: 'x' }] }, ['missing-key 6:5']],
    [
      'all at once, in steps and health',
      {
        steps: [
          { file: '/a', content: '{{typo}}' },
          { file: '/b', content: '{{oops}}' },
        ],
        health: [{ run: '{{bad}}' }],
      },
      ['template 6:5', 'template 8:5', 'template 11:5'],
    ],
  ])('%s', (_, role, expected) => {
    const told = complaints(planned({ one: role, two: { on: ['compute'], params: { port: { type: 'integer', default: 1 } } } }));
    expect(told).toHaveLength(expected.length);
    expected.forEach((each, i) => {
      expect(told[i]).toMatch(new RegExp(`^(${each})`));
    });
  });

  it('looks at each kind of host, also at one whose addresses are others', () => {
    const roles = { one: { on: all, steps: [{ file: '/a', content: '{{host.addresses.provider}}' }] } };
    const hosts =
      '  ctl1: {address: 10.77.0.11, kind: controller, addresses: {provider: 172.16.0.1}}\n  cmp1: {address: 10.77.0.21, kind: compute, addresses: {provider: 172.16.0.2}}\n';
    expect(complaints(planned(roles, hosts))).toEqual([]);
    expect(complaints(planned(roles, `${hosts}  cmp2: {address: 10.77.0.22, kind: compute}\n`))).toEqual(['template 7:5']);
  });

  it('looks at one of a fleet, and tells the same problem once', () => {
    const plan = planned({ one: { on: all, steps: [{ file: '/a', content: '{{typo}}' }] } }, small.replace('[1-2]', '[1-200]'));
    expect(check(plan)).toHaveLength(1);
  });
});

describe('what a service watches', () => {
  const role = (more: Readonly<Record<string, unknown>> = {}, content = 'a'): Readonly<Record<string, WrittenRole>> => ({
    one: {
      params: { pw: { type: 'string', format: 'secret' }, version: { type: 'string', default: '1.0' } },
      steps: [
        { package: ['srv', 'tool'], version: '{{version}}' },
        { file: '/a.conf', content },
        { file: '/b.conf', content: 'password = {{pw}}' },
        { file: '/unwatched', content: 'x', ...more },
        { service: 's', watches: ['/a.conf', '/b.conf', 'srv'] },
      ],
    },
  });
  const digest = (roles: Readonly<Record<string, WrittenRole>>, hosts = small, secrets: Record<string, string> = {}): unknown =>
    step(planOf(inventoryOf(hosts), rolesOf(roles), secretsOf(secrets)), 'ctl1/one/service s').params['digest'];
  const withParams = (params: string) => small.replace('kind: controller', `kind: controller, params: {one: ${params}}`);
  const was = digest(role());

  it.each<[string, unknown, boolean]>([
    ['nothing', digest(role()), false],
    ['the content of a watched file', digest(role({}, 'b')), true],
    ['a secret in a watched file', digest(role(), small, { 'one.pw': 'Kx7vQ2' }), true],
    ['a version of a watched package', digest(role(), withParams('{version: "2.0"}')), true],
    ['a file that it does not watch', digest(role({ content: 'y' })), false],
    ['a secret that it does not watch', digest(role(), small, { 'one.other': 'x' }), false],
    ['the name and address of another host', digest(role(), small.replace('cmp[1-2]', 'cpu[1-9]')), false],
    ['the cloud’s own key', digest(role(), small, { 'cloud.fingerprint_key': 'another' }), true],
  ])('%s changes its digest: %s', (_, now, changes) => {
    expect(now).toMatch(/^[0-9a-f]{64}$/);
    expect(now !== was).toBe(changes);
  });

  it('another package of the same step is not watched', () => {
    const roles = role();
    const [first, ...rest] = roles['one']!['steps'] as object[];
    expect(digest({ one: { ...roles['one'], steps: [{ ...first, package: ['srv', 'tool', 'one-more'] }, ...rest] } })).toBe(was);
  });

  it('the digest holds no secret and cannot be told without the key', () => {
    const plan = planOf(inventoryOf(small), rolesOf(role()), secretsOf({ 'one.pw': 'canary' }));
    expect(canonical(step(plan, 'ctl1/one/service s').params)).not.toContain('canary');
    expect(canonical(step(plan, 'ctl1/one/file /b.conf').resource.desired(step(plan, 'ctl1/one/file /b.conf').params))).not.toContain(
      'canary',
    );
  });

  it('names the steps and, of merged packages, the differences', () => {
    const plan = planned(role());
    expect(step(plan, 'ctl1/one/service s').watches).toEqual([
      { step: 'ctl1/one/file /a.conf', name: '/a.conf' },
      { step: 'ctl1/one/file /b.conf', name: '/b.conf' },
      { step: 'ctl1/packages', name: 'srv', keys: ['srv'] },
    ]);
  });

  it('a file of a role that it needs, on the same host; what is done once elsewhere is nothing to watch here', () => {
    const plan = planned({
      one: { on: all, scope: 'host', steps: [{ file: '/one' }, { 'mysql-database': 'd' }] },
      two: { on: all, needs: ['one'], steps: [{ file: '/two' }, { service: 's', watches: ['/one', '/two', 'd'] }] },
    });
    const watched = (host: string) => step(plan, `${host}/two/service s`).watches.map(({ step: id }) => id);
    expect(watched('ctl1')).toEqual(['ctl1/one/file /one', 'ctl1/two/file /two', 'ctl1/one/mysql-database d']);
    expect(watched('cmp1')).toEqual(['cmp1/one/file /one', 'cmp1/two/file /two']);
    expect(check(plan)).toEqual([]);
  });

  it('a step that `when` leaves out is not watched there', () => {
    const plan = planned({
      one: {
        params: { extra: { type: 'boolean', default: false } },
        steps: [{ file: '/a', when: 'extra' }, { file: '/b' }, { service: 's', watches: ['/a', '/b'] }],
      },
    });
    expect(step(plan, 'ctl1/one/service s').watches.map(({ name }) => name)).toEqual(['/b']);
    expect(check(plan)).toEqual([]);
  });

  it.each<[string, readonly object[], readonly string[]]>([
    ['a file before a command that names it', [{ command: 'touch /a.conf', creates: '/x' }, { file: '/a.conf' }], ['file /a.conf']],
    ['a file whose path is long', [{ file: `/a.conf` }, { file: `/${'x'.repeat(90)}/a.conf` }], ['file /a.conf']],
    ['a package with its version', [{ package: '{{wanted}}' }, { file: '/a.conf' }], ['file /a.conf']],
  ])('finds %s', (_, steps, expected) => {
    const plan = planned({
      one: {
        params: { wanted: { type: 'string', default: 'srv=1.0' } },
        steps: [...steps, { service: 's', watches: ['/a.conf', ...(JSON.stringify(steps).includes('package') ? ['srv'] : [])] }],
      },
    });
    const watched = step(plan, 'ctl1/one/service s').watches;
    expect(watched.map(({ step: id }) => id)).toEqual(expect.arrayContaining(expected.map((each) => `ctl1/one/${each}`)));
    expect(watched).toHaveLength(JSON.stringify(steps).includes('package') ? 2 : 1);
  });

  it.each([
    ['a long path', `/${'x'.repeat(90)}/a.conf`, [{ file: `/${'x'.repeat(90)}/a.conf` }]],
    ['the last of many packages', 'package-29', [{ package: Array.from({ length: 30 }, (_, i) => `package-${i}`) }]],
  ])('%s is watched, however long its step’s name is', (_, watched, steps) => {
    const plan = planned({ one: { steps: [...steps, { service: 's', watches: [watched] }] } });
    expect(step(plan, 'ctl1/one/service s').watches).toHaveLength(1);
  });

  it('all settings of a watched file are watched', () => {
    const setting = (key: string, value = '1') => ({ 'ini-setting': '/a.ini', key, value });
    const of = (...settings: object[]): Plan => planned({ one: { steps: [...settings, { service: 's', watches: ['/a.ini'] }] } });
    const plan = of(setting('x'), setting('y'));
    expect(step(plan, 'ctl1/one/service s').watches).toHaveLength(2);
    const digests = [plan, of(setting('x', '2'), setting('y')), of(setting('x'), setting('y', '2'))].map(
      (each) => step(each, 'ctl1/one/service s').params['digest'],
    );
    expect(new Set(digests).size).toBe(3);
  });

  it('what is not there is a problem with its place and what may be meant', () => {
    const plan = planned({ one: { steps: [{ file: '/a.conf' }, { service: 's', watches: ['/a.conf', '/a.cnf'] }] } });
    const [problem, ...others] = check(plan);
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ code: 'unknown-watch', hint: 'Did you mean "/a.conf"?', place: { line: 10 } });
  });

  it('what comes behind the service cannot be watched: its restart would be lost', () => {
    const plan = planned({ one: { steps: [{ service: 's', watches: ['/a.conf'] }, { file: '/a.conf' }] } });
    expect(check(plan).map(({ code }) => code)).toEqual(['unknown-watch']);
  });
});

describe('params of steps', () => {
  it('are rendered, with defaults, and without what has no value', () => {
    const plan = planned({
      one: {
        params: {
          servers: { type: 'array', items: { type: 'string' } },
          pw: { type: 'string', format: 'secret' },
          name: { type: 'string', default: 'n' },
        },
        steps: [
          { file: '/{{name}}', content: '{{name}}: {{pw}}', mode: '0600' },
          { 'time-sync': 'chrony', servers: '{{servers}}' },
          { 'rabbitmq-user': 'u', password: '{{pw}}', permissions: { '/{{name}}': '.*' } },
        ],
      },
    });
    const params = step(plan, 'ctl1/one/file /n').params;
    expect(params).toMatchObject({ path: '/n', mode: '0600', owner: 'root:root' });
    expect(params['content']).toBeInstanceOf(Secret);
    expect(String(params['content'])).toBe('n: ‹secret one.pw›');
    expect(Object.hasOwn(step(plan, 'ctl1/one/time-sync chrony').params, 'servers')).toBe(false);
    expect(step(plan, 'ctl1/one/rabbitmq-user u').params['permissions']).toEqual({ '/n': '.*' });
    expect(step(plan, 'ctl1/one/rabbitmq-user u').params['password']).toBeInstanceOf(Secret);
  });

  it('names of steps show no secret', () => {
    const plan = planned({ one: { params: { pw: { type: 'string', format: 'secret' } }, steps: [{ directory: '/{{pw}}' }] } });
    expect([...plan.nodes.keys()][0]).toBe('ctl1/one/directory /‹secret one.pw›');
  });

  it('a role sees the params, hosts and address of those it needs, and of no others', () => {
    const plan = planned({
      db: { on: ['compute'], params: { port: { type: 'integer', default: 3306 } } },
      one: {
        needs: ['db'],
        steps: [
          { file: '/a', content: '{{db.address}}:{{db.port}} {{#each db.hosts}}{{name}} {{/each}}{{cloud.name}} {{networks.data.cidr}}' },
        ],
      },
    });
    expect(step(plan, 'ctl1/one/file /a').params['content']).toBe('10.77.0.21:3306 cmp1 cmp2 lab 192.168.0.0/16');
  });

  it.each([
    ['several hosts behind a virtual address are reached by it', {}, small, '10.77.0.5'],
    ['one host is reached by its own', {}, small.replace('[1-2]', '1'), '10.77.0.21'],
    ['hosts that each serve themselves are, too', { scope: 'host' }, small, '10.77.0.21'],
  ])('%s', (_, role, hosts, address) => {
    const roles = rolesOf({ db: { on: ['compute'], ...role }, one: { needs: ['db'], steps: [{ file: '/a', content: '{{db.address}}' }] } });
    const plan = planOf(inventoryOf(hosts, '', ', vip: {internal: 10.77.0.5}'), roles);
    expect(step(plan, 'ctl1/one/file /a').params['content']).toBe(address);
  });
});

describe('a step whose value names several resources', () => {
  const admins = { type: 'object', additionalProperties: { type: 'object' } };
  const roles = {
    one: {
      on: ['controller'],
      params: { admins, tools: { type: 'array', items: { type: 'string' }, default: [] } },
      steps: [
        { user: '{{admins}}', shell: '/bin/sh', sudo: true },
        { symlink: '{{tools}}', target: '/opt/tools' },
        { package: ['a', 'b'] },
        { directory: '/end' },
      ],
    },
  };
  const given = (text: string) => planned(roles, small, `params: {one: ${text}}\n`);

  it('is one each, in order, with its own params before those of the step', () => {
    const plan = given('{admins: {alice: {shell: /bin/bash}, bob: {absent: true}, carol: }, tools: [/a, /b]}');
    expect(step(plan, 'ctl1/one/user alice').params).toMatchObject({ name: 'alice', shell: '/bin/bash', sudo: true });
    expect(step(plan, 'ctl1/one/user bob').params).toMatchObject({ name: 'bob', shell: '/bin/sh', absent: true });
    expect(needs(plan, 'ctl1/one/symlink /a')).toEqual(['ctl1/one/user carol: next in the role']);
    expect(step(plan, 'ctl1/one/symlink /b').params).toEqual({ path: '/b', target: '/opt/tools' });
    expect(needs(plan, 'ctl1/one/directory /end')).toEqual(['ctl1/one/symlink /b: next in the role']);
    expect(step(plan, 'ctl1/packages').params['names']).toEqual(['a', 'b']);
  });

  it('is none where there is none to name', () => {
    const plan = given('{admins: {}}');
    expect(needs(plan, 'ctl1/one/directory /end')).toEqual(['ctl1/packages: packages first']);
  });

  it('takes a value as it stands: what looks like a template in it is none', () => {
    const plan = given(`{tools: ['/{{cloud.name}}']}`);
    expect(step(plan, 'ctl1/one/symlink /{{cloud.name}}').params).toMatchObject({ path: '/{{cloud.name}}' });
  });

  it('says what an entry has that the type refuses', () => {
    expect(complaints(given('{admins: {Alice: {}, bob: {shoe: 1}}}'))).toEqual(['bad-value 6:5', 'unknown-key 6:5']);
  });
});

describe('purity', () => {
  const roles = readRoles('roles').roles;
  const text = (plan: Plan): string =>
    JSON.stringify(
      [...plan.graph.order()].map((id) => [
        id,
        needs(plan, id),
        plan.nodes.get(id)!.kind === 'step' ? step(plan, id).resource.desired(step(plan, id).params) : null,
      ]),
    );

  it('the same input gives the same plan', () => {
    expect(text(planOf(inventoryOf(small), roles))).toBe(text(planOf(inventoryOf(small), readRoles('roles').roles)));
  });

  it('looking at a plan does not change it', () => {
    const plan = planOf(inventoryOf(small), roles);
    const before = text(plan);
    check(plan);
    expect(text(plan)).toBe(before);
  });
});

describe('fleets', () => {
  it('10,000 hosts are expanded, checked and put in order in a few seconds', { timeout: 300_000 }, () => {
    const run = spawnSync(process.execPath, ['--max-old-space-size=2048', fileURLToPath(new URL('fleet.ts', import.meta.url)), '10000'], {
      encoding: 'utf8',
      timeout: 280_000,
    });
    expect(`${run.stderr.slice(-300)}${run.status ?? run.signal}`).toBe('0');
    const told = JSON.parse(run.stdout) as Record<'problems' | 'nodes' | 'ordered' | 'megabytes', number> &
      Record<'entries' | 'seconds', number[]>;
    const [read, expanded, checked, ordered, worked] = told.seconds.map((each) => `${each.toFixed(2)} s`);
    console.info(
      `10,003 hosts, ${told.nodes} nodes, ${told.megabytes} MB: read ${read}, expand ${expanded}, check ${checked}, order ${ordered}, 20 hosts files ${worked}`,
    );
    expect(told).toMatchObject({ problems: 0, ordered: told.nodes, entries: Array.from({ length: 20 }, () => 10_003) });
    expect(told.nodes).toBeGreaterThan(70_000);
  });
});
