import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { expect, test } from 'vitest';
import { ensureKey } from '../../src/lab/key.ts';
import { generateKey } from '../../src/ssh/key.ts';

test('a key pair is one that SSH clients read, and its halves belong together', () => {
  // A comment of each length: the padding differs.
  for (const comment of ['', 'a', 'ab', 'abc', 'abcd', 'abcde', 'abcdef', 'abcdefg']) {
    const { privateKey, publicKey } = generateKey(comment);
    const [secret, open] = [ssh2.utils.parseKey(privateKey), ssh2.utils.parseKey(publicKey)];
    if (secret instanceof Error || open instanceof Error) throw new Error('not a key');
    expect(secret.type).toBe('ssh-ed25519');
    expect(secret.comment).toBe(comment);
    expect(secret.getPublicSSH()).toEqual(open.getPublicSSH());
    expect(open.verify('data', secret.sign('data'))).toBe(true);
  }
});

test('a key is made once, for its owner alone', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'cellwise-key-'));
  const [first, second] = [await ensureKey(join(directory, 'a', 'b'), 'one'), await ensureKey(join(directory, 'a', 'b'), 'two')];
  expect(second).toEqual(first);
  expect(first.publicKey).toMatch(/^ssh-ed25519 \S+ one$/);
  expect((await stat(first.identity)).mode & 0o777).toBe(0o600);
  expect(await readFile(first.identity, 'utf8')).toContain('OPENSSH PRIVATE KEY');
  await rm(directory, { recursive: true });
});
