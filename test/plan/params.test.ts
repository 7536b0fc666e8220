import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/base/secret.ts';
import { resolveParams } from '../../src/plan/context.ts';
import { checkParams, checkServices } from '../../src/plan/params.ts';
import { readRoles } from '../../src/roles/role.ts';
import { inventoryOf, rolesOf, secretsOf, small } from './clouds.ts';

const roles = rolesOf({
  db: {
    params: {
      port: { type: 'integer', default: 3306, minimum: 1 },
      size: { type: 'string', enum: ['small', 'large'], default: 'small' },
      servers: { type: 'array', items: { type: 'string' } },
      extra: { type: 'boolean', default: false },
      password: { type: 'string', format: 'secret' },
    },
  },
  web: {},
});

// As many hosts as its params say, of which there are three.
const counted = rolesOf({
  pool: {
    params: {
      copies: { type: 'integer', minimum: 2, default: 3, hostsOf: 'storage' },
      hosts: { anyOf: [{ type: 'integer' }, { type: 'array', items: { type: 'string' } }], hostsOf: 'storage' },
    },
    hosts: 'quorum',
  },
});

describe('params that speak of hosts', () => {
  const hosts = (storage: string): string => `${small}${storage}`;
  const three = '  sto[1-3]: {address: 10.77.0.31, kind: storage}\n';
  const two = '  sto[1-2]: {address: 10.77.0.31, kind: storage}\n';
  it.each<[name: string, more: string, storage: string, expected: readonly string[]]>([
    ['as many as there are', 'params: {pool: {copies: 3, hosts: [sto1, sto2, sto3]}}\n', three, []],
    [
      'more copies than hosts',
      'params: {pool: {copies: 4}}\n',
      three,
      ['too-few-hosts 3:25: pool.copies is 4, which takes 4 hosts of kind storage; there are 3'],
    ],
    [
      'a default that is too high',
      '',
      two,
      ['too-few-hosts 3:1: pool.copies is 3 by default, which takes 3 hosts of kind storage; there are 2'],
    ],
    [
      'a host that leaves',
      '',
      `${two}  sto9: {address: 10.77.0.39, kind: storage, state: absent}\n`,
      ['too-few-hosts 3:1: pool.copies is 3 by default, which takes 3 hosts of kind storage; there are 2'],
    ],
    [
      'a name that no host has',
      'params: {pool: {hosts: [sto1, sto2, sto9]}}\n',
      three,
      ['unknown-host 3:37: sto9 is not a host of kind storage'],
    ],
    ['a host of another kind', 'params: {pool: {hosts: [ctl1]}}\n', three, ['unknown-host 3:25: ctl1 is not a host of kind storage']],
    ['an even number', 'params: {pool: {hosts: 2}}\n', three, ['no-quorum 3:24: 2 of them survive no more failures than 1 would']],
    ['an even list', 'params: {pool: {hosts: [sto1, sto2]}}\n', three, ['no-quorum 3:24: 2 of them survive no more failures than 1 would']],
    ['no such hosts at all', '', '', []],
  ])('%s', (_, more, storage, expected) => {
    const problems = checkParams(inventoryOf(hosts(storage), more), counted);
    expect(problems.map(({ code, place, message }) => `${code} ${place!.line}:${place!.column}: ${message}`)).toEqual(expected);
  });

  it('says how low a param can be set, or that it cannot be low enough', () => {
    const hintsOf = (storage: string): (string | undefined)[] => checkParams(inventoryOf(hosts(storage)), counted).map(({ hint }) => hint);
    expect(hintsOf(two)).toEqual(['Add hosts of kind storage, or write `params: {pool: {copies: 2}}`']);
    expect(hintsOf('  sto1: {address: 10.77.0.31, kind: storage}\n')).toEqual(['Add hosts of kind storage: it must be 2 at least']);
  });
});

