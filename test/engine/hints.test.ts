import { expect, test } from 'vitest';
import { hintOf } from '../../src/engine/hints.ts';

const step = (stepType: string, name = 'x') => ({ step: `cmp1/r/${stepType} ${name}`, host: 'cmp1', role: 'r', stepType, name });

test.each([
  [
    'a full disk',
    step('file'),
    'exit code 1; still content is missing',
    ['cp: error writing: No space left on device'],
    'A disk of cmp1 is full',
  ],
  [
    'a full disk under a service',
    step('service', 'mariadb'),
    'exit code 1',
    ['[ERROR] (Errcode: 28 "No space left on device")'],
    'A disk of cmp1 is full',
  ],
  [
    'no tun',
    step('health'),
    'not healthy: run : <>/dev/net/tun: sh: 1: cannot open /dev/net/tun: No such file',
    [],
    'no machine of cmp1 has a network',
  ],
  [
    'no MariaDB',
    step('db-sync'),
    'exit code 1',
    [`(pymysql.err.OperationalError) (2003, "Can't connect to MySQL server on '10.0.0.1'")`],
    'MariaDB does not answer',
  ],
  ['no mirror', step('package'), 'exit code 100', ["E: Failed to fetch http://x/y  Could not resolve 'x'"], 'apt sources of cmp1'],
  [
    'an image that is not there',
    step('image', 'deb'),
    'making its data ended with exit code 1',
    ['wget: 404'],
    'resources.images, entry deb',
  ],
  ['a service that does not start', step('service', 'nova-api'), 'exit code 1', ['boom'], '`journalctl -u nova-api` on cmp1'],
])('%s', (_, of, message, output, hint) => {
  expect(hintOf(of, message, output)).toContain(hint);
});

test('what nothing is known of has no hint', () => {
  expect(hintOf(step('file'), 'exit code 1', ['Permission denied'])).toBeUndefined();
});
