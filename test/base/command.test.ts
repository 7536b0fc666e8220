import fc from 'fast-check';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, test, vi } from 'vitest';
import { quote, raw, sh, withInput, withTimeout } from '../../src/base/command.ts';
import { Secret } from '../../src/base/secret.ts';
import { runHere } from '../engine/local-shell.ts';

// Real processes on two cores that others work on too.
vi.setConfig({ testTimeout: 30_000 });

const directory = mkdtempSync(join(tmpdir(), 'cellwise-sh-'));
const canary = join(directory, 'canary');
afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** What would make a canary if anything of it were run, in every way that a shell runs things. */
const attacks = [
  `$(touch ${canary})`,
  `\`touch ${canary}\``,
  `'; touch ${canary}; '`,
  `"; touch ${canary}; "`,
  `\n touch ${canary}\n`,
  `' || touch ${canary} || '`,
  `& touch ${canary} &`,
  `| touch ${canary}`,
  `>${canary}`,
  `\${IFS:=$(touch ${canary})}`,
  `\\'; touch ${canary} #`,
  `x=1 touch ${canary}`,
  `\n)\ntouch ${canary}\n(`,
  `}; touch ${canary}; {`,
  `EOF\ntouch ${canary}\n`,
];

const piece = fc.oneof(
  fc.constantFrom(
    ...Array.from(`'"\`$(){}[]\\;&|<>*?~#!%=:,. -\n\t\r/@^_aA0`),
    '--',
    '-n',
    '-e',
    '\x7f',
    '\x01',
    '\xff',
    'é',
    '漢',
    '🦀',
    '\u202e',
  ),
  fc.constantFrom(...attacks),
  fc.string({ unit: 'binary', maxLength: 3 }),
);
const anyText = fc
  .array(piece, { maxLength: 12 })
  .map((pieces) => pieces.join(''))
  .filter((text) => !text.includes('\0') && text.isWellFormed());

describe('any text is one word that means itself', () => {
  const texts = [...attacks, '', '-', '--', '-rf', '~', '~root', '*', '!', '#', '\n', "'", "''", 'a=b', ...fc.sample(anyText, 600)];

  test.each([
    ['as arguments', (all: readonly string[]) => sh`printf '%s\\0' ${all}`],
    ['in variables', (all: readonly string[]) => ({ script: all.map((text) => sh`x=${text}; printf '%s\\0' "$x"`.script).join('\n') })],
    ['in a shell in a shell', (all: readonly string[]) => sh`sh -c ${sh`printf '%s\\0' ${all}`.script}`],
    ['in an eval in a subshell', (all: readonly string[]) => sh`( eval ${sh`set -- ${all}; printf '%s\\0' "$@"`.script} )`],
  ])(`${texts.length} of them %s`, async (_, script) => {
    const output = await runHere(script(texts));
    expect(output.err.toString()).toBe('');
    expect(output.out.toString().split('\0').slice(0, -1)).toEqual(texts);
    expect(existsSync(canary)).toBe(false);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('takes a megabyte', async () => {
    const text = `it's $HOME\n`.repeat(100_000);
    const output = await runHere(sh`x=${text}; printf %s "$x" | cksum; printf %s ${text.slice(0, 60)}`);
    const direct = await runHere(withInput(raw('cksum'), text));
    expect(output.out.toString()).toBe(direct.out.toString() + text.slice(0, 60));
  });
});

describe('sh', () => {
  it.each([
    ['words', sh`a ${'b'} ${'c d'}`, "a b 'c d'"],
    ['a list is a word an item', sh`set -- ${['a', 'b c', '']}`, "set -- a 'b c' ''"],
    ['an empty list is no word', sh`set -- ${[]}`, 'set -- '],
    ['numbers', sh`kill -${9} ${-1}`, 'kill -9 -1'],
    ['a command stands as it is', sh`if ${raw('a | b')}; then ${sh`echo ${"it's"}`}; fi`, String.raw`if a | b; then echo 'it'\''s'; fi`],
    ['the text around values is not touched', sh`printf '%s\\0' "$1"`, String.raw`printf '%s\0' "$1"`],
  ])('%s', (_, command, script) => {
    expect(command).toEqual({ script });
  });

  it.each<[string, () => unknown, RegExp]>([
    ['a secret', () => sh`login ${Secret.of('db', 'canary') as never}`, /‹secret db› must go by standard input/],
    ['a secret in a list', () => sh`login ${[Secret.of('db', 'canary')] as never}`, /‹secret db› must go by standard input/],
    ['a NUL', () => sh`echo ${'a\0b'}`, /NUL/],
    ['undefined', () => sh`echo ${undefined as never}`, /Not a shell word: undefined/],
    ['an object', () => sh`echo ${{} as never}`, /Not a shell word/],
    ['true', () => sh`echo ${true as never}`, /Not a shell word: true/],
    ['a command that has input of its own', () => sh`a && ${withInput(sh`cat`, 'x')}`, /cannot be part of another/],
  ])('refuses %s', (_, make, why) => {
    expect(make).toThrow(why);
    try {
      make();
    } catch (error) {
      expect(String((error as Error).stack)).not.toContain('canary');
    }
  });

  it('adds input and a time limit', () => {
    expect(withTimeout(withInput(sh`cat`, 'in'), 5)).toEqual({ script: 'cat', stdin: 'in', timeout: 5 });
  });

  it('quotes only what needs it, so that people can read scripts', () => {
    expect(['/etc/a.conf', 'name=1.2~x', 'a-b_c', 'user:group'].map(quote)).toEqual(['/etc/a.conf', "'name=1.2~x'", 'a-b_c', 'user:group']);
  });
});