describe('params of an inventory', () => {
  // The first line of `params:` is line 3 of the text.
  it.each<[string, more: string, hosts: string, expected: readonly string[], hint?: string]>([
    ['all is well', 'params:\n  db: {port: 1, size: large, servers: [a], extra: true, password: {secret: mine}}\n', small, []],
    ['an unknown role', 'params:\n  dbb: {port: 1}\n', small, ['unknown-role 4:3'], 'Did you mean "db"?'],
    ['an unknown role that is like none', 'params:\n  glance: {port: 1}\n', small, ['unknown-role 4:3'], 'Roles are db, web.'],
    ['an unknown param', 'params:\n  db: {prt: 1}\n', small, ['unknown-key 4:8'], 'Did you mean "port"?'],
    ['a param of a role that has none', 'params:\n  web: {port: 1}\n', small, ['unknown-key 4:9']],
    ['a wrong type', 'params:\n  db: {port: "1"}\n', small, ['wrong-type 4:14']],
    ['a number that is too small', 'params:\n  db: {port: 0}\n', small, ['bad-value|wrong-type 4:14']],
    ['a value that is none of those allowed', 'params:\n  db: {size: smal}\n', small, ['bad-value 4:14'], 'Did you mean "small"?'],
    ['an item of the wrong type', 'params:\n  db: {servers: [a, 1]}\n', small, ['wrong-type 4:21']],
    ['a secret in clear text', 'params:\n  db: {password: hunter2}\n', small, ['secret-in-clear 4:18']],
    ['a secret that is a number', 'params:\n  db: {password: 12345}\n', small, ['secret-in-clear 4:8']],
    ['a secret that is no name', 'params:\n  db: {password: {secret: 5}}\n', small, ['wrong-type 4:27']],
    ['what every object has', 'params:\n  db: {constructor: 1}\n', small, ['unknown-key 4:8']],
    ['a role called as what every object has', 'params:\n  constructor: {}\n', small, ['unknown-role 4:3']],
    [
      'all levels at once',
      'params:\n  db: {prt: 1}\ncells:\n  cell1: {params: {dbb: {}}}\nkinds:\n  compute: {params: {db: {port: x}}}\n',
      '  ctl1: {address: 10.77.0.11, kind: controller, params: {db: {password: hunter2}}}\n  cmp[1-9]: {address: 10.77.0.21, kind: compute}\n',
      ['no-effect 8:22', 'secret-in-clear 10:73', 'unknown-key 4:8', 'unknown-role 6:20', 'wrong-type 8:33'],
    ],
  ])('%s', (_, more, hosts, expected, hint) => {
    const problems = checkParams(inventoryOf(hosts, more), roles);
    const told = problems.map(({ code, place }) => `${code} ${place!.line}:${place!.column}`).toSorted();
    expect(told).toHaveLength(expected.length);
    expected.forEach((each, i) => {
      expect(told[i]).toMatch(new RegExp(`^(${each.replace(/ .*/, '')}) ${each.replace(/.* /, '')}$`));
    });
    expect(JSON.stringify(problems.map(({ message, hint: told }) => [message, told]))).not.toContain('hunter2');
    if (hint !== undefined) expect(problems.map((problem) => problem.hint)).toContain(hint);
  });
});

describe('params for hosts that do not carry the role', () => {
  const all = rolesOf({ db: { on: ['controller'], params: { port: { type: 'integer' } } } });
  it.each<[name: string, more: string, hosts: string, expected: readonly string[]]>([
    ['of a kind', 'kinds: {compute: {params: {db: {port: 1}}}}\n', small, ['3:28 no host of the kind compute carries']],
    ['of a kind that carries it', 'kinds: {controller: {params: {db: {port: 1}}}}\n', small, []],
    ['of a kind without hosts', 'kinds: {storage: {params: {db: {port: 1}}}}\n', small, []],
    ['of a cell', 'cells: {a: {params: {db: {port: 1}}}}\n', small, ['3:22 no host of the cell a carries']],
    [
      'of a host',
      '',
      `${small}  cmp9: {address: 10.77.0.29, kind: compute, params: {db: {port: 1}}}\n`,
      ['6:55 the host cmp9 does not carry'],
    ],
    ['of the whole cloud', 'params: {db: {port: 1}}\n', small, []],
  ])('%s', (_, more, hosts, expected) => {
    const problems = checkParams(inventoryOf(hosts, more), all);
    expect(problems.map(({ code, severity, place, message }) => [code, severity, `${place!.line}:${place!.column} ${message}`])).toEqual(
      expected.map((each) => ['no-effect', 'warning', `${each.replace(' ', ' These params have no effect: ')} the role db`]),
    );
  });
});

describe('params of the roles that come with Cellwise', () => {
  const shipped = readRoles('roles').roles;
  it.each([
    ['keystone: {port: 70000}', 'params.keystone.port is 70000; it must be at most 65535'],
    ['glance: {images: images/}', 'params.glance.images is "images/"; it must be an absolute path, such as /var/lib/glance/images'],
    [
      'nova-compute: {instances: srv}',
      'params.nova-compute.instances is "srv"; it must be an absolute path, such as /var/lib/nova/instances',
    ],
    ['rabbitmq: {port: 0}', 'params.rabbitmq.port is 0; it must be at least 1'],
    [
      "neutron-server: {vlan_range: '4000:5000'}",
      'params.neutron-server.vlan_range is "4000:5000"; it must be two VLANs from 1 to 4094, such as 1000:1999',
    ],
    [
      'openvswitch: {provider_interface: averyveryverylongname}',
      'params.openvswitch.provider_interface is "averyveryverylongname"; it must be the name of one interface, of 15 characters at most',
    ],
  ])('%s is refused at the line of the inventory', (param, message) => {
    const problems = checkParams(inventoryOf(small, `params:\n  ${param}\n`), shipped);
    expect(problems.map(({ message: told, place }) => [told, place!.file, place!.line])).toEqual([[message, '/lab/inventory.yaml', 4]]);
  });

  it('every port is one', () => {
    const ports = [...shipped.values()].flatMap(({ name, params }) =>
      Object.entries(params).flatMap(([param, schema]) =>
        /(^|_)port$/.test(param) ? [[`${name}.${param}`, schema.minimum, schema.maximum]] : [],
      ),
    );
    expect(ports.length).toBeGreaterThan(15);
    expect(ports.filter(([, least, most]) => Number(least) < 1 || most !== 65535)).toEqual([]);
  });
});

