import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { hostNames, judge, KnownHosts, parseHostKey, sha256, wireKey } from '../../src/ssh/host-keys.ts';

const ed = 'AAAAC3NzaC1lZDI1NTE5AAAAIJ8tfzFOKcf5pn7SZtI8bQ8vUBDsm5LxDeIZtNGUbYOc';
const other = 'AAAAC3NzaC1lZDI1NTE5AAAAIEbcNAyy0Lmdqbi1pxYBfCbj0b8yG6i4CXwQxAhH3Zbs';

function hashed(name: string): string {
  const salt = Buffer.from('0123456789abcdefghij');
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
}

const file = `
# a comment
plain.example,10.0.0.1 ssh-ed25519 ${ed} someone@somewhere
Mixed.Example ssh-ed25519 ${ed}
[port.example]:2222 ssh-ed25519 ${ed}
*.wild.example,!not.wild.example,h?st ssh-ed25519 ${ed}
${hashed('hashed.example')} ssh-ed25519 ${ed}
${hashed('[hashed-port.example]:2200')} ssh-ed25519 ${ed}
@revoked bad.example ssh-ed25519 ${other}
bad.example ssh-ed25519 ${ed}
@cert-authority ca.example ssh-ed25519 ${ed}
@unknown-marker odd.example ssh-ed25519 ${ed}
broken.example ssh-ed25519
two.example ssh-ed25519 ${other}
two.example ssh-ed25519 ${ed}
:: | |1| |1|x ssh-ed25519
|1| ssh-ed25519 ${ed}
\0\x01\xff
`;

const known = new KnownHosts([file, `second.example ssh-ed25519 ${ed}\r\n`]);
const verdict = (name: string, port = 22, blob = ed) => judge({ type: 'ssh-ed25519', blob }, known.find(hostNames(name, port)));

describe('known_hosts', () => {
  test.each([
    ['plain.example', 22, 'known'],
    ['10.0.0.1', 22, 'known'],
    ['mixed.example', 22, 'known'],
    ['MIXED.EXAMPLE', 22, 'known'],
    ['port.example', 2222, 'known'],
    ['port.example', 22, 'unknown'],
    ['port.example', 2223, 'unknown'],
    ['plain.example', 2222, 'known'],
    ['a.wild.example', 22, 'known'],
    ['not.wild.example', 22, 'unknown'],
    ['wild.example', 22, 'unknown'],
    ['host', 22, 'known'],
    ['hoost', 22, 'unknown'],
    ['hashed.example', 22, 'known'],
    ['hashed-port.example', 2200, 'known'],
    ['hashed-port.example', 22, 'unknown'],
    ['bad.example', 22, 'known'],
    ['ca.example', 22, 'unknown'],
    ['odd.example', 22, 'unknown'],
    ['broken.example', 22, 'unknown'],
    ['two.example', 22, 'known'],
    ['second.example', 22, 'known'],
    ['nobody.example', 22, 'unknown'],
  ])('%s port %i is %s', (name, port, expected) => {
    expect(verdict(name, port)).toBe(expected);
  });

  test('a key that is another one has changed; a revoked one is never taken', () => {
    expect(verdict('plain.example', 22, other)).toBe('changed');
    expect(verdict('hashed.example', 22, other)).toBe('changed');
    expect(verdict('bad.example', 22, other)).toBe('revoked');
  });

  test('a key revoked under one name is revoked, whatever name it is known by', () => {
    const text = `10.0.0.1 ssh-ed25519 ${ed}\n@revoked ctl1 ssh-ed25519 ${ed}`;
    expect(judge({ type: 'ssh-ed25519', blob: ed }, new KnownHosts([text]).find(['10.0.0.1', 'ctl1']))).toBe('revoked');
    expect(judge({ type: 'ssh-ed25519', blob: ed }, new KnownHosts([text.replace('ctl1', '*')]).find(['10.0.0.1']))).toBe('revoked');
  });

  test('a certificate authority is no key of a host, but is seen', () => {
    expect(known.find(['ca.example'])).toEqual({ keys: [], revoked: [], authority: true });
    expect(known.find(['plain.example']).authority).toBe(false);
  });

  test('a pattern that would explode as a regular expression takes no time', () => {
    const names = new KnownHosts([`${'*a'.repeat(40)}b ssh-ed25519 ${ed}`]);
    const start = performance.now();
    expect(names.find(['a'.repeat(5000)]).keys).toEqual([]);
    expect(performance.now() - start).toBeLessThan(1000);
  });

  test('10,000 lines are read and looked up in no time', () => {
    const start = performance.now();
    const many = new KnownHosts([
      Array.from({ length: 10_000 }, (_, i) => `host-${i},10.1.${i >> 8}.${i & 255} ssh-ed25519 ${ed}`).join('\n'),
    ]);
    for (let i = 0; i < 10_000; i++) expect(many.find([`host-${i}`]).keys.length).toBe(1);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

test('keys are read as people and as servers write them', () => {
  expect(parseHostKey(` ssh-ed25519 ${ed} comment\n`)).toEqual({ type: 'ssh-ed25519', blob: ed });
  expect(parseHostKey('not a key')).toEqual(undefined);
  expect(parseHostKey('')).toBeUndefined();
  expect(wireKey(Buffer.from(ed, 'base64'))).toEqual({ type: 'ssh-ed25519', blob: ed });
  expect(wireKey(Buffer.alloc(2)).type).toBe('');
  expect(sha256({ type: 'ssh-ed25519', blob: ed })).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/);
});
