// Someone between here and a host holds a key that the site has revoked, or asks for weak cryptography.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Unreachable } from '../../src/base/shell.ts';
import { connect, Shared, type SshTarget } from '../../src/ssh/connect.ts';
import { resolve } from '../../src/ssh/ssh-config.ts';
import { cellwise } from '../cli/process.ts';
import { clientKey, hostKey, newKey, startServer, type TestServer } from '../ssh/server.ts';

const directory = mkdtempSync(join(tmpdir(), 'cellwise-revoked-'));
let server: TestServer;
let here: string;
beforeAll(async () => {
  // Nobody gets in: what counts is how far one comes.
  server = await startServer({ accepts: [] });
  here = `[127.0.0.1]:${server.port}`;
});
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

async function failure(target: Partial<SshTarget>): Promise<Unreachable> {
  const error: unknown = await connect({ ...server.target, userKnownHosts: [], globalKnownHosts: [], ...target }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(Unreachable);
  return error as Unreachable;
}

/** How far a connection comes when the server shows its key: `auth` is past the host key. */
const outcome = async (target: Partial<SshTarget>) => (await failure(target)).reason;

describe('a key that is revoked', () => {
  const known = () => ({ hostKeys: [], knownHosts: [file('known', `${here} ${hostKey.line}\n`)] });
  const revoked = (names = here) => file('revoked', `@revoked ${names} ${hostKey.line}\n`);

  test('without a revocation it is taken', async () => {
    expect(await outcome(known())).toBe('auth');
    expect(await outcome({ hostKeys: [hostKey.line] })).toBe('auth');
  });

  test("in the site's file is refused, whatever the inventory's says", async () => {
    expect(await outcome({ ...known(), globalKnownHosts: [revoked()] })).toBe('host-key-changed');
    expect(await outcome({ ...known(), globalKnownHosts: [revoked('*')] })).toBe('host-key-changed');
    expect(await outcome({ ...known(), globalKnownHosts: [revoked('box')] })).toBe('host-key-changed');
    expect(await outcome({ ...known(), globalKnownHosts: [revoked('other')] })).toBe('auth');
  });

  test("in the user's file is refused, whatever the inventory's says", async () => {
    expect(await outcome({ ...known(), userKnownHosts: [revoked()] })).toBe('host-key-changed');
  });

  test('is refused though the inventory pins it', async () => {
    expect(await outcome({ hostKeys: [hostKey.line], globalKnownHosts: [revoked()] })).toBe('host-key-changed');
    expect(await outcome({ hostKeys: [hostKey.line], knownHosts: [revoked()] })).toBe('host-key-changed');
  });

  test('in a list of RevokedHostKeys is refused, and so is everything when the list cannot be read', async () => {
    const list = (text: string) => outcome({ ...known(), revokedHostKeys: [file('list', text)] });
    expect(await list(`# ours\n\n${newKey('stranger').line}\n`)).toBe('auth');
    expect(await list(`${newKey('stranger').line}\n${hostKey.line}\n`)).toBe('host-key-changed');
    expect(await list('SSHKRL\n\0\0\0\0\x01')).toBe('config');
    expect(await list('no key\n')).toBe('config');
    expect(await outcome({ ...known(), revokedHostKeys: [join(directory, 'absent')] })).toBe('config');
  });

  test('a file of revocations that cannot be read is no empty one', async () => {
    mkdirSync(join(directory, 'unreadable'));
    const error = await failure({ ...known(), globalKnownHosts: [join(directory, 'unreadable')] });
    expect([error.reason, error.message]).toEqual(['config', expect.stringMatching(/EISDIR/)]);
  });

  test('is refused of a bastion, too', async () => {
    const list = file('of-bastion', hostKey.line);
    const bastion = { ...server.target, name: 'gate', sshConfig: file('for-bastion', `Host gate\n  RevokedHostKeys ${list}\n`) };
    const error = await failure({ ...known(), bastion });
    expect([error.host, error.reason, error.message]).toEqual(['box', 'host-key-changed', expect.stringMatching(/bastion .*revoked/)]);
  });

  test('keys that the site knows are taken', async () => {
    expect(await outcome({ hostKeys: [], userKnownHosts: [], globalKnownHosts: known().knownHosts })).toBe('auth');
    expect(await outcome({ hostKeys: [], knownHosts: [file('empty', '')], userKnownHosts: known().knownHosts })).toBe('host-key-unknown');
  });

  test('a certificate authority is said to be of no use', async () => {
    const error = await failure({ hostKeys: [], knownHosts: [file('authority', `@cert-authority * ${newKey('authority').line}`)] });
    expect([error.reason, error.message]).toEqual(['host-key-unknown', expect.stringMatching(/no host certificates/)]);
  });
});

describe('the command line', () => {
  const home = join(directory, 'home');
  const inventory = () => `
cloud: {name: c, release: '2025.1', region: R, storage: file}
networks: {management: {cidr: 127.0.0.0/8}}
ssh: {user: root, port: ${server.port}, identity: ${clientKey.path}, known_hosts: known, agent: false}
hosts:
  ctl1: {address: 127.0.0.1, kind: controller}
  cmp1: {address: 127.0.0.2, kind: compute, ssh: {host_key: '${hostKey.line}'}}
`;

  test("heeds the site's revocations that ~/.ssh/config names, and tells what it does not heed", async () => {
    mkdirSync(join(home, '.ssh'), { recursive: true });
    const site = file('site', `@revoked * ${hostKey.line}\n`);
    writeFileSync(join(home, '.ssh/config'), `GlobalKnownHostsFile ${site}\nHost ctl*\n  HostKeyAlias other\n`);
    const path = file('inventory.yaml', inventory());
    file('known', `${here} ${hostKey.line}\n`);
    const { out, err } = await cellwise(['plan', '-i', path], { env: { HOME: home } });
    expect(out + err).toMatch(/The host key of ctl1 .* is marked as revoked/);
    expect((out + err).match(/says HostKeyAlias for ctl1, which Cellwise does not heed/g)).toHaveLength(1);
  });
});

test('words of ssh_config are told once for all hosts', async () => {
  const notes: string[] = [];
  const shared = new Shared((text) => notes.push(text));
  const target = { ...server.target, sshConfig: file('config', 'ProxyCommand nc %h %p\n') };
  for (const name of ['one', 'two']) await expect(connect({ ...target, name }, { shared })).rejects.toMatchObject({ reason: 'auth' });
  expect(notes).toEqual([`${target.sshConfig} says ProxyCommand for one, which Cellwise does not heed (docs/ssh.md).`]);
});

test.each(['Host', 'Match host', 'Match originalhost', 'Match user'])(
  'a pattern of %s that would explode as an expression does not',
  (word) => {
    const config = `${word} ${'*a'.repeat(40)}b\n  Port 1\n`;
    const name = 'a'.repeat(2000);
    const local = { home: '/', user: name, env: {} };
    expect(resolve({ name }, config, local).port).toBeUndefined();
    expect(resolve({ name: `${name}b`, user: `${name}b` }, config, local).port).toBe(1);
  },
);
