import { spawn } from 'node:child_process';
import { appendFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { generatedFiles } from '../../src/cli/generate.ts';
import { newDirectory } from '../roles/directories.ts';
import { cellwise, jsonLines, type Ended } from './process.ts';
import { onTerminal } from './pty.ts';

// Two cores, and others work on them too.
vi.setConfig({ testTimeout: 60_000 });

const lab = 'inventories/lab.yaml';
const commands = ['init', 'validate', 'graph', 'plan', 'apply', 'verify', 'render', 'explain', 'status', 'secrets', 'lab'];

/** What is said of a person's mistake: no stack trace, no "bug". */
function plainly({ out, err }: Ended): void {
  expect(out + err).not.toMatch(/\n\s+at |\bbug\b|node:internal|undefined/);
}

function inventory(text: string): string {
  const file = join(newDirectory(), 'inventory.yaml');
  writeFileSync(file, text);
  return file;
}

/** One host that refuses connections. */
const nobody = (port = 9): string => `cloud: {name: nobody, release: "2025.1"}
networks: {management: {cidr: 127.0.0.0/8}}
ssh: {user: root, agent: false, config: false, known_hosts: known_hosts, identity: id}
hosts:
  ctl1: {address: 127.0.0.2, kind: controller, ssh: {port: ${port}}}
`;

const broken = `cloud: {name: Lab!, release: "2025.1"}
networks: {management: {cidr: 10.77.0.0/24}, data: {cidr: 10.77.0.0/25}}
hosts:
  ctl1: {address: 10.77.0.11, kind: controler}
  ctl2: {address: 10.77.0.12, kind: controller, colour: red}
  cmp1: {address: 10.99.0.21, kind: compute}
  cmp[5-2]: {address: 10.77.0.21, kind: compute}
`;

describe('help', () => {
  it.concurrent.each(commands)('of %s shows two examples and ends well', async (command) => {
    const ended = await cellwise([command, '--help']);
    expect(ended).toMatchObject({ code: 0, err: '' });
    expect(ended.out).toMatch(new RegExp(`^Usage: cellwise ${command} `));
    const examples = ended.out.split('\nExamples:\n')[1]!;
    expect(examples.match(/^ {2}\$ cellwise .*$/gm)).toHaveLength(2);
    for (const example of examples.match(/^ {2}\$ cellwise .*$/gm)!) expect(example).toContain(`cellwise ${command}`);
    expect(ended.out).toContain('--inventory');
    expect(ended.out).toContain('--json');
  });

  it.concurrent('lists every command and the exit codes', async () => {
    const { code, out } = await cellwise(['--help']);
    expect(code).toBe(0);
    for (const command of commands) expect(out).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
    expect(out).toContain('130 interrupted');
  });

  it.concurrent('the version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(await cellwise(['--version'])).toMatchObject({ code: 0, out: `${version}\n` });
  });
});

describe('a command line that is not understood', () => {
  it.concurrent.each<[string, readonly string[], string?]>([
    ['an unknown command', ['aply'], 'Did you mean apply?'],
    ['an unknown option', ['plan', '--yes'], "unknown option '--yes'"],
    ['an option without its value', ['plan', '--out'], 'argument missing'],
    ['a value that is none', ['graph', '--format', 'svg'], 'text, mermaid, dot, json'],
    ['a missing word', ['explain'], "missing required argument 'topic'"],
    ['a missing option', ['render'], '--out'],
    ['an action that there is not', ['secrets', 'steal', '-i', lab]],
  ])('%s: exit code 3, on standard error', async (_, words, text) => {
    const cwd = newDirectory();
    cpSync('inventories/lab.yaml', join(cwd, lab));
    mkdirSync(join(cwd, 'inventories'), { recursive: true });
    const ended = await cellwise(words, { cwd });
    expect(ended.code).toBe(3);
    expect(ended.out).toBe('');
    expect(ended.err).toContain(text ?? '');
    expect(ended.err.length).toBeGreaterThan(10);
    plainly(ended);
  });
});

