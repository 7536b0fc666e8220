// Patterns that a long text keeps busy for ever: of files of third parties, and of step types, checks and trials.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checks } from '../../src/resources/checks.ts';
import { resourceTypes } from '../../src/resources/index.ts';
import { trials } from '../../src/trials/index.ts';

/** All patterns in some schema. */
function patternsIn(schema: unknown): string[] {
  if (schema === null || typeof schema !== 'object') return [];
  const own = 'pattern' in schema && typeof schema.pattern === 'string' ? [schema.pattern] : [];
  const names = 'patternProperties' in schema ? Object.keys(schema.patternProperties as object) : [];
  return [...own, ...names, ...Object.values(schema).flatMap(patternsIn)];
}

const files = [
  ...readdirSync('schemas').map((name) => `schemas/${name}`),
  ...readdirSync('roles').map((name) => `roles/${name}/params.schema.json`),
].filter((file) => existsSync(file));
const patterns = new Set([
  ...files.flatMap((file) => patternsIn(JSON.parse(readFileSync(file, 'utf8')))),
  ...[...resourceTypes, ...checks.values(), ...trials.values()].flatMap(({ params }) => patternsIn(params)),
]);

const bits = [
  'a',
  '0',
  '-',
  '.',
  'a.',
  'a-',
  'a0',
  '1.',
  '/',
  '/a',
  ' ',
  'a ',
  'A',
  '=',
  '+',
  'a=',
  '@',
  '"',
  '\\',
  'é',
  '[0-9]',
  ':',
  'a:',
  '::',
  ',',
  'a,',
  '%',
  '1%',
  '..',
];

/** Milliseconds of the processor. */
function timeOf(pattern: RegExp, text: string): number {
  const before = process.cpuUsage();
  pattern.test(text);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

describe('every pattern', () => {
  it('is found', () => {
    expect(patterns.size).toBeGreaterThan(80);
  });

  it.each([...patterns])('%s takes time that grows with the text, and no more', (source) => {
    const pattern = new RegExp(source, 'u');
    for (const bit of bits)
      for (const end of ['!', '\n', '\0', '']) {
        // Of one that grows with the square, this is a second and more; of the others, nothing.
        const text = bit.repeat(Math.ceil(30_000 / bit.length)) + end;
        expect(timeOf(pattern, text), JSON.stringify(bit + end)).toBeLessThan(400);
      }
  });
});
