import fc from 'fast-check';
import { Console } from 'node:console';
import { PassThrough } from 'node:stream';
import { format, inspect } from 'node:util';
import { serialize } from 'node:v8';
import { describe, expect, it } from 'vitest';
import { fingerprint, mapText, reveal, Secret, shown, text, type Text } from '../../src/base/secret.ts';
import { canonical } from '../../src/base/state.ts';

const canary = 'cAnArY-7f3a';
const secret = Secret.of('db', canary);
const holder = { name: 'x', list: [secret], deep: { map: new Map([['k', secret]]), set: new Set([secret]), secret } };

function logged(...values: unknown[]): string {
  const stream = new PassThrough();
  const chunks: string[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  const console = new Console({ stdout: stream, stderr: stream });
  console.log(...values);
  console.dir(values, { depth: 9, showHidden: true });
  console.table(values);
  return chunks.join('');
}

describe('whatever prints a secret prints its name', () => {
  it.each<[string, () => string]>([
    ['String', () => String(secret)],
    // eslint-disable-next-line @typescript-eslint/restrict-template-expressions -- this is what must be safe
    ['a template literal', () => `${secret}`],
    // eslint-disable-next-line @typescript-eslint/restrict-plus-operands -- and this
    ['+', () => (secret as never) + ''],
    ['Array.join', () => [secret, secret].join()],
    ['JSON', () => JSON.stringify(holder)],
    ['JSON of it alone', () => JSON.stringify(secret)],
    ['canonical JSON', () => canonical(holder)],
    ['inspect', () => inspect(holder, { depth: 9 })],
    ['inspect with all that is hidden', () => inspect(secret, { showHidden: true, depth: 9, getters: true })],
    ['format %s', () => format('%s', secret)],
    ['format %o', () => format('%o %O %j', holder, holder, holder)],
    ['the console', () => logged(secret, holder)],
    ['an error', () => inspect(new Error(`no ${String(secret)}`, { cause: holder }), { depth: 9 })],
    ['a failed JSON', () => inspect(Object.assign(new TypeError('x'), { holder }), { depth: 9 })],
    [
      'its keys and values',
      () => JSON.stringify([Object.keys(secret), Object.values(secret), Object.entries(secret), Object.assign({}, secret)]),
    ],
    [
      'its property names',
      () =>
        Object.getOwnPropertyNames(secret)
          .map((name) => String((secret as unknown as Record<string, unknown>)[name]))
          .join(),
    ],
    ['a structured clone', () => JSON.stringify(structuredClone(secret))],
    ['v8', () => serialize(holder.list).toString('latin1')],
    ['a URL', () => encodeURIComponent(String(secret))],
    ['what map makes', () => inspect(secret.map((value) => `${value}!`))],
    ['what join makes', () => inspect(Secret.join(['a', secret]))],
    ['text', () => inspect(text`a${secret}b`)],
  ])('%s', (_, print) => {
    const printed = print();
    expect(printed).not.toContain(canary);
    expect(printed).not.toContain(Buffer.from(canary, 'utf16le').toString('latin1'));
    expect(printed.length).toBeGreaterThan(0);
  });
});

describe('join, map, text', () => {
  const anyText: fc.Arbitrary<Text> = fc.oneof(
    fc.string(),
    fc.tuple(fc.stringMatching(/^[a-z]{1,6}$/), fc.string()).map(([name, value]) => Secret.of(name, value)),
  );

  it('join means the same text, and is secret as soon as one part is', () => {
    fc.assert(
      fc.property(fc.array(anyText), (parts) => {
        const joined = Secret.join(parts);
        expect(reveal(joined)).toBe(parts.map(reveal).join(''));
        expect(shown(joined)).toBe(parts.map(shown).join(''));
        expect(joined instanceof Secret).toBe(parts.some((part) => part instanceof Secret));
      }),
    );
  });

  it('map changes the value and leaves what is shown', () => {
    fc.assert(
      fc.property(anyText, (one) => {
        const mapped = mapText(one, (value) => `<${value}>`);
        expect(reveal(mapped)).toBe(`<${reveal(one)}>`);
        if (one instanceof Secret) expect(shown(mapped)).toBe(one.shown);
      }),
    );
  });

  it.each<[Text, string, string]>([
    [text`a=${1} b=${'c'}`, 'a=1 b=c', 'a=1 b=c'],
    [text`password = ${secret}\n`, `password = ${canary}\n`, 'password = ‹secret db›\n'],
    [text`${secret}${secret}`, canary + canary, '‹secret db›‹secret db›'],
    [text``, '', ''],
  ])('text %#', (made, real, forPeople) => {
    expect([reveal(made), shown(made)]).toEqual([real, forPeople]);
  });
});

describe('fingerprint', () => {
  it('differs by key and by content, and holds neither', () => {
    const [a, b, c] = [fingerprint('k1', canary), fingerprint('k2', canary), fingerprint('k1', `${canary}.`)];
    expect(new Set([a, b, c]).size).toBe(3);
    expect(a).toMatch(/^[0-9a-f]{64}$/);
    expect(fingerprint('k1', Buffer.from(canary))).toBe(a);
  });
});
