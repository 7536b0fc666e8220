import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readRoles } from '../../src/roles/role.ts';
import { TemplateError } from '../../src/roles/template.ts';
import { newDirectory, writeRoles, type WrittenRole } from './directories.ts';

describe('the roles that come with Cellwise', () => {
  const { roles, problems } = readRoles('roles');

  it('have no problems', () => {
    expect(problems).toEqual([]);
    expect([...roles.keys()].toSorted()).toEqual(readdirSync('roles').toSorted());
  });

  it.each([...roles.values()].map((role) => [role.name, role] as const))('%s describes itself and each of its params', (_, role) => {
    expect(role.summary).toMatch(/\.$/);
    for (const [name, schema] of Object.entries(role.params)) {
      expect(schema.description, name).toMatch(/\S/);
      expect(schema.type ?? schema.anyOf, name).toBeDefined();
    }
  });

  it('no web server takes Python apart when it is told to end, which hangs for a minute now and then', () => {
    const files = [...roles.values()].flatMap(({ name, steps }) =>
      steps.flatMap(({ template }) => (template?.endsWith('-uwsgi.ini.hbs') ? [[name, template] as const] : [])),
    );
    expect(files.length).toBeGreaterThan(5);
    for (const [role, template] of files) expect(source(role, template), template).toMatch(/^skip-atexit = true$/m);
  });

  it('every param is used, by its own role or by one that reads it', () => {
    const texts = new Map(
      [...roles.values()].map((role) => {
        const templates = role.steps.flatMap((step) => (step.template === undefined ? [] : [step.template]));
        const own = JSON.stringify([role.steps, role.health, role.verify, role.upgrade, role.api, role.hosts === 'quorum' ? 'hosts' : '']);
        return [role.name, own + templates.map((name) => source(role.name, name)).join('')];
      }),
    );
    for (const role of roles.values()) {
      for (const name of Object.keys(role.params)) {
        const others = [...texts.values()].some((text) => text.includes(`${role.name}.${name}`));
        expect(others || texts.get(role.name)!.includes(name), `${role.name}.${name}`).toBe(true);
      }
    }
  });
});

function source(role: string, template: string): string {
  return readFileSync(`roles/${role}/templates/${template}`, 'utf8');
}

