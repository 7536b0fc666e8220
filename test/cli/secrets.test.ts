import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { newDirectory } from '../roles/directories.ts';
import { cellwise, jsonLines, type Ended } from './process.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let file: string;
let all: number;
const secrets = (words: string[], input = ''): Promise<Ended> => cellwise(['secrets', ...words, '-i', file], { input });

beforeAll(async () => {
  file = join(newDirectory(), 'lab.yaml');
  cpSync('inventories/lab.yaml', file);
  const [, count] = /^Made .*lab\.secrets\.age: (\d+) secrets\. Its key is /.exec((await secrets(['init'])).out)!;
  all = Number(count);
});

async function valueOf(name: string): Promise<string> {
  const { code, out } = await secrets(['show', name]);
  expect(code).toBe(0);
  return out.trim();
}

/** Refused with these words, and nothing was written. */
async function refused(words: string[], said: RegExp, input?: string): Promise<void> {
  const saved = join(file, '../lab.secrets.age');
  const before = readFileSync(saved, 'utf8');
  const ended = await secrets(words, input);
  expect([ended.code, ended.out]).toEqual([3, '']);
  expect(ended.err).toMatch(said);
  expect(readFileSync(saved, 'utf8')).toBe(before);
}

describe('secrets', () => {
  it('init says when nothing was missing', async () => {
    expect((await secrets(['init'])).out).toMatch(new RegExp(`^Nothing was missing: .* holds ${all} secrets\\.\n$`));
  });

  it.each(['ceph-client.fsid_seed', 'ceph-mon.key'])('rotate and set leave alone what must stay: %s', async (name) => {
    await refused(['rotate', name], /has to stay as it is/);
    await refused(['rotate', name, '--force'], /has to stay as it is/);
    await refused(['set', name], /has to stay as it is/, 'other');
  });

  it('rotate keeps the former value, and undo gives it back', async () => {
    const name = 'nova.db_password';
    const value = await valueOf(name);
    expect((await secrets(['rotate', name])).code).toBe(0);
    expect((await secrets(['rotate', name])).code).toBe(0);
    expect(await valueOf(name)).not.toBe(value);
    expect((await secrets(['list'])).out).toMatch(/^nova\.db_password +made +\d{4}-\d\d-\d\d +nova; not applied yet$/m);
    expect((await secrets(['undo', name])).code).toBe(0);
    expect(await valueOf(name)).toBe(value);
    await refused(['undo', name], /has no former value/);
  });

  it('rotate asks for more where a person has decided the value', async () => {
    expect((await secrets(['set', 'nova.service_password'], 'mine\n')).code).toBe(0);
    await refused(['rotate', 'nova.service_password'], /was set by hand/);
    expect((await secrets(['rotate', 'nova.service_password', '--force'])).code).toBe(0);
    expect(await valueOf('nova.service_password')).toMatch(/^\w{32}$/);
  });

  it.each([
    ['nothing', 'own', '', /is empty/],
    ['a line break', 'own', 'a\nb', /U\+000A/],
    ['an escape', 'own', 'a\u001b[2J', /U\+001B/],
    ["a percent sign in Keystone's database URL", 'keystone.db_password', 'a%b', /letters, digits/],
  ])('set refuses %s', async (_, name, value, said) => {
    await refused(['set', name], said, value);
  });

  it('remove takes what nothing uses; other names only by force', async () => {
    expect((await secrets(['set', 'old.token'], 'x')).out).toContain('Nothing in this inventory uses it');
    expect((await secrets(['list'])).out).toMatch(/^old\.token +set by hand +\S+ +nothing uses it$/m);
    expect((await secrets(['remove', 'old.token'])).code).toBe(0);
    await refused(['remove', 'old.token'], /There is no secret "old\.token"/);
    await refused(['remove', 'horizon.secret_key'], /is used by horizon/);
    expect((await secrets(['remove', 'horizon.secret_key', '--force'])).code).toBe(0);
    expect((await secrets(['init'])).out).toMatch(new RegExp(`^Added 1 to .*: ${all} secrets`));
  });

  it('list is there for programs, too, and holds no value', async () => {
    const value = await valueOf('keystone.admin_password');
    const { code, out } = await secrets(['list', '--json']);
    expect(code).toBe(0);
    const rows = jsonLines(out);
    expect(rows).toHaveLength(all);
    expect(rows).toContainEqual(
      expect.objectContaining({ type: 'secret', name: 'keystone.admin_password', by: 'cellwise', usedBy: ['keystone'], pending: false }),
    );
    expect(out).not.toContain(value);
  });

  it('an unknown name is refused, and says where all names are', async () => {
    await refused(['rotate', 'foo.bar'], /There is no secret "foo\.bar".*\n.*secrets list/);
  });

  it('recipients are listed, added and removed, and it is said what to rotate', async () => {
    const clone = newDirectory();
    cpSync(file, join(clone, 'lab.yaml'));
    cpSync(join(file, '../lab.secrets.age'), join(clone, 'lab.secrets.age'));
    const theirs = (...words: string[]): Promise<Ended> => cellwise(['secrets', ...words, '-i', join(clone, 'lab.yaml')]);
    const recipient = (await theirs('identity')).out.trim().split('\n').at(-1)!;
    expect(recipient).toMatch(/^age1\w{58}$/);
    expect((await theirs('identity')).out).toBe(`${recipient}\n`);
    expect((await theirs('show', 'keystone.admin_password')).code).toBe(3);
    expect((await secrets(['recipients', 'add', recipient])).code).toBe(0);
    const [, , fingerprint] = (await secrets(['recipients'])).out.split('\n');
    expect(fingerprint).toMatch(/^fingerprint [0-9a-f]{32}$/);
    cpSync(join(file, '../lab.secrets.age'), join(clone, 'lab.secrets.age'));
    expect((await theirs('show', 'keystone.admin_password')).err).toContain(fingerprint!.slice('fingerprint '.length));
    expect((await theirs('accept', fingerprint!.slice('fingerprint '.length))).code).toBe(0);
    expect((await theirs('show', 'keystone.admin_password')).out).toMatch(/^\w{32}\n$/);
    const removed = await secrets(['recipients', 'remove', recipient]);
    expect(removed.code).toBe(0);
    expect(removed.out).toContain('\n  cellwise secrets rotate keystone.admin_password\n');
    expect(removed.out).toMatch(/must never change: ceph-client\.fsid_seed, ceph-mon\.key, heat\.encryption_key$/m);
    expect((await secrets(['list'])).out).toMatch(/^keystone\.admin_password .*; known to somebody who was removed$/m);
  });
});