describe('validate', () => {
  it.concurrent.each([
    lab,
    'inventories/all-in-one.yaml',
    'inventories/telemetry.yaml',
    'examples/start.yaml',
    'examples/production.yaml',
    'examples/own-role/inventory.yaml',
    'examples/first-cloud/inventory.yaml',
    'examples/adding-a-compute/inventory.yaml',
    'examples/dedicated-zone/inventory.yaml',
  ])('%s is valid', async (file) => {
    const ended = await cellwise(['validate', '-i', file]);
    expect(ended).toMatchObject({ code: 0, err: '' });
    expect(ended.out).toMatch(/ is valid: \d+ hosts?, /);
  });

  it.concurrent('takes cells that somebody carries', async () => {
    const file = inventory(`cloud: {name: cells, release: "2025.1"}
networks: {management: {cidr: 10.0.0.0/8}}
cells: {a: {}, b: {}}
hosts:
  ctl: {address: 10.0.0.1, kind: controller}
  x: {address: 10.0.0.2, kind: compute, cell: a}
  y: {address: 10.0.0.3, kind: compute, cell: b}
`);
    const ended = await cellwise(['validate', '-i', file]);
    expect(ended.code).toBe(3);
    expect(ended.err).toContain(
      `${file}:3:16: error The controllers carry one cell, and neither a nor b has hosts of its own [cell-without-control]`,
    );
    appendFileSync(file, '  z: {address: 10.0.0.4, kind: cell, cell: b}\n');
    expect(await cellwise(['validate', '-i', file])).toMatchObject({ code: 0 });
  });

  it.concurrent('tells all that is wrong at once, each with its place', async () => {
    const file = inventory(broken);
    const ended = await cellwise(['validate', '-i', file]);
    expect(ended.code).toBe(3);
    expect(ended.out).toBe('');
    plainly(ended);
    const places = [...ended.err.matchAll(new RegExp(`^${file}:(\\d+):\\d+: error .* \\[([a-z-]+)\\]$`, 'gm'))].map(
      (match) => `${match[1]} ${match[2]}`,
    );
    expect(places).toEqual(
      expect.arrayContaining([
        '1 bad-value',
        '2 network-overlap',
        '4 bad-value',
        '5 unknown-key',
        '6 address-outside-network',
        '7 bad-range',
      ]),
    );
    expect(ended.err).toContain(`${places.length} errors.`);
    expect(ended.err).toContain('Did you mean "controller"?');
    expect(ended.err).not.toContain('\x1b');
  });

  it.concurrent('--json: problems on standard output, one a line, and nothing else there', async () => {
    const ended = await cellwise(['validate', '-i', inventory(broken), '--json']);
    expect(ended.code).toBe(3);
    const lines = jsonLines(ended.out);
    expect(lines.length).toBeGreaterThanOrEqual(6);
    for (const line of lines)
      expect(line).toMatchObject({
        type: 'problem',
        problem: { code: expect.any(String) as string, place: { line: expect.any(Number) as number } },
      });
    expect(ended.err).toContain('error');
  });

  it.concurrent('--json: of a good inventory, nothing but JSON', async () => {
    const ended = await cellwise(['validate', '-i', lab, '--json']);
    expect(ended.code).toBe(0);
    jsonLines(ended.out);
    expect(ended.err).toContain('is valid');
  });

  it.concurrent.each<[string, string | Uint8Array | undefined, string]>([
    ['is not there', undefined, 'file-unreadable'],
    ['is binary', Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 0, 1, 2), 'yaml-binary'],
    [
      'explodes',
      `a: &a [x, x, x, x, x, x, x, x, x, x]\n${Array.from('bcdefghi')
        .map((name, i) => `${name}: &${name} [${Array.from({ length: 10 }, () => `*${'abcdefgh'[i]!}`).join(', ')}]`)
        .join('\n')}\n`,
      'yaml-alias',
    ],
    ['is too large', 'x'.repeat(11_000_000), 'file-too-large'],
    [
      'has a secret in clear text',
      `${readFileSync(lab, 'utf8')}  keystone: { admin_password: hunter2 }\n`.replace(/ {2}keystone: \{ processes.*\n/, ''),
      'secret-in-clear',
    ],
    ['has a param that there is not', readFileSync(lab, 'utf8').replace('max_connections: 1000', 'max_conections: 1000'), 'unknown-key'],
    ['has params of a role that there is not', readFileSync(lab, 'utf8').replace('  mariadb:', '  mariadbb:'), 'unknown-role'],
  ])('an inventory that %s', async (_, text, code) => {
    const file = join(newDirectory(), 'inventory.yaml');
    if (text !== undefined) writeFileSync(file, text);
    const ended = await cellwise(['validate', '-i', file]);
    expect(ended.code).toBe(3);
    expect(ended.err).toContain(`[${code}]`);
    expect(ended.err.length).toBeLessThan(20_000);
    expect(ended.err).not.toMatch(/\bhunter2\b.*error|error.*\bhunter2\b/);
    plainly(ended);
  });

  it.concurrent('a directory is no inventory', async () => {
    const ended = await cellwise(['validate', '-i', newDirectory()]);
    expect(ended).toMatchObject({ code: 3, out: '' });
    plainly(ended);
  });
});

