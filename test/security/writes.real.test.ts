import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { raw, type Command } from '../../src/base/command.ts';
import { type Machine, startMachine } from '../machines.ts';
import { difference, resource, type Run, runIn } from '../resources/converge.ts';
import { applyOf, attackOn, attacks, prepare } from './writes.ts';

// 1,000 are in test/proof.
const times = 15;
const theirs = '/srv/theirs/sub';
let machine: Machine;
let run: Run;

beforeAll(async () => {
  machine = await startMachine();
  run = runIn(machine.container);
  await prepare(machine);
});

afterAll(() => machine.stop());

describe('a service user who swaps what root makes for links gains nothing', () => {
  test.each(attacks.map((attack, i) => [`${i} ${attack.type}`, attack] as const))('%s', async (_, attack) => {
    const outcome = await attackOn(machine, attack, applyOf(attack), times);
    expect(outcome, outcome.err).toMatchObject({ wins: 0, last: 0, left: '' });
  });
});

test('he wins where a type writes by hand', { retry: 3 }, async () => {
  const byHand = raw(`set -e
new=$(mktemp ${theirs}/.new.XXXXXXXX)
cat /etc/hostname >"$new"
chown ceph:ceph "$new"
chmod 0666 "$new"
mv -fT "$new" ${theirs}/target`);
  const { wins } = await attackOn(machine, { directory: theirs, target: 'target' }, byHand, 60);
  expect(wins).toBeGreaterThan(0);
});

test('links that were made beforehand lead nowhere', async () => {
  const attack = attacks.find(({ type }) => type === 'ceph-osd-key')!;
  await as('ceph', `cd ${attack.directory} && ln -s /srv/victim/shadow keyring.new && ln -sfn /srv/victim/shadow keyring`);
  const apply = applyOf(attack);
  expect(await run({ ...apply, script: `PATH=/root/programs:$PATH\n${apply.script}` })).toMatchObject({ code: 0 });
  expect(await said(`stat -c '%U %a' /srv/victim/shadow; cat /srv/victim/shadow; stat -c '%U %F' ${attack.directory}/keyring`)).toBe(
    'root 600\nSECRET\nceph regular file\n',
  );
});

test('what a run left that was cut off is of no use to anybody, and the next one removes it', async () => {
  const file = applyOf(attacks[0]!);
  await run(raw(`rm -rf ${theirs} && install -d -o ceph -g ceph ${theirs} && mkdir -m 0700 ${theirs}/.cellwise.target`));
  await run(raw(`cd ${theirs}/.cellwise.target && echo half >target && chown ceph:ceph target && ln -s /srv/victim/shadow old`));
  expect(await said(`runuser -u ceph -- cat ${theirs}/.cellwise.target/target 2>&1 || :`)).toContain('Permission denied');
  expect(await run(file)).toMatchObject({ code: 0 });
  expect(await said(`ls -A ${theirs}; cat ${theirs}/target /srv/victim/shadow`)).toBe('target\nx\nSECRET\n');
});

test('root follows its own links on the way to a file, and nobody else’s', async () => {
  await run(raw(`install -d -o ceph -g ceph ${theirs}/inner && ln -sfn theirs/sub /srv/alias`));
  await as('ceph', `ln -sfn inner ${theirs}/link`);
  const write = (path: string) => run(applyOf({ ...attacks[0]!, params: { ...attacks[0]!.params, path } }));
  expect(await write('/srv/alias/inner/target')).toMatchObject({ code: 0 });
  expect(await said(`cat ${theirs}/inner/target`)).toBe('x\n');
  const refused = await write(`${theirs}/link/other`);
  expect([refused.code, refused.err.toString()]).toEqual([
    1,
    `${theirs}/link is a link, and others than root can change it: it is not followed\n`,
  ]);
  expect(await said(`ls -A ${theirs}/inner`)).toBe('target\n');
});

describe('root shows nothing that a link of somebody else leads to', () => {
  test('file', async () => {
    const { type, params } = resource('file', { path: `${theirs}/read`, content: '' });
    if (type.via !== 'shell') throw new TypeError('file is looked at by a shell');
    await as('ceph', `ln -sfn /srv/victim/shadow ${theirs}/read`);
    expect((await run(type.peek!(params))).out.toString()).toBe('');
    await as('ceph', `ln -sfn /srv/victim ${theirs}/up`);
    expect((await run(type.peek!({ ...params, path: `${theirs}/up/shadow` }))).out.toString()).toBe('');
  });

  test('ini-setting', async () => {
    await run(raw(`(umask 077; printf '[a]\\nb = SECRET\\n' >/srv/victim/ini)`));
    await as('ceph', `ln -sfn /srv/victim/ini ${theirs}/ini`);
    const { type, params } = resource('ini-setting', { file: `${theirs}/ini`, section: 'a', key: 'b', value: '1' });
    expect(await difference(type, params, run, none)).toMatchObject({ before: null });
    await run(raw('ln -sfn /srv/victim/ini /srv/ini'));
    const own = resource('ini-setting', { ...params, file: '/srv/ini' });
    expect(await difference(own.type, own.params, run, none)).toMatchObject({ before: { value: 'SECRET' } });
  });

  test('authorized_keys', async () => {
    await as('ceph', `mkdir -p ${theirs}/.ssh && ln -sfn /srv/victim/shadow ${theirs}/.ssh/authorized_keys`);
    const { type, params } = resource('user', { name: 'ceph', ssh_keys: ['ssh-ed25519 AAAA'] });
    expect(await difference(type, params, run, none)).toMatchObject({ before: { ssh_keys: [] } });
  });

  test('and no pipe holds it up', { timeout: 10_000 }, async () => {
    await as('ceph', `cd ${theirs} && rm -rf .ssh/authorized_keys pipe && mkfifo pipe .ssh/authorized_keys`);
    for (const [name, params] of [
      ['file', { path: `${theirs}/pipe`, content: '' }],
      ['ini-setting', { file: `${theirs}/pipe`, key: 'a', value: 'b' }],
      ['user', { name: 'ceph', ssh_keys: ['ssh-ed25519 AAAA'] }],
    ] as const) {
      const { type, params: all } = resource(name, params);
      expect(await difference(type, all, run, none)).not.toBeNull();
      const peek: Command | undefined = type.via === 'shell' ? type.peek?.(all) : undefined;
      if (peek) expect((await run(peek)).out.toString()).toBe('');
    }
  });
});

const none = () => Promise.reject(new Error('There is no API here'));

async function said(script: string): Promise<string> {
  return (await run(raw(script))).out.toString();
}

async function as(user: string, script: string): Promise<void> {
  const { code, err } = await run(raw(`runuser -u ${user} -- sh -c '${script}'`));
  expect(code, err.toString()).toBe(0);
}