describe('reading a role', () => {
  it('keeps what is written, with defaults filled in', () => {
    const { roles, problems } = readRoles(
      writeRoles({
        one: {
          yaml: `role: one
summary: A role.
on: [controller, compute]
scope: host
hosts: first
steps:
  - file: /a
    template: a.hbs
    mode: "0600"
    when: extra
  - service: a
    watches: [/a]
    once: true
    when: { level: 2 }
health:
  - port: 80
    within: 5s
  - run: "true"
`,
          params: { extra: { type: 'boolean', default: true } },
          templates: { 'a.hbs': '{{host.name}}' },
        },
        two: { needs: ['one'] },
      }),
    );
    expect(problems).toEqual([]);
    const { name, summary, on, scope, hosts, needs, os, params, steps, health } = roles.get('one')!;
    expect({ name, summary, on, scope, hosts, needs, os, params, steps, health }).toEqual({
      name: 'one',
      summary: 'A role.',
      on: ['controller', 'compute'],
      scope: 'host',
      hosts: 'first',
      needs: [],
      os: {},
      params: { extra: { type: 'boolean', default: true } },
      steps: [
        {
          type: 'file',
          name: '/a',
          params: { mode: '0600' },
          template: 'a.hbs',
          once: false,
          when: 'extra',
          watches: [],
          irreversible: false,
          path: ['steps', 0],
        },
        {
          type: 'service',
          name: 'a',
          params: {},
          once: true,
          when: { level: 2 },
          watches: ['/a'],
          irreversible: false,
          path: ['steps', 1],
        },
      ],
      health: [
        { type: 'port', name: 80, params: {}, within: 5, canary: false, path: ['health', 0] },
        { type: 'run', name: 'true', params: {}, within: 60, canary: false, path: ['health', 1] },
      ],
    });
    expect(roles.get('two')).toMatchObject({ scope: 'cloud', hosts: 'all', needs: ['one'], params: {}, health: [] });
    expect(roles.get('one')!.place(['steps', 1])).toMatchObject({ line: 11, column: 5 });
    expect(roles.get('one')!.template('a.hbs')({ host: { name: 'h' } })).toBe('h');
  });

  it('keeps what is done around an upgrade; a section that is not written is empty', () => {
    const { roles, problems } = readRoles(
      writeRoles({
        one: {
          yaml: `role: one
summary: A role.
on: [compute]
steps:
  - db-sync: one
    command: sync
    package: one
    during: deploy
upgrade:
  drain:
    - file: /drained
    - command: migrate
      creates: /empty
      policy: [live-migrate, wait]
  contract:
    - command: contract
      creates: /contracted
      irreversible: true
  gate:
    - unit: one
      within: 5s
`,
        },
      }),
    );
    expect(problems).toEqual([]);
    const { steps, upgrade } = roles.get('one')!;
    expect(steps[0]).toMatchObject({ during: 'deploy', irreversible: false });
    expect(upgrade.drain).toMatchObject([
      { type: 'file', name: '/drained', path: ['upgrade', 'drain', 0] },
      { type: 'command', policy: ['live-migrate', 'wait'], params: { creates: '/empty' } },
    ]);
    expect(upgrade.contract).toMatchObject([{ irreversible: true, params: { creates: '/contracted' } }]);
    expect(upgrade.checks.gate).toMatchObject([{ type: 'unit', within: 5, path: ['upgrade', 'gate', 0] }]);
    expect([upgrade.backup, upgrade.before, upgrade.expand, upgrade.restore, upgrade.after]).toEqual([[], [], [], [], []]);
    expect([upgrade.checks.preflight, upgrade.checks.health]).toEqual([[], []]);
  });

  it('a template tells its file when it fails', () => {
    const directory = writeRoles({ one: { templates: { 'bad.hbs': 'a\n{{typo}}', 'open.hbs': '{{#if' } } });
    const role = readRoles(directory).roles.get('one')!;
    for (const [name, line, text] of [
      ['bad.hbs', 2, 'typo'],
      ['open.hbs', 1, 'Parse error'],
      ['nosuch.hbs', undefined, 'nosuch.hbs'],
    ] as const) {
      try {
        role.template(name)({});
        expect.unreachable();
      } catch (error) {
        expect(error).toBeInstanceOf(TemplateError);
        expect(error).toMatchObject({ line, message: expect.stringContaining(text) as string });
        if (line !== undefined) expect((error as TemplateError).file).toBe(`${directory}/one/templates/${name}`);
      }
    }
  });

  it('what is no role is left alone', () => {
    const directory = writeRoles({ one: {} });
    expect([...readRoles(directory).roles.keys()]).toEqual(['one']);
    expect(readRoles(newDirectory())).toEqual({ roles: new Map(), problems: [] });
  });
});

