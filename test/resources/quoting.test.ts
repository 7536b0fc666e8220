// Any text is a value: random ones through the real programs of this machine.
import fc from 'fast-check';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sh } from '../../src/base/command.ts';
import { compare } from '../../src/base/state.ts';
import { batch } from '../../src/engine/batch.ts';
import { isUnknown } from '../../src/resources/define.ts';
import { iniSetting } from '../../src/resources/ini-setting.ts';
import { anyText } from './any-text.ts';
import { runHere } from './converge.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cellwise-quoting-'));
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

test('2,000 texts through sh', { timeout: 60_000 }, async () => {
  const texts = fc.sample(anyText, 2000);
  const output = await runHere(sh`printf '%s\\0' ${texts}`);
  expect(output.out.toString().split('\0').slice(0, -1)).toEqual(texts);
});

const line = anyText.map((text) => text.replace(/[\r\n]/g, ' ').trim());
const word = fc.stringMatching(/^[a-z][a-z_. -]{0,8}[a-z]$/);
// Few names, so that sections and keys meet.
const section = fc.constantFrom('', 'DEFAULT', 'database', 'a b', 'x:y');
const key = fc.oneof(fc.constantFrom('key', 'connection', 'a', 'a b', 'key.2', 'a*b'), word);
const content = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '',
        '  ',
        '# comment',
        ';x',
        '#key = 1',
        '# connection=2',
        '[DEFAULT]',
        '[database]',
        ' [a b] # c',
        '[x:y]',
        '[other]',
        'key',
        'a=b=c',
        'a b: c',
      ),
      fc.tuple(fc.constantFrom('', ' ', '\t'), key, fc.constantFrom('=', ' = ', ': ', ''), line).map((parts) => parts.join('')),
      line,
      line.map((text) => `    ${text}`),
    ),
    { maxLength: 12 },
  )
  .chain((lines) => fc.constantFrom(...(lines.length > 0 ? [lines.join('\n'), `${lines.join('\n')}\n`] : [''])));

test('1,000 settings written by awk into files that it has never seen', { timeout: 120_000 }, async () => {
  const samples = fc.sample(
    fc.record({
      content,
      section,
      key,
      value: line,
      separator: fc.constantFrom(' = ', '=', ': ') as fc.Arbitrary<' = '>,
      absent: fc.nat(9).map((n) => n === 0),
    }),
    1000,
  );
  const all = samples.map(({ content, absent, ...sample }, i) => ({
    ...sample,
    file: join(directory, `${i}.ini`),
    before: content,
    ...(absent ? { absent } : {}),
  }));
  await Promise.all(all.map((one) => writeFile(one.file, one.before)));

  const once = await converge(all);
  expect(once.failed).toEqual([]);
  const after = await Promise.all(all.map((one) => readFile(one.file, 'utf8')));
  expect((await converge(all)).changed).toBe(0);

  all.forEach((one, i) => {
    const [before, now] = [one.before.split('\n'), after[i]!.split('\n')];
    const added = one.absent ? [] : [`${one.key}${one.separator}${one.value}`];
    // All lines that are there now were there before, in this order, but for the setting and a header for it.
    const rest = now.filter((text) => !added.includes(text.trimStart()) && text !== '' && text !== `[${one.section}]`);
    const expected = before.filter((text) => text !== '');
    let at = 0;
    for (const text of rest) {
      at = expected.indexOf(text, at) + 1;
      expect({ text, in: one.before, now: after[i], kept: at > 0 }).toMatchObject({ kept: true });
    }
  });
});

type Setting = Parameters<typeof iniSetting.desired>[0];

async function converge(all: readonly Setting[]): Promise<{ changed: number; failed: string[] }> {
  if (!('probeAll' in iniSetting)) throw new TypeError('ini-setting looks at all settings together');
  const look = async () => ('probeAll' in iniSetting ? iniSetting.parseAll(await runHere(iniSetting.probeAll(all)), all) : []);
  const commands = (await look()).flatMap((found, i) => {
    if (isUnknown(found)) throw new Error(found.unknown);
    const change = compare(found, iniSetting.desired(all[i]!));
    return change ? [iniSetting.apply(all[i]!, change)] : [];
  });
  if (commands.length === 0) return { changed: 0, failed: [] };
  const together = batch(commands);
  const outputs = together.split(await runHere({ ...together.command, script: `sync() { :; }\n${together.command.script}` }));
  const left = (await look()).flatMap((found, i) =>
    compare(found as never, iniSetting.desired(all[i]!)) ? [JSON.stringify({ ...all[i], found })] : [],
  );
  return { changed: commands.length, failed: [...outputs.filter((one) => one.code !== 0).map((one) => one.err.toString()), ...left] };
}