it('services that are no roles are told with their places', () => {
  const problems = checkServices(inventoryOf(small, '', ', services: [db, webb]'), roles);
  expect(problems).toMatchObject([{ code: 'unknown-role', hint: 'Did you mean "web"?', place: { line: 1 } }]);
  expect(checkServices(inventoryOf(small), roles)).toEqual([]);
  const both = checkServices(inventoryOf(small, '', ', services: {add: [dbb], remove: [webb]}'), roles);
  expect(both.map(({ hint, place }) => [hint, place!.column])).toEqual([
    ['Did you mean "db"?', 56],
    ['Did you mean "web"?', 71],
  ]);
});

it('a service that is removed and needed after all is told with who needs it', () => {
  const all = rolesOf({ one: {}, two: { needs: ['one'] }, extra: { optional: true, needs: ['two'] } });
  const messagesOf = (services: string): string[] =>
    checkServices(inventoryOf(small, '', `, services: ${services}`), all).map(({ message }) => message);
  expect(messagesOf('{remove: [one]}')).toEqual([]);
  expect(messagesOf('{add: [extra], remove: [one]}')).toEqual(['one cannot be removed: two needs it']);
  expect(messagesOf('{add: [extra], remove: [extra]}')).toEqual(['extra cannot be removed: it is added as well']);
});

describe('the nearer level wins', () => {
  const all = {
    cloud: 'params: {db: {port: 1}}\n',
    cell: 'cells: {cell1: {params: {db: {port: 2}}}}\n',
    kind: 'kinds: {compute: {params: {db: {port: 3}}}, storage: {params: {db: {port: 4}}}}\n',
  };
  const hosts = (params = '', kind = 'compute') =>
    `  ctl1: {address: 10.77.0.11, kind: controller}\n  cmp1: {address: 10.77.0.21, kind: ${kind}${params}}\n`;
  const own = ', params: {db: {port: 5}}';

  it.each<[string, string, string, value: unknown, level: string]>([
    ['nothing said', '', hosts(), 3306, 'default'],
    ['the cloud', all.cloud, hosts(), 1, 'cloud'],
    ['the cell', all.cloud + all.cell, hosts(), 2, 'cell cell1'],
    ['the kind', all.cloud + all.cell + all.kind, hosts(), 3, 'kind compute'],
    ['the later of two kinds', all.cloud + all.kind, hosts('', '[compute, storage]'), 4, 'kind storage'],
    ['the host', all.cloud + all.cell + all.kind, hosts(own), 5, 'host cmp1'],
    ['the host alone', '', hosts(own), 5, 'host cmp1'],
  ])('%s', (_, more, text, value, level) => {
    const inventory = inventoryOf(text, more);
    const host = inventory.hosts.find(({ name }) => name === 'cmp1')!;
    expect(resolveParams(inventory, roles.get('db')!, host, secretsOf())['port']).toEqual({ value, level });
    // A controller is in no cell and of another kind: it knows of the cloud's only.
    const first = resolveParams(inventory, roles.get('db')!, inventory.hosts[0]!, secretsOf())['port']!;
    expect(first.level).toBe(more.includes('params: {db: {port: 1}}') ? 'cloud' : 'default');
  });

  it('each param comes from its own level', () => {
    const inventory = inventoryOf(hosts(', params: {db: {size: large, extra: false}}'), all.cloud);
    const resolved = resolveParams(inventory, roles.get('db')!, inventory.hosts[1]!, secretsOf());
    expect(Object.fromEntries(Object.entries(resolved).map(([name, { level }]) => [name, level]))).toEqual({
      port: 'cloud',
      size: 'host cmp1',
      servers: 'default',
      extra: 'host cmp1',
      password: 'generated',
    });
    expect(resolved['extra']!.value).toBe(false);
    expect(resolved['servers']!.value).toBeUndefined();
  });

  it.each([
    ['made, under its own name', '', 'db.password', 'generated'],
    ['named by the inventory', 'params: {db: {password: {secret: shared}}}\n', 'shared', 'cloud'],
  ])('a secret is %s', (_, more, name, level) => {
    const inventory = inventoryOf(hosts(), more);
    const asked: string[] = [];
    const { password } = resolveParams(inventory, roles.get('db')!, inventory.hosts[1]!, (wanted) => {
      asked.push(wanted);
      return Secret.of(wanted, 'canary');
    });
    expect(asked).toEqual([name]);
    expect(password!.level).toBe(level);
    expect((password!.value as Secret).reveal()).toBe('canary');
    expect(JSON.stringify(password)).not.toContain('canary');
  });
});
