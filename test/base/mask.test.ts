import fc from 'fast-check';
import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { cephxKey } from '../../src/base/ceph.ts';
import { mask } from '../../src/base/mask.ts';
import { printable } from '../../src/base/printable.ts';
import { Secret, text } from '../../src/base/secret.ts';
import { sshKey } from '../../src/base/ssh-key.ts';

const value = 'j1cjmBpbQ7xA9kLmN2pR4sTuVwXyZ0aB';
const odd = `pa'ss&"<w>o$rd\\x ünd`;
const lines = ['-----BEGIN PRIVATE KEY-----', 'bGluZSBvbmUgb2YgdGhl', 'a2V5IGlzIGhlcmU=', '-----END PRIVATE KEY-----'];

const db = Secret.of('db', value);
Secret.of('odd', odd);
Secret.of('tls.key', lines.join('\n'));

function base64(plain: string): string {
  return Buffer.from(plain).toString('base64');
}

const bytes = [...Buffer.from(value)];
const hex = bytes.map((byte) => byte.toString(16));

describe('a secret is hidden', () => {
  it.each([
    ['as it is', value],
    ['in base64', base64(value)],
    ['in hexadecimal', hex.join('')],
    ['in capital hexadecimal', hex.join('').toUpperCase()],
    ['as escapes', hex.map((byte) => String.raw`\x${byte}`).join('')],
    ['as a list of bytes', bytes.join(',')],
    ['as another list of bytes', bytes.join(', ')],
    ['at the end of a line that is wrapped', `${value.slice(0, 20)}\n    ${value.slice(20)}`],
    ['with a colour in it', `${value.slice(0, 10)}\u001B[1;31m${value.slice(10)}`],
    ['with a character in it that nobody sees', `${value.slice(0, 10)}\u200B${value.slice(10)}`],
    ['without its beginning', value.slice(3)],
    ['without its end', value.slice(0, 12)],
  ])('%s', (_, form) => {
    expect(mask(form)).toBe('‹secret db›');
    expect(mask(`a (${form}) b (${form})\n(${form}`)).toBe('a (‹secret db›) b (‹secret db›)\n(‹secret db›');
  });

  it.each(['', 'a', 'nova:', 'cinder:', 'admin:'])('in base64 after "%s", as of a login', (before) => {
    const shown = mask(`Basic ${base64(`${before}${value}`)}`);
    expect(shown).toContain('‹secret db›');
    for (let at = 0; at + 8 <= value.length; at += 1)
      for (const part of [0, 1, 2]) expect(shown).not.toContain(base64(`${' '.repeat(part)}${value.slice(at, at + 8)}`).slice(4, 8));
  });

  const url = encodeURIComponent(odd);
  it.each([
    ['JSON', JSON.stringify(odd).slice(1, -1)],
    [
      'JSON of ASCII alone',
      JSON.stringify(odd)
        .slice(1, -1)
        .replace('ü', String.raw`\u00fc`),
    ],
    ['a URL', url],
    ['a URL in lower case', url.replaceAll(/%../g, (escape) => escape.toLowerCase())],
    ['a URL that escapes all', url.replace("'", '%27')],
    ['a form', url.replaceAll('%20', '+')],
    ['a shell', odd.replaceAll("'", String.raw`'\''`)],
    ['SQL', odd.replaceAll("'", "''")],
    ['XML', odd.replaceAll('&', '&amp;').replaceAll('<', '&lt;')],
    [
      'HTML',
      odd.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;'),
    ],
    ['Python', odd.replaceAll('\\', String.raw`\\`).replaceAll("'", String.raw`\'`)],
  ])('as %s writes it', (_, form) => {
    expect(mask(`"${form}"`)).toBe('"‹secret odd›"');
  });

  it('in each of its lines', () => {
    expect(mask(`got ${lines.join('\n')}!`)).toBe('got ‹secret tls.key›!');
    for (const line of lines) expect(mask(`  ${line}\r`)).not.toContain(line);
  });

  it('when something is made of it, whatever that is', () => {
    const ceph = cephxKey(db, 'client.nova') as Secret;
    const ssh = db.map(sshKey);
    const digest = text`prefix ${db}`;
    const made = (digest as Secret).map((plain) => Buffer.from(plain).reverse().toString());
    expect(mask(`key = ${ceph.reveal()}`)).toBe('key = ‹secret db›');
    expect(mask(ssh.reveal().split('\n')[1]!)).toBe('‹secret db›');
    expect(mask(made.reveal())).toBe('prefix ‹secret db›');
  });

  it('in any text around it, which stays as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (before, after) => {
        expect(mask(before + value + after)).toBe(`${before}‹secret db›${after}`);
      }),
    );
  });

  it('wherever a text that is printed is cut', () => {
    for (let limit = 0; limit < 120; limit += 1) {
      const shown = printable(`${'x'.repeat(40)} mysql://keystone:${value}@db`, limit);
      for (let at = 0; at + 4 <= value.length; at += 1) expect(shown).not.toContain(value.slice(at, at + 4));
    }
  });
});

describe('what is no secret', () => {
  it('stays', () => {
    for (const plain of ['', 'nothing here', 'lines\n  of\n\ttext', value.slice(0, 11), `${value.slice(0, 11)} ${value.slice(11, 22)}`])
      expect(mask(plain)).toBe(plain);
  });

  it('is a value that is too short: it stands in any text', () => {
    Secret.of('pin', '123');
    expect(mask('PIN 123')).toBe('PIN 123');
    Secret.of('word', 'Zq8!');
    expect(mask('a Zq8! b Zq8 Zq\n8!')).toBe('a ‹secret word› b Zq8 Zq\n8!');
  });

  it('is told from another that looks like it', () => {
    const all = Array.from({ length: 300 }, (_, i) => Secret.of(`s${i}`, `common-beginning-${randomBytes(12).toString('base64url')}`));
    expect(mask(all.map((each) => each.reveal()).join(','))).toBe(all.map((each) => each.shown).join(','));
  });
});

describe('two hundred secrets', () => {
  const many: string[] = [];
  beforeAll(() => {
    for (let i = 0; i < 200; i += 1) {
      many.push(randomBytes(24).toString('base64url'));
      Secret.of(`many${i}`, many[i]!);
    }
    mask('once');
  });

  // Of the processor, so that other work does not count; a fraction of it is what it takes.
  it.each<[string, (i: number) => string]>([
    ['a log', (i) => `2026-11-28 15:00:00 ${i} INFO nova.compute.manager [req-${(i * 7919).toString(16)}] instance ${i * 31} started`],
    ['digests', () => randomBytes(40).toString('hex')],
    ['bytes as numbers', () => [...randomBytes(40)].map((byte) => 48 + (byte % 75)).join(',')],
    ['bytes as escapes', () => [...randomBytes(40)].map((byte) => String.raw`\x${(48 + (byte % 75)).toString(16)}`).join('')],
    ['pieces of secrets', (i) => `${many[i % 200]!.slice(0, 11)} ${many[(i * 7) % 200]!.slice(9, 20)}`],
  ])('are looked for in a megabyte of %s in no time', (_, line) => {
    let said = '';
    for (let i = 0; said.length < 1024 * 1024; i += 1) said += `${line(i)}\n`;
    const before = process.cpuUsage();
    mask(said);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(2);
  });
});
