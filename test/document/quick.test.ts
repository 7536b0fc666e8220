import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { formats } from '../../src/document/formats.ts';
import { quickTest } from '../../src/document/quick.ts';
import { parseDocument } from '../../src/document/document.ts';
import { resourceTypes } from '../../src/resources/index.ts';
import { paramsSchema, roleSchema } from '../../src/roles/role-schema.ts';

type Schema = Record<string, unknown>;

const ajv = new Ajv2020({
  strict: false,
  strictNumbers: true,
  formats: Object.fromEntries(Object.entries(formats).map(([name, { test: is }]) => [name, is])),
});
const read = (file: string): Schema => JSON.parse(readFileSync(file, 'utf8')) as Schema;

const inventory = read('schemas/inventory.schema.json');
const schemas: [name: string, schema: Schema, example: unknown][] = [
  ['the inventory', inventory, parseDocument('x', readFileSync('inventories/lab.yaml')).value],
  ['a role', roleSchema, parseDocument('x', readFileSync('roles/keystone/role.yaml')).value],
  ['params of a role', paramsSchema, read('roles/keystone/params.schema.json')],
  ...resourceTypes.map((type): (typeof schemas)[number] => [type.type, type.params as unknown as Schema, {}]),
];

// Values that schemas mean something by, in all their types.
const scalar = fc.oneof(
  fc.constantFrom<unknown>(
    '',
    'a',
    '/a',
    '0644',
    'root:root',
    '10.0.0.1',
    '10.0.0.0/24',
    '10.0.0.1/24',
    '€😀',
    '[',
    '1.5',
    '\n',
    'controller',
  ),
  fc.constantFrom<unknown>(0, 1, -1, 1.5, 65536, 1e300, NaN, Infinity, true, false, null),
  fc.string(),
);
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(fc.string({ maxLength: 3 }), tie('any'), { maxKeys: 3 }),
  ),
})).any;

/** Puts `part` somewhere into `whole`: at each level one of the keys that are there, or that the schema knows. */
function graft(whole: unknown, part: unknown, ways: readonly number[], names: readonly string[]): unknown {
  const [way, ...rest] = ways;
  if (way === undefined || typeof whole !== 'object' || whole === null) return part;
  const keys = [...Object.keys(whole), ...(Array.isArray(whole) ? [String(whole.length)] : names)];
  const key = keys[way % keys.length]!;
  const grafted = graft((whole as Record<string, unknown>)[key], part, rest, names);
  return Array.isArray(whole) ? Object.assign([...(whole as unknown[])], { [key]: grafted }) : { ...whole, [key]: grafted };
}

function namesIn(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  return Object.entries(schema).flatMap(([key, part]) => [...(key === 'properties' ? Object.keys(part as object) : []), ...namesIn(part)]);
}

test.each(schemas)('says of %s what ajv says', (_, schema, example) => {
  const [quick, slow] = [quickTest(schema), ajv.compile(schema)];
  const names = [...new Set(namesIn(schema))];
  const told = { yes: 0, no: 0 };
  const ways = fc.array(fc.nat(1000), { maxLength: 5 });
  fc.assert(
    fc.property(fc.array(fc.tuple(value, ways), { maxLength: 3 }), (parts) => {
      const given = parts.reduce<unknown>((whole, [part, way]) => graft(whole, part, way, names), example);
      const answer = slow(given);
      told[answer ? 'yes' : 'no'] += 1;
      expect(quick(given)).toBe(answer);
    }),
    { numRuns: 300, endOnFailure: true },
  );
  expect(told.no).toBeGreaterThan(0);
});

test('what it does not know, it does not accept', () => {
  expect(quickTest({ type: 'string', maxProperties: 1 })('x')).toBe(false);
  expect(quickTest({ format: 'hostname' })('x')).toBe(false);
});

test('a schema that holds itself', () => {
  const schema = { $defs: { tree: { type: 'object', additionalProperties: { $ref: '#/$defs/tree' } } }, $ref: '#/$defs/tree' };
  expect(quickTest(schema)({ a: { b: {} } })).toBe(true);
  expect(quickTest(schema)({ a: { b: 1 } })).toBe(false);
});
