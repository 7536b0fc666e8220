// What a host can say, and what must not become of it.
import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import type { Command, Output } from '../../src/base/command.ts';
import { Secret } from '../../src/base/secret.ts';
import type { HostFacts, Shell } from '../../src/base/shell.ts';
import type { Open } from '../../src/engine/work.ts';

/** A secret of the cloud, and how hosts may spell it. */
export const seeded = Secret.of('seeded', randomBytes(24).toString('base64url').replaceAll(/[_-]/g, 'x'));

const value = seeded.reveal();
const bytes = [...Buffer.from(value)];
const hex = bytes.map((byte) => byte.toString(16));
const spelled: readonly string[] = [
  value,
  Buffer.from(value).toString('base64'),
  ...['a', 'ab'].map((before) => Buffer.from(before + value).toString('base64')),
  hex.join(''),
  hex.join('').toUpperCase(),
  hex.map((byte) => String.raw`\x${byte}`).join(''),
  bytes.join(','),
];

/** Escapes that a terminal obeys, marks that turn text around or hide it. */
export const evil = '\u001B]0;OWNED\u0007\u001B[2J\u009B31m\u202Eevil\u200B\u2028\r\b\u0000';

/** Texts that no type of ours expects. */
export const said: readonly string[] = [
  ...[
    '',
    '\n',
    'x',
    '\0',
    '{',
    '[]',
    '{}',
    'null',
    '[null]',
    '[{}]',
    '"x"',
    '1',
    'true',
    '-1 -1\n',
    '999999999 9\n',
    'user\t0\n',
    'a\tb\tc\td\n',
  ],
  ...['a b c\n', 'done\nmay a\n', '\0\0\0\0\0', 'a\0b\0c\0d\0', '__proto__\0a\0b\0c\0', '='.repeat(50), ' \n \n \n', 'current\n', '\uFFFD'],
  '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
  ...['null', '[]', '{}', '1', '"x"', '[null]', '[{}]', '{"nodes":1}', 'x'].map((out) => JSON.stringify([{ code: 0, out, err: evil }])),
  `${'['.repeat(5000)}${']'.repeat(5000)}`,
  `{"password":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
  'x'.repeat(20_000),
  ' '.repeat(20_000),
  '\n'.repeat(20_000),
  'a='.repeat(10_000),
  `Traceback (most recent call last):\n  File "x"\nError: mysql://keystone:${value}@db ${evil}`,
  evil,
  JSON.stringify({ [evil]: evil }),
  ...spelled.map((form) => `${evil} ${form}${evil}`),
  `${value.slice(0, 15)}\n    ${value.slice(15)}`,
  `${value.slice(0, 15)}\u001B[31m${value.slice(15)}`,
];

/** What no terminal and no file of ours may be told: C0 but line ends and tabs, C1, marks that act on text; and the secret. */
export function expectHarmless(text: string): void {
  expect(text.match(/(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu) ?? []).toEqual([]);
  const joined = text.replaceAll(/\\n|\s+/g, '');
  for (const form of spelled.slice(4)) expect(joined.includes(form)).toBe(false);
  for (let at = 0; at + 12 <= value.length; at += 1) expect(joined.includes(value.slice(at, at + 12))).toBe(false);
}

/** All texts in some data, such as of a line of JSON: as whoever reads it has them. */
export function textsIn(data: unknown): string {
  if (typeof data === 'string') return `${data}\n`;
  return data === null || typeof data !== 'object' ? '' : Object.entries(data).flat().map(textsIn).join('');
}

const facts: HostFacts = { hostname: 'bad', os: { id: 'debian', like: [], version: '13', codename: 'trixie' }, bootId: 'b', clock: 0 };

/** An answer to a command, in each part of it where it is one of several: the host knows how we tell them apart. */
export function answerTo({ script }: Command, text: string, code: number): Output {
  const nonce = /printf '\\n%s %s\\n' ([0-9a-f]{32})/.exec(script)?.[1];
  const parts = script.match(/; mark \$\?|; mark \$r; else/g)?.length ?? 0;
  const bytes = Buffer.from(nonce === undefined ? text : `${text}\n${nonce} ${code}\n`.repeat(parts));
  return { code: nonce === undefined ? code : 0, out: bytes, err: bytes };
}

/** A root shell on a host that answers whatever is asked by these. */
export function hostileShell(host: string, next: () => readonly [text: string, code: number]): Shell {
  const run = (command: Command): Promise<Output> => Promise.resolve(answerTo(command, ...next()));
  return {
    ...{ host, facts, roundTrips: 0, run, mend: run },
    lock: () => Promise.resolve('locked'),
    dial: () => Promise.reject(new Error(evil)),
    close: () => Promise.resolve(),
  };
}

/** Hosts that are opened by `open`, but for one, which is hostile. */
export function hostileOn(hostile: string, next: () => readonly [string, number], open: Open): Open {
  return (host, early) => {
    if (host !== hostile) return open(host, early);
    const shell = hostileShell(host, next);
    early?.(shell);
    return Promise.resolve(shell);
  };
}
