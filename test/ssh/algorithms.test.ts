import { expect, test } from 'vitest';
import { algorithmsFor } from '../../src/ssh/algorithms.ts';

test('known types of keys are asked for first', () => {
  const order = (type: string) => algorithmsFor([{ type, blob: '' }]).serverHostKey;
  expect(order('ssh-rsa')).toEqual(['rsa-sha2-512', 'rsa-sha2-256', 'ssh-ed25519', ...nist]);
  expect(order('sk-ssh-ed25519@openssh.com')).toEqual(algorithmsFor([]).serverHostKey);
  expect(algorithmsFor([]).serverHostKey).toEqual(['ssh-ed25519', ...nist, 'rsa-sha2-512', 'rsa-sha2-256']);
});
const nist = ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'];

test.each([
  ['hmac-sha2-512,hmac-sha1', ['hmac-sha2-512']],
  ['-hmac-sha2-256*', ['hmac-sha2-512-etm@openssh.com', 'hmac-sha2-512']],
  ['+hmac-sha1', algorithmsFor([]).hmac],
  ['^hmac-sha1', algorithmsFor([]).hmac],
])('MACs %s', (macs, left) => {
  expect(algorithmsFor([], { macs }).hmac).toEqual(left);
});
