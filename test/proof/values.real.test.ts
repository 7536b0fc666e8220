// 10,000 random values through the real shell on a real machine: byte-identical there, and nothing was executed.
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { raw, sh, withTimeout, type Command } from '../../src/base/command.ts';
import { Secret } from '../../src/base/secret.ts';
import type { Shell } from '../../src/base/shell.ts';
import { compare, type State } from '../../src/base/state.ts';
import { batch } from '../../src/engine/batch.ts';
import { docker } from '../../src/lab/docker.ts';
import { isUnknown, type AnyParams, type Found, type ShellResource } from '../../src/resources/define.ts';
import { connect } from '../../src/ssh/connect.ts';
import { startMachine, type Machine } from '../machines.ts';
import { resource } from '../resources/converge.ts';
import { canary, fileName, oneLine, texts } from './nasty.ts';

/** Another one by CELLWISE_SEED=…: a failure prints its own. */
const seed = Number(process.env['CELLWISE_SEED'] ?? '20261120');
// On a tmpfs: each file is synced, and thousands of syncs would measure the disk.
const directory = '/run/values';

let machine: Machine;
let shell: Shell;
let values = 0;

/** As many texts as are asked for, counted. */
function some(count: number, salt: number, fit?: (text: string) => string): string[] {
  values += count;
  return texts(count, seed + salt * 1000, fit);
}

beforeAll(async () => {
  machine = await startMachine();
  const { name, address, identity, hostKey } = machine;
  shell = await connect({ name, address, user: 'root', identities: [identity], hostKeys: [hostKey] });
  await done(sh`mkdir -p ${['file', 'directory', 'link', 'ini', 'command'].map((part) => `${directory}/${part}`)}`);
}, 60_000);

afterAll(async () => {
  await shell.close();
  await machine.stop();
});

async function done(command: Command): Promise<void> {
  const output = await shell.mend(command);
  if (output === 'unknown' || output.code !== 0)
    throw new Error(`CELLWISE_SEED=${seed}: ${output === 'unknown' ? output : output.err.toString().slice(-2000)}`);
}

/** Standard output of a script on the machine, past SSH and past anything of ours. */
async function there(script: string): Promise<Buffer> {
  return Buffer.from(await docker(['exec', machine.container, 'sh', '-c', `{ ${script}\n} | base64 -w0`]), 'base64');
}

/** Zero-terminated words. */
const words = (bytes: Buffer): string[] => bytes.toString().split('\0').slice(0, -1);

// --- the engine in small, for many resources of one type over one shell --------------------------------------------------

async function look(type: ShellResource<AnyParams>, all: readonly AnyParams[]): Promise<readonly Found[]> {
  if ('probeAll' in type) return type.parseAll(await shell.run(type.probeAll(all)), all);
  const together = batch(all.map((params) => type.probe(params)));
  const outputs = together.split(await shell.run(together.command));
  return all.map((params, i) => type.parse(outputs[i]!, params));
}

/** Makes all of them so; every one must have differed, none differs afterwards. */
async function converge(name: string, written: readonly AnyParams[]): Promise<void> {
  const type = resource(name, {}).type as ShellResource<AnyParams>;
  const all = written.map((params) => resource(name, params).params);
  const commands: Command[] = [];
  (await look(type, all)).forEach((found, i) => {
    const change = isUnknown(found) ? undefined : compare(found, type.desired(all[i]!));
    if (!change)
      throw new Error(`CELLWISE_SEED=${seed}: ${JSON.stringify(written[i])} is ${JSON.stringify(found)} before anything was done`);
    commands.push(type.apply(all[i]!, change));
  });
  for (let at = 0; at < commands.length; at += 200) {
    const together = batch(commands.slice(at, at + 200));
    const output = await shell.mend(withTimeout(together.command, 300));
    if (output === 'unknown') throw new Error('The machine was restarted');
    const failed = together
      .split(output)
      .flatMap(({ code, err }, i) => (code === 0 ? [] : [{ params: written[at + i], code, err: err.toString() }]));
    expect(failed.slice(0, 5), `CELLWISE_SEED=${seed}`).toEqual([]);
  }
  const differing = (await look(type, all)).flatMap((found, i) =>
    compare(found as State | null, type.desired(all[i]!)) ? [{ params: written[i], found }] : [],
  );
  expect(differing.slice(0, 5), `CELLWISE_SEED=${seed}`).toEqual([]);
}