describe('roles that are broken', () => {
  const good = 'role: one\nsummary: A role.\non: [controller]\n';

  it.each<[string, Readonly<Record<string, WrittenRole>>, readonly string[], hint?: string]>([
    [
      'an unknown step type',
      { one: { yaml: `${good}steps:\n  - fil: /a\n` } },
      ['one/role.yaml:5:5 unknown-step-type'],
      'Did you mean "file"?',
    ],
    [
      'a step that begins with a reserved word',
      { one: { yaml: `${good}steps:\n  - once: true\n    file: /a\n` } },
      ['one/role.yaml:5:5 unknown-step-type'],
    ],
    [
      'an unknown check',
      { one: { yaml: `${good}steps:\n  - directory: /a\nhealth:\n  - htp: x\n` } },
      ['one/role.yaml:7:5 unknown-step-type'],
      'Did you mean "http"?',
    ],
    ['a prototype name as a type', { one: { yaml: `${good}steps:\n  - constructor: /a\n` } }, ['one/role.yaml:5:5 unknown-step-type']],
    [
      'an unknown key',
      { one: { yaml: `${good}step:\n  - directory: /a\n` } },
      ['one/role.yaml:1:1 missing-key', 'one/role.yaml:4:1 unknown-key'],
      'Did you mean "steps"?',
    ],
    [
      'an unknown kind',
      { one: { yaml: 'role: one\nsummary: A role.\non: [controler]\nsteps:\n  - directory: /a\n' } },
      ['one/role.yaml:3:6 bad-value'],
      'Did you mean "controller"?',
    ],
    [
      'an unknown need',
      { one: { yaml: `${good}needs: [twoo]\nsteps:\n  - directory: /a\n` }, two: {} },
      ['one/role.yaml:4:9 unknown-role'],
      'Did you mean "two"?',
    ],
    [
      'a name that is not the directory’s',
      { one: { yaml: `role: two\nsummary: A role.\non: [controller]\nsteps:\n  - directory: /a\n` } },
      ['one/role.yaml:1:7 role-name'],
    ],
    ...['cell', 'cloud', 'host', 'hosts', 'leaving', 'networks', 'os', 'packages', 'resources'].map(
      (name): [string, Record<string, { yaml: string }>, string[]] => [
        `the reserved name ${name}`,
        { [name]: { yaml: `role: ${name}\nsummary: A role.\non: [controller]\nsteps:\n  - directory: /a\n` } },
        [`${name}/role.yaml:1:7 role-name`],
      ],
    ),
    ['a missing summary', { one: { yaml: 'role: one\non: [controller]\nsteps:\n  - directory: /a\n' } }, ['one/role.yaml:1:1 missing-key']],
    ['no steps', { one: { yaml: `${good}steps: []\n` } }, ['one/role.yaml:4:8 wrong-type|bad-value']],
    ['a step that is a text', { one: { yaml: `${good}steps:\n  - file\n` } }, ['one/role.yaml:5:5 wrong-type']],
    ['an empty step', { one: { yaml: `${good}steps:\n  - {}\n` } }, ['one/role.yaml:5:5 wrong-type|bad-value']],
    [
      'a time without its unit',
      { one: { yaml: `${good}steps:\n  - directory: /a\nhealth:\n  - port: 1\n    within: 60\n` } },
      ['one/role.yaml:8:13 wrong-type'],
    ],
    [
      'an unknown section of an upgrade',
      { one: { yaml: `${good}steps:\n  - directory: /a\nupgrade:\n  drains:\n    - file: /a\n` } },
      ['one/role.yaml:7:3 unknown-key'],
      'Did you mean "drain"?',
    ],
    [
      'an unknown type around an upgrade',
      { one: { yaml: `${good}steps:\n  - directory: /a\nupgrade:\n  drain:\n    - fil: /a\n  gate:\n    - file: /a\n` } },
      ['one/role.yaml:8:7 unknown-step-type', 'one/role.yaml:10:7 unknown-step-type'],
    ],
    [
      'packages around an upgrade',
      { one: { yaml: `${good}steps:\n  - directory: /a\nupgrade:\n  before:\n    - package: a\n` } },
      ['one/role.yaml:8:7 upgrade-section'],
    ],
    [
      'who and when, where the section says it',
      {
        one: {
          yaml: `${good}steps:\n  - directory: /a\nupgrade:\n  after:\n    - file: /a\n      once: true\n    - file: /b\n      policy: [wait]\n`,
        },
      },
      ['one/role.yaml:9:7 upgrade-section', 'one/role.yaml:11:7 upgrade-section'],
    ],
    [
      'a way of draining outside of it',
      { one: { yaml: `${good}steps:\n  - directory: /a\n    policy: [wait]\n` } },
      ['one/role.yaml:6:5 upgrade-section'],
    ],
    [
      'an occasion that there is not',
      { one: { yaml: `${good}steps:\n  - directory: /a\n    during: downgrade\n` } },
      ['one/role.yaml:6:13 bad-value'],
    ],
    ['a syntax error', { one: { yaml: `${good}steps:\n  - file: "/a\n` } }, ['one/role.yaml:* yaml-syntax']],
    ['a tab', { one: { yaml: `${good}steps:\n\t- file: /a\n` } }, ['one/role.yaml:5:1 yaml-tab']],
    ['a key twice', { one: { yaml: `${good}on: [compute]\nsteps:\n  - directory: /a\n` } }, ['one/role.yaml:4:1 yaml-duplicate-key']],
    ['an empty file', { one: { yaml: '' } }, ['one/role.yaml:* yaml-empty']],
    ['a list instead of a role', { one: { yaml: '- a\n' } }, ['one/role.yaml:1:1 wrong-type']],
    ['params that are no JSON', { one: { files: { 'params.schema.json': '{"properties": {' } } }, ['one/params.schema.json:* yaml-syntax']],
    [
      'several at once, in several roles',
      { one: { yaml: `${good}steps:\n  - fil: /a\n  - dirctory: /b\n` }, two: { yaml: 'role: two\n' } },
      [
        'one/role.yaml:5:5 unknown-step-type',
        'one/role.yaml:6:5 unknown-step-type',
        'two/role.yaml:1:1 missing-key',
        'two/role.yaml:1:1 missing-key',
        'two/role.yaml:1:1 missing-key',
      ],
    ],
    [
      'a need that is broken itself is told of once',
      { one: { needs: ['two'] }, two: { yaml: 'role: two\nsummary: x\non: [controller]\nsteps:\n  - fil: /a\n' } },
      ['two/role.yaml:5:5 unknown-step-type'],
    ],
  ])('%s', (_, roles, expected, hint) => {
    const directory = writeRoles(roles);
    const { problems } = readRoles(directory);
    const told = problems.map(({ code, place }) => `${place!.file.slice(directory.length + 1)}:${place!.line}:${place!.column} ${code}`);
    expect(told).toHaveLength(expected.length);
    expected.forEach((each, i) => {
      expect(told[i]).toMatch(
        new RegExp(
          `^${each
            .replace(/ (.*)$/, ' ($1)')
            .replace('*', String.raw`\d+:\d+`)
            .replaceAll('.', String.raw`\.`)}$`,
        ),
      );
    });
    for (const problem of problems) expect(problem.place!.frame ?? '').not.toBe(undefined);
    if (hint !== undefined) expect(problems.map((problem) => problem.hint)).toContain(hint);
  });

  it('roles of several directories need each other, and no two have one name', () => {
    const [theirs, mine] = [writeRoles({ one: {}, two: {} }), writeRoles({ three: { needs: ['one'] }, two: {} })];
    const { roles, problems } = readRoles(theirs, mine);
    expect([...roles.keys()].toSorted()).toEqual(['one', 'three', 'two']);
    expect(problems.map(({ code, place }) => [code, place!.file])).toEqual([['role-name', `${mine}/two/role.yaml`]]);
  });

  it('a directory that is not there is told of', () => {
    const { problems } = readRoles('/nowhere/roles');
    expect(problems).toEqual([{ code: 'file-unreadable', message: 'The roles in /nowhere/roles cannot be read: it is not there' }]);
  });

  it.each<[string, string]>([
    ['a type that there is not', '{"properties": {"port": {"type": "strnig"}}}'],
    ['a list of params', '{"properties": []}'],
    ['a param that is a number', '{"properties": {"port": 5}}'],
    ['a text', '"port"'],
    ['a pattern that is none', '{"properties": {"port": {"type": "string", "pattern": "["}}}'],
  ])('params.schema.json with %s is a problem of that file', (_, text) => {
    const directory = writeRoles({ one: { files: { 'params.schema.json': text } } });
    const { problems } = readRoles(directory);
    expect(problems.map(({ place }) => place!.file)).toEqual([`${directory}/one/params.schema.json`]);
  });
});
