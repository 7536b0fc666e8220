import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseDocument, readDocument } from '../../src/document/document.ts';

/** Each problem as `code line:column`. */
function problemsOf(content: string | Uint8Array): string[] {
  return parseDocument('f.yaml', content).problems.map(({ code, place }) => `${code} ${place!.line}:${place!.column}`);
}

describe('texts that are wrong', () => {
  it.each<[name: string, content: string | Uint8Array, problems: string[]]>([
    ['nothing at all', '', ['yaml-empty 1:1']],
    ['only comments', '# nothing\n\n', ['yaml-empty 1:1']],
    ['only a document mark', '---\n', ['yaml-empty 1:1']],
    ['a tab before a key', 'a:\n\tb: 1\n', ['yaml-tab 2:1']],
    ['a tab after spaces', 'a:\n  b: 1\n  \tc: 2\n', ['yaml-tab 3:3']],
    ['tabs in two lines', 'a:\n\tb: 1\n\tc: 1\n', ['yaml-tab 2:1', 'yaml-tab 3:1']],
    ['a key twice', 'a: 1\nb: 2\na: 3\n', ['yaml-duplicate-key 3:1']],
    ['a key thrice, deep', 'x: {a: 1, a: 2, "a": 3}\n', ['yaml-duplicate-key 1:11', 'yaml-duplicate-key 1:17']],
    ['a number as key', 'a: 1\n8774: 2\n', ['yaml-key 2:1']],
    ['a truth value as key', 'true: 2\n', ['yaml-key 1:1']],
    ['a list as key', '? [a]\n: 1\n', ['yaml-key 1:3']],
    ['an alias as key', 'a: &k x\n*k : 1\n', ['yaml-key 2:1']],
    ['no key', ': 1\n', ['yaml-key 1:1']],
    ['a merge key', 'x: &x {a: 1}\ny:\n  <<: *x\n', ['yaml-key 3:3']],
    ['a prototype', '__proto__: {a: 1}\n', ['yaml-key 1:1']],
    ['a tag of another program', 'password: !vault abc\n', ['yaml-tag 1:11']],
    ['a quote left open', 'a: "x\nb: 1\n', ['yaml-syntax 3:1']],
    ['a bracket left open', 'a: [1, 2\nb: 1\n', ['yaml-syntax 2:1']],
    ['a missing colon', 'hosts:\n  ctl1\n  ctl2: {}\n', ['yaml-syntax 2:3']],
    ['a colon too many', 'a: b: c\n', ['yaml-syntax 1:4']],
    ['uneven indentation', 'a:\n    b: 1\n  c: 2\n', ['yaml-syntax 3:1']],
    ['a range inside braces', 'hosts: {cmp[1-2]: {}}\n', ['yaml-syntax 1:12']],
    ['two mistakes far apart', 'a: @x\nb: 1\nc: @y\n', ['yaml-syntax 1:4', 'yaml-syntax 3:4']],
    ['two documents', 'a: 1\n---\nb: 2\n', ['yaml-documents 2:1']],
    ['an unknown anchor', 'a: *b\n', ['yaml-alias 1:4']],
    ['an alias in itself', 'a: &a [1, *a]\n', ['yaml-alias 1:11']],
    ['brackets 200 deep', '['.repeat(200), ['yaml-depth 1:101']],
    ['a million brackets', '['.repeat(1_000_000), ['yaml-depth 1:101']],
    ['a million dashes', '- '.repeat(1_000_000), ['yaml-depth 1:200']],
    ['keys 150 deep', Array.from({ length: 150 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), ['yaml-depth 100:101']],
    ['a NUL', 'a: b\nc: \0d\n', ['yaml-binary 2:4']],
    ['an escape', 'a: \x1b[31mred\n', ['yaml-binary 1:4']],
    ['a program', new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0]), ['yaml-binary 1:1']],
    ['Latin-1', Buffer.from('a: 1\nb: caf\xe9\n', 'latin1'), ['yaml-encoding 2:7']],
    ['UTF-16', Buffer.from('\uFEFFa: 1\n', 'utf16le'), ['yaml-encoding 1:1']],
    ['11 MB', 'a'.repeat(11 * 1024 * 1024), ['file-too-large 1:1']],
    ['a key after a byte order mark', '\uFEFFa: 1\na: 2\n', ['yaml-duplicate-key 2:1']],
    ['DOS line ends', 'a: 1\r\nb: 2\r\na: 2\r\n', ['yaml-duplicate-key 3:1']],
  ])('%s', (_name, content, problems) => {
    expect(problemsOf(content)).toEqual(problems);
  });

  it('aliases that explode take no time and no memory', () => {
    const levels = Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(', ')}]`);
    expect(problemsOf(['a0: &a0 [x, x]', ...levels].join('\n'))).toEqual([expect.stringMatching(/^yaml-alias 7:/)]);
  });

  it('aliases that nest too deep are told, not followed', () => {
    const levels = Array.from({ length: 2000 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}]`);
    expect(problemsOf(['a0: &a0 [x]', ...levels].join('\n'))[0]).toMatch(/^yaml-depth 100:/);
  });

  it('a million signs are where reading stops', () => {
    const problems = parseDocument('f.yaml', 'a: 1\n'.repeat(500_000)).problems;
    expect(problems.map(({ code }) => code)).toEqual(['file-too-large']);
  });

  it('a text that is all mistakes has at most 100 problems', () => {
    expect(problemsOf('a: @\n'.repeat(5000))).toHaveLength(100);
  });

  it('a file that cannot be read is a problem', () => {
    const directory = mkdtempSync(join(tmpdir(), 'cellwise-'));
    const codes = [directory, join(directory, 'none.yaml')].map((file) => readDocument(file).problems[0]!);
    expect(codes.map(({ code }) => code)).toEqual(['file-unreadable', 'file-unreadable']);
    expect(codes[0]!.message).toContain('it is a directory');
    expect(codes[1]!.message).toContain('there is no such file');
  });

  it('a large file is not even read', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'cellwise-')), 'large.yaml');
    writeFileSync(file, 'a: 1\n'.repeat(2_200_000));
    expect(readDocument(file).problems.map(({ code }) => code)).toEqual(['file-too-large']);
  });

  it('what is left can still be used when only keys are wrong', () => {
    expect(parseDocument('f.yaml', 'a: 1\na: 2\n1: x\nb: [*c]').value).toBeUndefined();
    expect(parseDocument('f.yaml', 'a: 1\na: 2\n1: x\nb: []').value).toEqual({ a: 1, b: [] });
  });

  it('no text makes it throw', () => {
    const yamlish = fc.string({ unit: fc.constantFrom(...Array.from('ab1:-?,[]{}#&*!|>\'"%@`\t\n  \\~<.é\uFEFF\r\0')), maxLength: 60 });
    fc.assert(
      fc.property(yamlish, (text) => {
        const { value, problems } = parseDocument('f.yaml', text);
        expect(value !== undefined || problems.length > 0).toBe(true);
        for (const { place } of problems) expect(place!.line).toBeLessThanOrEqual(text.split('\n').length);
      }),
      { numRuns: 3000 },
    );
  });

  it('no bytes make it throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        parseDocument('f.yaml', bytes);
      }),
      { numRuns: 500 },
    );
  });
});