describe('graph', () => {
  it.concurrent('text is in an order that works, with reasons', async () => {
    const { code, out, err } = await cellwise(['graph', '-i', lab]);
    expect([code, err]).toEqual([0, '']);
    const seen = new Set<string>();
    let edges = 0;
    for (const line of out.trimEnd().split('\n')) {
      const after = /^ {4}after (.*) {2}\(.+\)$/.exec(line);
      if (after) {
        edges += 1;
        expect(seen, line).toContain(after[1]);
      } else seen.add(line);
    }
    expect(seen.size).toBeGreaterThan(40);
    expect(edges).toBeGreaterThan(seen.size / 2);
  });

  it.concurrent.each([[['--format', 'json']], [['--json']]])('%j is JSON with the same', async (words) => {
    const { code, out } = await cellwise(['graph', '-i', lab, ...words]);
    expect(code).toBe(0);
    const nodes = JSON.parse(out) as { id: string; after: Record<string, string> }[];
    const ids = new Set(nodes.map(({ id }) => id));
    expect(ids.size).toBe(nodes.length);
    for (const { after } of nodes) for (const need of Object.keys(after)) expect(ids).toContain(need);
    expect(nodes.find(({ id }) => id === 'ctl1/keystone/directory /etc/keystone')!.after['mariadb ready']).toBe('needs mariadb');
  });

  it.concurrent.each([
    ['mermaid', /^flowchart LR\n {2}n0\["/, /^ {2}n\d+ -->\|[^|]+\| n\d+$/m],
    ['dot', /^digraph cloud \{\n/, /^ {2}".+" -> ".+" \[label=".+"\];$/m],
  ])('%s draws nodes and edges', async (format, head, edge) => {
    const { code, out } = await cellwise(['graph', '-i', lab, '--format', format]);
    expect(code).toBe(0);
    expect(out).toMatch(head);
    expect(out).toMatch(edge);
    expect(out).toContain('ctl1/keystone/service keystone');
  });

  it.concurrent('of a part is that part', async () => {
    const { out } = await cellwise(['graph', '-i', lab, '--only', 'memcached']);
    expect(out).toContain('ctl1/memcached/service memcached');
    expect(out).not.toContain('keystone/');
    const refused = await cellwise(['graph', '-i', lab, '--only', 'memcachd']);
    expect(refused).toMatchObject({ code: 3, out: '' });
    expect(refused.err).toContain('Did you mean "memcached"?');
  });

  it.concurrent('into a pipe that nobody reads to the end is no crash', async () => {
    const child = spawn('/bin/sh', ['-c', `"$0" src/cli/main.ts graph -i examples/production.yaml | head -n 1`, process.execPath]);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await new Promise((resolve) => child.on('close', resolve));
    expect(text.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('render', () => {
  it.concurrent('writes every file as it would be, with secrets by name', async () => {
    const directory = join(newDirectory(), 'out');
    const ended = await cellwise(['render', '-i', lab, '--out', directory]);
    expect(ended.code).toBe(0);
    const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((file) => statSync(join(directory, file)).isFile());
    expect(ended.out).toContain(`Wrote ${files.length} files`);
    expect(files).toEqual(
      expect.arrayContaining(['ctl1/etc/keystone/keystone.conf', 'ctl1/root/admin-openrc', 'ctl1/etc/rabbitmq/rabbitmq-env.conf']),
    );
    const text = readFileSync(join(directory, 'ctl1/etc/keystone/keystone.conf'), 'utf8');
    expect(text).toContain('mysql+pymysql://keystone:‹secret keystone.db_password›@10.77.0.11:3306/keystone');
    expect(text).toContain('memcache_servers = unix:/run/memcached-keystone/socket\n');
    for (const file of files)
      expect(readFileSync(join(directory, file), 'utf8'), file).not.toMatch(/secret-[a-z]+\.|\{\{|undefined|\[object/);
    expect(readFileSync(join(directory, 'ctl1/root/admin-openrc'), 'utf8')).toContain('OS_PASSWORD=‹secret keystone.admin_password›\n');
  });

  it.concurrent('leaves nothing beside: no secrets are made', async () => {
    const file = inventory(readFileSync(lab, 'utf8'));
    const directory = join(newDirectory(), 'out');
    expect((await cellwise(['render', '-i', file, '--out', directory, '--only', 'memcached'])).code).toBe(0);
    expect(readdirSync(join(file, '..'))).toEqual(['inventory.yaml']);
    expect(readdirSync(join(directory, 'ctl1/etc'))).toContain('memcached.conf');
    expect(existsSync(join(directory, 'ctl1/etc/keystone'))).toBe(false);
  });

  it.concurrent('into a place that cannot be is a mistake, not a bug', async () => {
    const file = join(newDirectory(), 'file');
    writeFileSync(file, '');
    const ended = await cellwise(['render', '-i', lab, '--out', join(file, 'out')]);
    expect(ended.code).toBe(3);
    plainly(ended);
  });
});

describe('init', () => {
  it.concurrent('writes an inventory that is valid once, and overwrites nothing', async () => {
    const cwd = newDirectory();
    const first = await cellwise(['init', 'clouds/mine'], { cwd });
    expect(first).toMatchObject({ code: 0, err: '' });
    const file = join(cwd, 'clouds/mine/inventory.yaml');
    const text = readFileSync(file, 'utf8');
    const schema = /^# yaml-language-server: \$schema=(.*)$/m.exec(text)![1]!;
    expect(existsSync(schema)).toBe(true);
    expect(text.match(/^\s*#/gm)!.length).toBeGreaterThan(10);
    expect((await cellwise(['validate', '-i', file])).code).toBe(0);

    writeFileSync(file, '# mine\n');
    const second = await cellwise(['init', 'clouds/mine'], { cwd });
    expect(second).toMatchObject({ code: 3, out: '' });
    expect(second.err).toContain('[file-exists]');
    expect(readFileSync(file, 'utf8')).toBe('# mine\n');
  });

  it.concurrent('here, when no directory is named', async () => {
    const cwd = newDirectory();
    expect((await cellwise(['init'], { cwd })).code).toBe(0);
    expect((await cellwise(['validate'], { cwd })).code).toBe(0);
  });
});

describe('explain', () => {
  it.concurrent.each<[string, readonly RegExp[]]>([
    [
      'keystone',
      [
        /^keystone: The identity service/,
        /Needs mariadb, memcached, rabbitmq\./,
        /admin_password \(secret\)/,
        /port \(integer, default 5000\)/,
        /http: .*, within 60 s/,
      ],
    ],
    ['file', [/^file: A regular file/, /mode \(string, default "0644"\)/, /validate/]],
    ['http', [/^http: /, /status/]],
    [
      'ctl1',
      [
        /^ctl1: controller at 10\.77\.0\.11/,
        /buffer_pool = "256M" {2}\(cloud\)/,
        /port = 3306 {2}\(default\)/,
        /admin_password = ‹secret keystone\.admin_password› {2}\(generated\)/,
      ],
    ],
    ['two-owners', [/^two-owners: /, /one owner/]],
    ['nova-leaving', [/^On hosts of kind compute that leave the cloud \(state: absent\)\./m]],
    ['glance-rbd', [/^On hosts that carry glance, where storage is ceph\./m]],
    ['ceph-mon', [/^On an odd number of hosts of kind storage, where storage is ceph\./m]],
    ['gnocchi', [/^On the first host of kind controller; only if cloud\.services adds it\./m]],
    ['libvirt', [/^On all hosts of kind compute\./m]],
  ])('%s', async (topic, parts) => {
    const ended = await cellwise(['explain', topic, '-i', lab]);
    expect(ended).toMatchObject({ code: 0, err: '' });
    for (const part of parts) expect(ended.out).toMatch(part);
    expect(ended.out).not.toMatch(/undefined|\[object/);
  });

  it.concurrent('what needs no inventory without one', async () => {
    expect((await cellwise(['explain', 'mariadb'], { cwd: newDirectory() })).code).toBe(0);
  });

  it.concurrent.each([
    ['keyston', 'Did you mean "keystone"?'],
    ['ctl9', 'Did you mean "ctl1"?'],
    ['quantum-mechanics', 'keystone'],
    ['constructor', ''],
  ])('%s is unknown', async (topic, hint) => {
    const ended = await cellwise(['explain', topic, '-i', lab]);
    expect(ended).toMatchObject({ code: 3, out: '' });
    expect(ended.err).toContain('[unknown-topic]');
    expect(ended.err).toContain(hint);
    plainly(ended);
  });
});

describe('status', () => {
  it.concurrent('says so when nothing was run', async () => {
    const ended = await cellwise(['status', '-i', inventory(nobody())]);
    expect(ended).toMatchObject({ code: 0, err: '', out: 'Nothing was applied from here yet. Begin by `cellwise apply`.\n' });
  });

  const name = { step: 'ctl1/web/file /a', host: 'ctl1', role: 'web', stepType: 'file', name: '/a' };
  const at = '2026-01-01T10:00:00.000Z';
  const change = { action: 'create', differences: [] };
  const summary = {
    type: 'summary',
    ok: 1,
    changed: 1,
    failed: 1,
    blocked: 0,
    skipped: 0,
    unreachable: 0,
    hosts: 1,
    steps: 2,
    seconds: 5,
    roundTrips: 3,
  };

  it.concurrent.each<[string, readonly object[], readonly RegExp[], readonly RegExp[]]>([
    [
      'a run that ended',
      [
        { at, type: 'note', text: 'cellwise apply by me@here' },
        { at, type: 'step-start', ...name, change },
        { at, type: 'step-failed', ...name, message: 'no', seconds: 1 },
        { at, ...summary },
      ],
      [/^Run r1: cellwise apply by me@here, begun 2026-01-01T10:00:00\.000Z\n/, /✗ ctl1 web: file \/a: no/, /1 ok, 1 changed, 1 failed/],
      [/was not heard/, /did not end/],
    ],
    [
      'a run that was cut off in a step',
      [
        { at, type: 'note', text: 'cellwise apply by me@here' },
        { at, type: 'step-start', ...name, change },
        { at, type: 'step-start', ...name, step: 'other', change },
        { at, type: 'step-changed', ...name, step: 'other', change, seconds: 1 },
      ],
      [/\? ctl1 web: file \/a: begun .* was not heard/, /did not end/],
      [],
    ],
    ['a run that was cut off at once', [], [/^Run r1, begun \?/, /did not end/], []],
  ])('tells of %s', async (_, entries, parts, absent) => {
    const file = inventory(nobody());
    const runs = join(file, '../.cellwise/inventory/runs');
    mkdirSync(runs, { recursive: true });
    writeFileSync(join(runs, 'r0.jsonl'), `${JSON.stringify({ at, type: 'note', text: 'an older one' })}\n`);
    writeFileSync(join(runs, 'r1.jsonl'), entries.map((entry) => `${JSON.stringify(entry)}\n`).join('') + '{"torn');
    const ended = await cellwise(['status', '-i', file]);
    expect(ended).toMatchObject({ code: 0, err: '' });
    for (const part of parts) expect(ended.out).toMatch(part);
    for (const part of absent) expect(ended.out).not.toMatch(part);
    const told = await cellwise(['status', '-i', file, '--json']);
    expect(jsonLines(told.out)).toEqual(entries);
  });
});

describe('secrets', () => {
  it.concurrent('are made, shown and changed', async () => {
    const file = inventory(readFileSync(lab, 'utf8'));
    const secrets = (...words: string[]): Promise<Ended> => cellwise(['secrets', ...words, '-i', file]);
    const none = await secrets('show', 'keystone.admin_password');
    expect(none).toMatchObject({ code: 3, out: '' });
    expect(none.err).toContain('[no-secrets]');

    const made = await secrets('init');
    expect(made.code).toBe(0);
    expect(readdirSync(join(file, '..')).toSorted()).toEqual(['.cellwise', 'inventory.secrets.age', 'inventory.yaml']);
    const value = (await secrets('show', 'keystone.admin_password')).out;
    expect(value).toMatch(/^[A-Za-z0-9]{32}\n$/);
    expect(made.out + made.err).not.toContain(value.trim());
    expect((await secrets('init')).code).toBe(0);
    expect((await secrets('show', 'keystone.admin_password')).out).toBe(value);

    expect((await secrets('rotate', 'keystone.admin_password')).code).toBe(0);
    expect((await secrets('show', 'keystone.admin_password')).out).not.toBe(value);
    const unknown = await secrets('show', 'keystone.admin_pasword');
    expect(unknown).toMatchObject({ code: 3, out: '' });
    expect(unknown.err).toContain('Did you mean "keystone.admin_password"?');

    // Another identity does not open them, and is not shown.
    const other = join(newDirectory(), 'identity');
    writeFileSync(other, 'AGE-SECRET-KEY-1DAMAGED\n', { mode: 0o600 });
    for (const env of [{ CELLWISE_IDENTITY: other }, { CELLWISE_IDENTITY: `${other}.gone` }]) {
      const refused = await cellwise(['secrets', 'show', 'keystone.admin_password', '-i', file], { env });
      expect(refused).toMatchObject({ code: 3, out: '' });
      expect(refused.err).toContain('[secrets-identity]');
      expect(refused.err).not.toContain('KEY-1DAMAGED');
      plainly(refused);
    }
  });
});

describe('hosts that nobody can reach', () => {
  it.concurrent('apply without a terminal and without --yes asks nobody', async () => {
    const file = inventory(nobody());
    const ended = await cellwise(['apply', '-i', file], { input: 'y\n' });
    expect(ended).toMatchObject({ code: 3, out: '' });
    expect(ended.err).toContain('[cannot-ask]');
    expect(ended.err).toContain('--yes');
    expect(readdirSync(join(file, '..'))).toEqual(['inventory.yaml']);
  });

  it.concurrent('plan: exit code 4, and why', async () => {
    // A port that somebody had a moment ago, so that nobody has it now.
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.2', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const ended = await cellwise(['plan', '-i', inventory(nobody(port))]);
    expect(ended.code).toBe(4);
    expect(ended.out).toContain('✗ ctl1');
    expect(ended.out).toContain('1 host unreachable');
    expect(ended.out).not.toContain('\x1b');
    plainly(ended);
  });

  it.concurrent('apply --yes --json: events and nothing else on standard output, the summary last; status knows of it', async () => {
    const file = inventory(nobody());
    const ended = await cellwise(['apply', '--yes', '--json', '-i', file]);
    expect(ended.code).toBe(4);
    const events = jsonLines(ended.out);
    expect(events[0]).toMatchObject({ type: 'run-start', command: 'apply', cloud: 'nobody', hosts: 1 });
    const last = events.at(-1)!;
    expect(Object.keys(last).toSorted()).toEqual(
      ['type', 'ok', 'changed', 'failed', 'blocked', 'skipped', 'unreachable', 'hosts', 'steps', 'seconds', 'roundTrips'].toSorted(),
    );
    expect(last).toMatchObject({ type: 'summary', changed: 0, failed: 0, unreachable: 1, hosts: 1 });
    expect(events.filter(({ type }) => type === 'step-blocked')).toHaveLength(last['blocked'] as number);
    expect(ended.err).toContain('1 host unreachable');
    expect((await cellwise(['status', '-i', file])).out).toContain('1 host unreachable');
  });

  it.concurrent('plan, apply and status name the secrets that a host which leaves takes along', async () => {
    const file = inventory(
      `${nobody()}  cmp1: {address: 127.0.0.3, kind: compute}\n  cmp2: {address: 127.0.0.4, kind: compute, state: absent}\n`,
    );
    const warning = /warning cmp2 will still be able to use .*: libvirt\.authority, nova-migration\.[^]*`cellwise secrets rotate NAME`/;
    expect((await cellwise(['plan', '-i', file])).out).toMatch(warning);
    const { out } = await cellwise(['apply', '--yes', '--json', '-i', file]);
    expect(jsonLines(out).at(-2)).toMatchObject({ type: 'problem', problem: { code: 'secrets-taken-along', severity: 'warning' } });
    expect((await cellwise(['status', '-i', file])).out).toMatch(warning);
  });

  it.concurrent('verify: exit code 4', async () => {
    expect((await cellwise(['verify', '-i', inventory(nobody())])).code).toBe(4);
  });

  it.concurrent.each([
    ['into a directory that is not there', '/nonexistent/tonight.plan'],
    ['over a directory', '.'],
  ])('plan --out %s is a mistake, not a bug', async (_, out) => {
    const ended = await cellwise(['plan', '-i', inventory(nobody()), '--out', out]);
    expect([3, 4]).toContain(ended.code);
    plainly(ended);
  });

  it.concurrent.each([
    ['is not there', undefined],
    ['is null', 'null'],
  ])('apply of a saved plan that %s', async (_, text) => {
    const file = inventory(nobody());
    const saved = join(file, '../tonight.plan');
    if (text !== undefined) writeFileSync(saved, text);
    const ended = await cellwise(['apply', saved, '--yes', '-i', file]);
    expect(ended.code).toBe(3);
    expect(ended.err).toContain('[plan-file]');
    plainly(ended);
  });

  it.concurrent('a plan of a part is applied as that part', async () => {
    const file = inventory(nobody());
    const saved = join(file, '../tonight.plan');
    expect((await cellwise(['plan', '-i', file, '--only', 'memcached', '--out', saved])).code).toBe(4);
    const ended = await cellwise(['apply', saved, '--yes', '--json', '-i', file]);
    expect(ended.err).not.toContain('plan-stale');
    expect(ended.code).toBe(4);
    const steps = jsonLines(ended.out).filter(({ type }) => type === 'step-blocked');
    expect(steps.length).toBeGreaterThan(0);
    expect(steps.some(({ role }) => role === 'keystone')).toBe(false);
  });
});

it('lab up refuses an inventory of real machines, at its line, before it makes anything', async () => {
  const { code, err } = await cellwise(['lab', 'up', '-i', 'examples/production.yaml']);
  expect([code, err]).toEqual([3, expect.stringMatching(/^examples\/production\.yaml:\d+:1: error harbour is no lab/)]);
});

describe('on a terminal', () => {
  const typed = async (words: readonly string[], env: Readonly<Record<string, string>> = {}, main = 'src/cli/main.ts') => {
    const run = onTerminal([process.execPath, main, ...words], { env: { NO_COLOR: '', ...env } });
    return { code: await run.ended, screen: run.shown() };
  };
  // eslint-disable-next-line no-control-regex -- colours are what is looked for
  const colors = /\x1b\[3\dm/;

  it('a run draws its rows, ends, and leaves what it had to say', async () => {
    const { code, screen } = await typed(['plan', '-i', inventory(nobody())]);
    expect(code).toBe(4);
    expect(screen).toMatch(colors);
    expect(screen).toContain('✗');
    expect(screen).toContain('1 host unreachable');
    // The cursor is shown again.
    expect(screen.lastIndexOf('\x1b[?25h')).toBeGreaterThan(screen.lastIndexOf('\x1b[?25l'));
  });

  it('a host that somebody else has locked ends the run, whatever is being drawn', async () => {
    const locked = fileURLToPath(new URL('locked.ts', import.meta.url));
    const { code, screen } = await typed(['apply', '--yes', '--only', 'memcached', '-i', inventory(nobody())], {}, locked);
    expect(screen).toContain('ctl1 is locked by ann@desk');
    expect(screen).not.toContain('ctl1 refuses');
    expect(code).toBe(5);
  });

  it.concurrent.each([
    '',
    'init',
    'validate',
    'graph',
    'plan',
    'apply',
    'verify',
    'render',
    'explain',
    'status',
    'secrets',
    'upgrade',
    'lab',
  ])('the help of %j fits 80 columns, with two examples for a command', async (command) => {
    const { code, screen } = await typed(command === '' ? ['--help'] : [command, '--help']);
    expect(code).toBe(0);
    expect(screen.split('\r\n').filter((line) => line.length > 80)).toEqual([]);
    expect(screen.split('\n  $ cellwise').length - 1).toBe(command === '' ? 0 : 2);
  });

  it('NO_COLOR leaves colours out', async () => {
    const { code, screen } = await typed(['validate', '-i', inventory(broken)], { NO_COLOR: '1' });
    expect(code).toBe(3);
    expect(screen).toContain('errors.');
    expect(screen).not.toMatch(colors);
    expect((await typed(['validate', '-i', inventory(broken)])).screen).toMatch(colors);
  });
});

describe('files that are made from the code', () => {
  it.each([...generatedFiles()])('%s is fresh', (path, text) => {
    expect(readFileSync(path, 'utf8')).toBe(text);
  });
});
