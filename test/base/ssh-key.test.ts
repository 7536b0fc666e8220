import { createPrivateKey, createPublicKey } from 'node:crypto';
import ssh2 from 'ssh2';
import { expect, test } from 'vitest';
import { sshKey, sshPublicKey } from '../../src/base/ssh-key.ts';

test('a key is the same each time, other for another secret, and its public half is what SSH knows', () => {
  expect(sshKey('a')).toBe(sshKey('a'));
  expect(sshPublicKey('a')).not.toBe(sshPublicKey('b'));
  const parsed = ssh2.utils.parseKey(sshPublicKey('a'));
  if (parsed instanceof Error) throw parsed;
  const key = createPublicKey(createPrivateKey(sshKey('a')));
  expect(parsed.getPublicPEM().replaceAll(/\s/g, '')).toBe(key.export({ format: 'pem', type: 'spki' }).toString().replaceAll(/\s/g, ''));
});