describe('texts that are right', () => {
  it('gives what YAML says', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (json) => {
        fc.pre(!json.includes('__proto__') && !json.includes('"<<"') && !json.includes('\\u0000'));
        const { value, problems } = parseDocument('f.yaml', json);
        fc.pre(problems.every(({ code }) => code !== 'yaml-key'));
        if (problems.length === 0) expect(value).toEqual(parse(json));
      }),
    );
  });

  it('is YAML 1.2, whatever the text asks for', () => {
    const text = '%YAML 1.1\n---\nyes: no\noctal: 0640\nversion: 2025.1\ndate: 2026-11-20\n';
    expect(parseDocument('f.yaml', text).value).toEqual({ yes: 'no', octal: 640, version: 2025.1, date: '2026-11-20' });
  });

  it('aliases give what their anchors hold', () => {
    const { value, problems } = parseDocument('f.yaml', 'a: &x {b: [1]}\nc: *x\nd: [*x]\n');
    expect(problems).toEqual([]);
    expect(value).toEqual({ a: { b: [1] }, c: { b: [1] }, d: [{ b: [1] }] });
  });

  it('a tab may stand before a comment', () => {
    expect(parseDocument('f.yaml', 'a: 1\t# one\n').problems).toEqual([]);
  });
});

describe('places', () => {
  const text = 'cloud:\n  name: lab\nhosts:\n  ctl1: {address: &a 10.0.0.1, disks: [/dev/sda, /dev/sdb]}\n  ctl2:\nmore: {same: *a}\n';
  const document = parseDocument('f.yaml', text);

  it.each<[path: (string | number)[], at: 'key' | 'value', place: string]>([
    [[], 'value', '1:1'],
    [['cloud'], 'key', '1:1'],
    [['cloud'], 'value', '2:3'],
    [['cloud', 'name'], 'value', '2:9'],
    [['hosts', 'ctl1', 'disks', 1], 'value', '4:50'],
    [['hosts', 'ctl1', 'disks', 7], 'value', '4:32'],
    [['hosts', 'ctl2'], 'value', '5:3'],
    [['hosts', 'ctl1', 'nothing', 'here'], 'value', '4:3'],
    [['more', 'same'], 'value', '6:14'],
  ])('%j at its %s is %s', (path, at, place) => {
    const { line, column } = document.place(path, at);
    expect(`${line}:${column}`).toBe(place);
  });

  it('knows how a value was written', () => {
    const { written } = parseDocument('f.yaml', 'mode: 0640\nversion: 2025.10 # text\n');
    expect([written(['mode']), written(['version'])]).toEqual(['0640', '2025.10']);
  });

  it('frames show two lines before, one after, and a caret', () => {
    expect(document.place(['hosts', 'ctl1', 'address'], 'key').frame).toBe(
      [
        '2 |   name: lab',
        '3 | hosts:',
        '4 |   ctl1: {address: &a 10.0.0.1, disks: [/dev/sda, /dev/sdb]}',
        '  |          ^^^^^^^',
        '5 |   ctl2:',
      ].join('\n'),
    );
  });

  it('frames cut long lines around the caret', () => {
    const frame = parseDocument('f.yaml', `a: [${'x, '.repeat(400)}*b, ${'y, '.repeat(400)}]`).problems[0]!.place!.frame!;
    const [line, caret] = frame.split('\n') as [string, string];
    expect(line.length).toBeLessThan(130);
    expect(line.slice(caret.indexOf('^'), caret.lastIndexOf('^') + 1)).toBe('*b');
  });

  it('frames show neither passwords nor what would move a terminal', () => {
    const frame = parseDocument('f.yaml', 'password: hunter2\nname: \u202Egnp\nname: \u0085x\n').problems[0]!.place!.frame!;
    expect(frame).toContain('password: •••••••');
    expect(frame).toContain('name: \uFFFDgnp');
    expect(frame).not.toMatch(/[\u202E\u0085]/);
  });

  it('names of secrets are shown', () => {
    const frame = parseDocument('f.yaml', 'password: {secret: mine}\na: 1\na: 2\n').problems[0]!.place!.frame!;
    expect(frame).toContain('password: {secret: mine}');
  });
});