const sum = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Two lists, sorted, as one readable difference at most. */
function same(found: readonly string[], wanted: readonly string[]): void {
  const [a, b] = [new Set(found), new Set(wanted)];
  const extra = found.filter((each) => !b.has(each)).slice(0, 5);
  const missing = wanted.filter((each) => !a.has(each)).slice(0, 5);
  expect({ extra, missing, count: found.length }, `CELLWISE_SEED=${seed}`).toEqual({ extra: [], missing: [], count: wanted.length });
}

describe('are on the machine as they were written', () => {
  /** Names that no tool would make, but that a machine can have: accounts come from LDAP too. */
  let owners: string[];

  beforeAll(async () => {
    owners = some(60, 1, (text) => {
      const name = text.replaceAll(/[:\n/,\0]/g, '').replace(/^[-+~\s\d]+/, '');
      return name === '' ? '' : `o${name}`;
    }).filter((name) => name.isWellFormed());
    await done({
      script: 'cat >>/etc/passwd && sed -n "/:x:7[0-9][0-9][0-9]:/{s/:x:\\(7[0-9]*\\):.*/:x:\\1:/;p}" /etc/passwd >>/etc/group',
      stdin: owners.map((name, i) => `${name}:x:${7000 + i}:${7000 + i}::/:/bin/false\n`).join(''),
    });
  });

  test('1,600 names and contents of files, and their owners', { timeout: 300_000 }, async () => {
    const names = some(1600, 2, fileName);
    const contents = some(1600, 3);
    const owner = (i: number): string => owners[i % owners.length]!;
    await converge(
      'file',
      names.map((name, i) => ({
        path: `${directory}/file/${name}`,
        content: i % 3 === 0 ? Secret.of('content', contents[i]!) : contents[i]!,
        owner: `${owner(i)}:${owner(i + 1)}`,
        mode: '0640',
      })),
    );
    const listed = words(await there(`cd ${directory}/file && find . -type f -printf '%P\\0%u\\0%g\\0%m\\0'`));
    const found = Array.from({ length: listed.length / 4 }, (_, i) => listed.slice(4 * i, 4 * i + 4).join('\0'));
    same(
      found,
      names.map((name, i) => [name, owner(i), owner(i + 1), '640'].join('\0')),
    );
    const sums = words(await there(`cd ${directory}/file && find . -type f -printf './%P\\0' | xargs -0 sha256sum -z --`));
    same(
      sums,
      names.map((name, i) => `${sum(contents[i]!)}  ./${name}`),
    );
  });

  test('900 names of directories', { timeout: 300_000 }, async () => {
    const names = some(900, 4, fileName);
    await converge(
      'directory',
      names.map((name) => ({ path: `${directory}/directory/${name}`, owner: 'daemon:adm', mode: '0700' })),
    );
    same(words(await there(`find ${directory}/directory -mindepth 1 -type d -perm 700 -user daemon -group adm -printf '%P\\0'`)), names);
  });

  test('900 names and targets of links', { timeout: 300_000 }, async () => {
    const names = some(900, 5, fileName);
    const targets = some(900, 6);
    await converge(
      'symlink',
      names.map((name, i) => ({ path: `${directory}/link/${name}`, target: targets[i]! })),
    );
    const listed = words(await there(`find ${directory}/link -type l -printf '%P\\0%l\\0'`));
    same(
      Array.from({ length: listed.length / 2 }, (_, i) => `${listed[2 * i]!}\0${listed[2 * i + 1]!}`),
      names.map((name, i) => `${name}\0${targets[i]!}`),
    );
  });

  test('500 values, 100 keys and 50 sections of settings', { timeout: 300_000 }, async () => {
    const sections = some(50, 7, (text) => oneLine(text.replaceAll(']', '')).replaceAll(/\s/g, ' ').trim());
    const keys = some(100, 8, (text) =>
      oneLine(text.replaceAll(/[=:#;[]/g, ''))
        .replaceAll(/\s/g, ' ')
        .trim(),
    );
    const settings = some(500, 9, oneLine);
    const files = sections.map((_, i) => `${directory}/ini/${i} $(touch ${canary}).conf`);
    await done(sh`touch -- ${files}`);
    await converge(
      'ini-setting',
      settings.map((value, i) => ({
        file: files[i % 50]!,
        section: sections[i % 50]!,
        key: keys[Math.floor(i / 50) * 10 + (i % 10)]!,
        value: i % 2 === 0 ? value : Secret.of('value', value),
        separator: '=',
      })),
    );
    const lines = (await there(`cat ${directory}/ini/*`)).toString().split('\n').slice(0, -1);
    same(
      lines.filter((line) => line !== ''),
      [
        ...sections.map((section) => `[${section}]`),
        ...settings.map((value, i) => `${keys[Math.floor(i / 50) * 10 + (i % 10)]!}=${value}`),
      ],
    );
  });

  test('1,000 arguments and inputs of commands', { timeout: 300_000 }, async () => {
    const inputs = some(1000, 10);
    const arguments_ = some(1000, 11);
    await converge(
      'command',
      inputs.map((stdin, i) => ({
        // In the words of an operator who quotes well: what is tested is that nothing on the way takes quotes off.
        run: sh`{ printf %s ${arguments_[i]!}; printf '\\0'; cat; } >${`${directory}/command/${i}`}`.script,
        creates: `${directory}/command/${i}`,
        stdin: i % 2 === 0 ? stdin : Secret.of('input', stdin),
        ...(i % 10 === 0 ? { cwd: directory } : {}),
      })),
    );
    const sums = (await there(`cd ${directory}/command && sha256sum *`)).toString().trimEnd().split('\n');
    same(
      sums,
      inputs.map((stdin, i) => `${sum(`${arguments_[i]!}\0${stdin}`)}  ${i}`),
    );
  });

  test('600 names in /etc/hosts', async () => {
    const names = some(600, 12, (text) => `h${text.replaceAll(/[^A-Za-z0-9._-]/g, '')}9`);
    await converge('hosts-file', [{ entries: names.map((name, i) => ({ address: `10.1.${i >> 8}.${i & 255}`, names: [name] })) }]);
    const listed = (await there("sed -n 's/^10\\.1\\.[0-9.]*\\t//p' /etc/hosts")).toString().trimEnd().split('\n');
    same(listed, names);
  });
});

describe('of databases and queues', () => {
  beforeAll(async () => {
    await done(
      withTimeout(
        raw('apt-get -qq update && apt-get -qq install -y --no-install-recommends mariadb-server rabbitmq-server >/dev/null'),
        280,
      ),
    );
    await done(withTimeout(raw('systemctl start mariadb rabbitmq-server && rabbitmqctl -q await_startup --timeout 60'), 100));
  }, 400_000);

  // MariaDB keeps names in its three-byte utf8, and compares them without blanks at their end.
  const sqlName = (text: string): string =>
    oneLine(text.replaceAll(/[^\0-\ud7ff\ue000-\uffff]/gu, '').replaceAll(/[\\/]/g, ''))
      .slice(0, 60)
      .trim();
  const hex = (text: string): string => Buffer.from(text).toString('hex').toUpperCase();

  test('400 users of MariaDB, their passwords and databases', { timeout: 300_000 }, async () => {
    const users = some(400, 13, sqlName);
    const passwords = some(400, 14);
    const databases = some(400, 15, (text) => sqlName(text).slice(0, 50).trim().replace(/^\*?$/, 'any'));
    await converge(
      'mysql-user',
      users.map((user, i) => ({
        user,
        password: Secret.of('any', passwords[i]!),
        grants: [{ on: `${databases[i]!}.*`, privileges: 'SELECT' }],
      })),
    );
    // MariaDB itself works out what the hash of these bytes is.
    const asked = users.map(
      (user, i) =>
        `SELECT COUNT(*) FROM mysql.user WHERE HEX(CONVERT(user USING utf8mb4)) = '${hex(user)}' AND authentication_string = PASSWORD(CONVERT(X'${hex(passwords[i]!)}' USING utf8mb4));`,
    );
    const output = await shell.run({ script: 'mariadb -NB --default-character-set=utf8mb4', stdin: asked.join('\n') });
    const wrong = output.out
      .toString()
      .trimEnd()
      .split('\n')
      .flatMap((count, i) => (count === '1' ? [] : [{ user: users[i], password: passwords[i] }]));
    expect(wrong, `CELLWISE_SEED=${seed}`).toEqual([]);
    const granted = (
      await shell.run({ script: 'mariadb -NB', stdin: 'SELECT HEX(CONVERT(db USING utf8mb4)) FROM mysql.db;' })
    ).out.toString();
    const escaped = databases.map((name) => hex(name.replaceAll(/[_%]/g, String.raw`\$&`)));
    expect(escaped.filter((name) => !granted.includes(`${name}\n`))).toEqual([]);
  });

  test('100 databases of MariaDB', { timeout: 300_000 }, async () => {
    const databases = some(100, 16, (text) => sqlName(text).toLowerCase());
    await converge(
      'mysql-database',
      databases.map((database) => ({ database })),
    );
    const listed = (
      await shell.run({ script: 'mariadb -NB', stdin: 'SELECT HEX(CONVERT(schema_name USING utf8mb4)) FROM information_schema.schemata;' })
    ).out;
    const own = ['mysql', 'sys', 'information_schema', 'performance_schema'].map(hex);
    same(
      listed
        .toString()
        .trimEnd()
        .split('\n')
        .filter((name) => !own.includes(name)),
      databases.map(hex),
    );
  });

  test('60 users of RabbitMQ, their passwords and virtual hosts', { timeout: 300_000 }, async () => {
    const users = some(60, 17, (text) => Array.from(text).slice(0, 60).join(''));
    const passwords = some(60, 18);
    const vhosts = some(60, 19, (text) => Array.from(text).slice(0, 60).join(''));
    await converge(
      'rabbitmq-vhost',
      vhosts.map((vhost) => ({ vhost })),
    );
    await converge(
      'rabbitmq-user',
      users.map((user, i) => ({ user, password: Secret.of('any', passwords[i]!), permissions: { [vhosts[i]!]: '.*' } })),
    );
    // RabbitMQ lets each of them in, to the virtual host of theirs; base64 is all that is told by arguments.
    const base64 = (text: string): string => `base64:decode("${Buffer.from(text).toString('base64')}")`;
    const login = users.map(
      (user, i) =>
        `begin {ok, U} = rabbit_access_control:check_user_pass_login(${base64(user)}, ${base64(passwords[i]!)}), ok = rabbit_access_control:check_vhost_access(U, ${base64(vhosts[i]!)}, undefined, #{}), fine end`,
    );
    const said = (await there(`rabbitmqctl -q eval '[(fun() -> ${login.join(' end)(), (fun() -> ')} end)()].'`)).toString();
    expect(said.match(/fine/g)?.length, said.slice(0, 2000)).toBe(60);
  });
});

describe('in the end', () => {
  // Everywhere but in what the kernel makes up; names of our own files only contain it.
  const search = `find / -name ${canary} -not -path '/proc/*' -not -path '/sys/*' 2>/dev/null`;

  test('there were 10,000 of them', () => {
    expect(values).toBeGreaterThanOrEqual(10_000);
    process.stderr.write(`[values] ${values} values\n`);
  });

  test('nothing was executed', async () => {
    expect((await there(search)).toString()).toBe('');
  });

  test('and it would have been seen', async () => {
    await done({ script: `touch ${canary}` });
    expect((await there(search)).toString()).toBe(`/${canary}\n`);
  });
});
