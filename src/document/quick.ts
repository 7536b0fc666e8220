import type { AnySchemaObject } from 'ajv/dist/2020.js';
import { canonical } from '../base/state.ts';
import { formats } from './formats.ts';

type Test = (value: unknown) => boolean;
type Schema = AnySchemaObject | boolean;

/**
 * A schema as a plain yes or no, for the keywords that Cellwise's schemas use. Compiling a schema with ajv takes longer than
 * all else that reading an inventory does, and most inventories have nothing wrong with them: ajv is asked when the answer
 * is no, which it also is where a keyword is not known here.
 */
export function quickTest(root: AnySchemaObject): Test {
  const tests = new Map<Schema, Test>();

  function testOf(schema: Schema): Test {
    if (typeof schema === 'boolean') return () => schema;
    let test = tests.get(schema);
    if (!test) {
      // A schema may hold itself.
      tests.set(schema, (value) => tests.get(schema)!(value));
      const all = Object.entries(schema).flatMap(([keyword, operand]) => keywords[keyword]?.(operand as never, schema, testOf, root) ?? no);
      const [only] = all;
      tests.set(schema, (test = all.length === 1 ? only! : (value) => all.every((each) => each(value))));
    }
    return test;
  }

  return testOf(root);
}

type Keyword = (operand: never, schema: AnySchemaObject, testOf: (schema: Schema) => Test, root: AnySchemaObject) => Test | [];

const no: Test = () => false;
/** Says nothing about a value. */
const remark: Keyword = () => [];

const keywords: Readonly<Record<string, Keyword | undefined>> = {
  $schema: remark,
  $defs: remark,
  title: remark,
  description: remark,
  default: remark,
  patternErrorMessage: remark,
  hostsOf: remark,

  $ref: (pointer: string, _schema, testOf, root) => {
    const target = pointer
      .split('/')
      .slice(1)
      .reduce<unknown>((around, step) => (around as AnySchemaObject)[step], root);
    return testOf(target as Schema);
  },
  anyOf: (branches: readonly Schema[], _schema, testOf) => {
    const tests = branches.map(testOf);
    return (value) => tests.some((test) => test(value));
  },
  type: (types: string | readonly string[]) => {
    if (typeof types === 'string') return (value) => isOf(types, value);
    return (value) => types.some((type) => isOf(type, value));
  },
  enum: (allowed: readonly unknown[]) => {
    const [scalars, texts] = [new Set(allowed), new Set(allowed.map(canonical))];
    return (value) => scalars.has(value) || (typeof value === 'object' && texts.has(canonical(value)));
  },

  minimum: (limit: number) => ifNumber((value) => value >= limit),
  maximum: (limit: number) => ifNumber((value) => value <= limit),

  pattern: (source: string) => {
    const pattern = new RegExp(source, 'u');
    return ifText((value) => pattern.test(value));
  },
  format: (name: string) => ifText(formats[name]?.test ?? no),
  minLength: (limit: number) => ifText((value) => Array.from(value).length >= limit),
  maxLength: (limit: number) => ifText((value) => Array.from(value).length <= limit),

  items: (schema: Schema, _schema, testOf) => {
    const test = testOf(schema);
    return ifList((value) => value.every(test));
  },
  minItems: (limit: number) => ifList((value) => value.length >= limit),
  uniqueItems: (wanted: boolean) => ifList((value) => !wanted || new Set(value.map(canonical)).size === value.length),

  required: (names: readonly string[]) => ifMap((value) => names.every((name) => value[name] !== undefined)),
  minProperties: (limit: number) => ifMap((value) => Object.keys(value).length >= limit),
  propertyNames: (schema: Schema, _schema, testOf) => {
    const test = testOf(schema);
    return ifMap((value) => Object.keys(value).every(test));
  },
  properties: (schemas: Readonly<Record<string, Schema>>, _schema, testOf) => {
    const tests = Object.entries(schemas).map(([name, schema]) => [name, testOf(schema)] as const);
    return ifMap((value) => tests.every(([name, test]) => value[name] === undefined || test(value[name])));
  },
  additionalProperties: (schema: Schema, around, testOf) => {
    const test = testOf(schema);
    const named = new Set(Object.keys((around['properties'] as object | undefined) ?? {}));
    return ifMap((value) => Object.entries(value).every(([name, part]) => named.has(name) || test(part)));
  },
} satisfies Record<string, Keyword>;

function isOf(type: string, value: unknown): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isMap(value);
    case 'integer':
      return Number.isInteger(value);
    case 'number':
      return Number.isFinite(value);
    default:
      return typeof value === type;
  }
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function ifNumber(test: (value: number) => boolean): Test {
  return (value) => typeof value !== 'number' || test(value);
}

function ifText(test: (value: string) => boolean): Test {
  return (value) => typeof value !== 'string' || test(value);
}

function ifList(test: (value: readonly unknown[]) => boolean): Test {
  return (value) => !Array.isArray(value) || test(value);
}

function ifMap(test: (value: Readonly<Record<string, unknown>>) => boolean): Test {
  return (value) => !isMap(value) || test(value);
}
