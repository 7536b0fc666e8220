import { createRequire } from 'node:module';
import type { Ajv2020, AnySchemaObject, ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import type { Problem } from '../base/problem.ts';
import type { Document, Fault, Path } from './document.ts';
import { formats } from './formats.ts';
import { quickTest } from './quick.ts';
import { sentenceOf, typeOf } from './sentence.ts';

/** A JSON Schema (2020-12), ready to check values. */
export interface Checker {
  readonly schema: AnySchemaObject;
  /** What is wrong with a value; nothing is thrown for a value, whatever it is. */
  readonly errorsOf: (value: unknown) => readonly ErrorObject[];
}

/** Loaded when something is wrong, see quick.ts. */
function loadAjv(): Ajv2020 {
  const module = createRequire(import.meta.url)('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  return new module.Ajv2020({
    allErrors: true,
    strict: true,
    // A choice between required keys (anyOf) is written beside the properties that it names.
    strictRequired: false,
    allowUnionTypes: true,
    // Errors carry the schema they come from: sentences are made of its descriptions.
    verbose: true,
    // Optimising the generated code takes longer than it ever saves.
    code: { optimize: false },
    // Schemas are checked by tests, not on every start.
    meta: false,
    validateSchema: false,
    addUsedSchema: false,
    formats: Object.fromEntries(Object.entries(formats).map(([name, { test }]) => [name, test])),
    // Editors show patternErrorMessage too; what hostsOf asks for is checked where the hosts are known.
    keywords: ['patternErrorMessage', 'hostsOf'],
  });
}

let ajv: Ajv2020 | undefined;

/** Prepares a schema; it is compiled when it is first used. */
export function prepareSchema(schema: AnySchemaObject): Checker {
  let isFine: ((value: unknown) => boolean) | undefined;
  let validate: ValidateFunction | undefined;
  return {
    schema,
    errorsOf(value) {
      isFine ??= quickTest(schema);
      if (isFine(value)) return [];
      validate ??= (ajv ??= loadAjv()).compile(schema);
      return validate(value) ? [] : (validate.errors ?? []);
    },
  };
}

/** What is wrong with the value at `path` of a document, each problem with its place. */
export function checkSchema(checker: Checker, document: Document, path: Path = []): Problem[] {
  return faultsOf(checker, document, path).map((fault) => document.problem(fault));
}

/** The same before faults are placed. `value` stands in for what is written at `path`, e.g. with secrets resolved. */
export function faultsOf(checker: Checker, document: Document, path: Path = [], value: unknown = valueAt(document.value, path)): Fault[] {
  const errors = checker.errorsOf(value);
  if (errors.length === 0) return [];
  return collapse(errors, checker.schema).map((error) => {
    const inside = pathOf(error, value);
    return sentenceOf(error, [...path, ...inside], (at) => document.written(at));
  });
}

/** The value at a path, or undefined. */
function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (around, step) => (typeof around === 'object' && around !== null && Object.hasOwn(around, step) ? around[step as never] : undefined),
    value,
  );
}

/** The JSON pointer of an error as a path; list indices become numbers. */
function pathOf(error: ErrorObject, value: unknown): Path {
  const path: (string | number)[] = [];
  for (const step of error.instancePath.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    path.push(Array.isArray(valueAt(value, path)) ? Number(key) : key);
  }
  return path;
}

/**
 * Leaves one error of those that say the same. `anyOf` and `oneOf` come after the errors of all their branches: when the
 * value's type fits just one branch, that branch's errors are the ones that help; else the choice itself is.
 */
function collapse(errors: readonly ErrorObject[], root: AnySchemaObject): ErrorObject[] {
  const kept: ErrorObject[] = [];
  for (const error of errors) {
    if (isNoise(error, kept.at(-1))) continue;
    if (error.keyword !== 'anyOf' && error.keyword !== 'oneOf') {
      kept.push(error.keyword === 'propertyNames' ? { ...error, schema: resolve(error.schema as AnySchemaObject, root) } : error);
      continue;
    }
    const inside: ErrorObject[] = [];
    while (kept.length > 0 && isInside(kept.at(-1)!, error)) inside.unshift(kept.pop()!);
    const branches = (error.schema as AnySchemaObject[]).map((branch) => resolve(branch, root));
    const fitting = branches.filter((branch) => accepts(branch, error.data));
    const others = branches.filter((branch) => branch !== fitting[0]);
    const telling = inside.filter((each) => each.instancePath !== error.instancePath || !others.includes(each.parentSchema!));
    if (fitting.length === 1 && telling.length > 0) kept.push(...telling);
    else kept.push({ ...error, schema: branches });
  }
  return kept;
}

/** Errors that another one says better: those of a name, and that a value of the wrong type is none of those allowed. */
function isNoise({ keyword, propertyName, instancePath, parentSchema }: ErrorObject, last: ErrorObject | undefined): boolean {
  if (keyword === 'if' || (propertyName !== undefined && keyword !== 'propertyNames')) return true;
  const mistyped = last?.keyword === 'type' && last.instancePath === instancePath && last.parentSchema === parentSchema;
  return mistyped && (keyword === 'enum' || keyword === 'const');
}

/** Whether an error comes from a branch of `choice`, and not from a keyword beside it. */
function isInside(error: ErrorObject, choice: ErrorObject): boolean {
  const schema = choice.parentSchema!;
  if (error.instancePath === choice.instancePath) return error.parentSchema !== schema;
  // Schema paths begin anew at each $ref, so errors of `properties` beside `anyOf` cannot be told from those of a branch.
  return error.instancePath.startsWith(`${choice.instancePath}/`) && !('properties' in schema || 'items' in schema);
}

function resolve(schema: AnySchemaObject, root: AnySchemaObject): AnySchemaObject {
  if (typeof schema['$ref'] !== 'string') return schema;
  return valueAt(root, schema['$ref'].split('/').slice(1)) as AnySchemaObject;
}

function accepts(schema: AnySchemaObject, value: unknown): boolean {
  if (Array.isArray(schema['enum'])) return schema['enum'].some((each) => typeOf(each) === typeOf(value));
  const types = [schema['type'] as unknown].flat();
  const type = typeOf(value);
  return types.includes(type) || (type === 'integer' && types.includes('number'));
}
