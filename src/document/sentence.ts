import type { AnySchemaObject, ErrorObject } from 'ajv/dist/2020.js';
import { nearest } from '../base/problem.ts';
import type { Fault, Path } from './document.ts';
import { formats } from './formats.ts';

type Reader = (error: ErrorObject, path: Path, written: (path: Path) => string) => Fault;

/** The plain sentence for an error of the schema checker. */
export function sentenceOf(error: ErrorObject, path: Path, written: (path: Path) => string): Fault {
  return (readers[error.keyword] ?? byDefault)(error, path, written);
}

/** JSON Schema's name for the type of a value. */
export function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

/** A path as people write it: hosts.ctl1.disks[0]. */
function nameOf(path: Path): string {
  if (path.length === 0) return 'The file';
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');
}

/** What to write for text that means something else in other versions of YAML. */
const truths: Record<string, string> = { yes: 'true', on: 'true', no: 'false', off: 'false' };

const typeNames: Record<string, string> = {
  object: 'a mapping',
  array: 'a list',
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  null: 'nothing',
};

const readers: Record<string, Reader> = {
  additionalProperties: unknownKey,
  unevaluatedProperties: unknownKey,
  required: (error, path) => missingKey(error, path, String(error.params['missingProperty'])),
  dependentRequired: (error, path) => missingKey(error, path, String(error.params['missingProperty'])),
  type: wrongType,
  anyOf: wrongChoice,
  oneOf: wrongChoice,
  enum: (error, path) => notOneOf(error, path, error.params['allowedValues'] as unknown[]),
  const: (error, path) => notOneOf(error, path, [error.params['allowedValue']]),
  propertyNames: badName,
  pattern: (error, path) => badValue(error, path, messageOf(error.parentSchema)),
  format: (error, path) => {
    const format = formats[String(error.params['format'])];
    return badValue(error, path, format?.expected ?? error.message ?? '', format?.hint?.(String(error.data)));
  },
  minimum: (error, path) => badValue(error, path, `at least ${String(error.params['limit'])}`),
  maximum: (error, path) => badValue(error, path, `at most ${String(error.params['limit'])}`),
  minLength: (error, path) => badValue(error, path, `at least ${count(error, 'character')} long`),
  maxLength: (error, path) => badValue(error, path, `at most ${count(error, 'character')} long`),
  minItems: (error, path) => wrongCount(path, `at least ${count(error, 'entr', 'y', 'ies')}`),
  maxItems: (error, path) => wrongCount(path, `at most ${count(error, 'entr', 'y', 'ies')}`),
  minProperties: (error, path) => wrongCount(path, `at least ${count(error, 'entr', 'y', 'ies')}`),
  maxProperties: (error, path) => wrongCount(path, `at most ${count(error, 'entr', 'y', 'ies')}`),
  uniqueItems: (error, path) => ({
    code: 'bad-value',
    path: [...path, Math.max(Number(error.params['i']), Number(error.params['j']))],
    message: `${nameOf(path)} has the same entry twice`,
  }),
};

function unknownKey(error: ErrorObject, path: Path): Fault {
  const key = String(error.params['additionalProperty'] ?? error.params['unevaluatedProperty']);
  const known = Object.keys((error.parentSchema?.['properties'] as object | undefined) ?? {});
  const near = nearest(key, known);
  return {
    code: 'unknown-key',
    path: [...path, key],
    at: 'key',
    message: path.length === 0 ? `There is no key "${key}" at the top` : `${nameOf(path)} has no key "${key}"`,
    ...(known.length > 0 && { hint: near ? `Did you mean "${near}"?` : `Known keys: ${known.join(', ')}` }),
  };
}

function missingKey(error: ErrorObject, path: Path, key: string): Fault {
  const properties = error.parentSchema?.['properties'] as Record<string, AnySchemaObject | undefined> | undefined;
  const description: unknown = properties?.[key]?.['description'];
  return {
    code: 'missing-key',
    path,
    at: 'key',
    message: `${nameOf(path)} needs the key "${key}"`,
    ...(typeof description === 'string' && { hint: `${key}: ${description}` }),
  };
}

function wrongType(error: ErrorObject, path: Path, written: (path: Path) => string): Fault {
  const types = [error.params['type'] as string | string[]].flat();
  if (isClearSecret(error.parentSchema, error.data)) return clearSecret(path);
  return mistyped(error.data, path, types.map((type) => typeNames[type] ?? type).join(' or '), types, written);
}

function wrongChoice(error: ErrorObject, path: Path, written: (path: Path) => string): Fault {
  const branches = (error.schema as AnySchemaObject[]).toSorted((a) => (a['enum'] ? -1 : 1));
  if (branches.some((branch) => isClearSecret(branch, error.data))) return clearSecret(path);
  if (branches.every((branch) => Array.isArray(branch['required']) && branch['type'] === undefined)) {
    const keys = list(branches.map((branch) => (branch['required'] as string[]).join(' with ')));
    return {
      code: 'missing-key',
      path,
      at: 'key',
      message: `${nameOf(path)} needs ${error.keyword === 'oneOf' ? 'just one of' : 'one of'}: ${keys}`,
    };
  }
  const types = branches.flatMap((branch) => (branch['type'] as string | undefined) ?? []);
  if (types.includes(typeOf(error.data))) {
    return { code: 'bad-value', path, message: `${nameOf(path)} must be ${branches.map(expectedBy).join(' or ')}` };
  }
  return mistyped(error.data, path, branches.map(expectedBy).join(' or '), types, written);
}

function mistyped(value: unknown, path: Path, expected: string, types: readonly string[], written: (path: Path) => string): Fault {
  const type = typeOf(value);
  const scalar = type === 'integer' || type === 'number' || type === 'boolean';
  const found = scalar && !isSecretName(path) ? written(path) : typeNames[type]!;
  const hint = mistypedHint(value, types, written(path));
  return { code: 'wrong-type', path, message: `${nameOf(path)} must be ${expected}, not ${found}`, ...(hint && { hint }) };
}

function mistypedHint(value: unknown, types: readonly string[], written: string): string | undefined {
  if (value === null) return 'Nothing follows the key: write a value, or remove the key';
  if (typeof value === 'number' || typeof value === 'boolean') return types.includes('string') ? 'Write it in quotes' : undefined;
  if (typeof value !== 'string') return undefined;
  if (types.includes('boolean') && Object.hasOwn(truths, written)) return `Write ${truths[written]!}`;
  if (types.some((type) => type === 'integer' || type === 'number') && /^\d+$/.test(value)) return 'Remove the quotes';
  return types.includes('array') ? `Write a list: [${written}]` : undefined;
}

/** Text where the schema asks for {secret: NAME}. */
function isClearSecret(schema: AnySchemaObject | undefined, value: unknown): boolean {
  const properties = schema?.['properties'] as object | undefined;
  return properties !== undefined && Object.keys(properties).join() === 'secret' && ['string', 'integer', 'number'].includes(typeOf(value));
}

/** Points at the key, for the value must not be shown. */
function clearSecret(path: Path): Fault {
  return {
    code: 'secret-in-clear',
    path,
    at: 'key',
    message: `${nameOf(path)} is a secret in clear text`,
    hint: 'Write {secret: NAME} and store the value by `cellwise secrets`',
  };
}

function expectedBy(schema: AnySchemaObject): string {
  if (Array.isArray(schema['enum'])) return list(schema['enum']);
  if (typeof schema['patternErrorMessage'] === 'string') return schema['patternErrorMessage'];
  const keys = Object.keys((schema['properties'] as object | undefined) ?? {});
  if (keys.length > 0 && keys.length < 4) return `{${keys.map((key) => `${key}: …`).join(', ')}}`;
  return formats[String(schema['format'])]?.expected ?? typeNames[String(schema['type'])] ?? 'another value';
}

function notOneOf(error: ErrorObject, path: Path, allowed: readonly unknown[]): Fault {
  const near = nearest(String(error.data), allowed.map(String));
  return badValue(error, path, list(allowed), near === undefined ? undefined : `Did you mean "${near}"?`);
}

function badName(error: ErrorObject, path: Path): Fault {
  const name = String(error.params['propertyName']);
  const schema = error.schema as AnySchemaObject;
  const allowed = schema['enum'] as string[] | undefined;
  const near = allowed && nearest(name, allowed);
  return {
    code: allowed ? 'unknown-key' : 'bad-name',
    path: [...path, name],
    at: 'key',
    message: `${JSON.stringify(name)} cannot be a key of ${nameOf(path)}: it must be ${allowed ? list(allowed) : messageOf(schema)}`,
    ...(near && { hint: `Did you mean "${near}"?` }),
  };
}

function badValue(error: ErrorObject, path: Path, expected: string, hint?: string): Fault {
  const shown = isSecret(error, path) ? 'not allowed' : show(error.data);
  return { code: 'bad-value', path, message: `${nameOf(path)} is ${shown}; it must be ${expected}`, ...(hint && { hint }) };
}

/** Values that are not repeated in messages. */
function isSecret(error: ErrorObject, path: Path): boolean {
  return error.parentSchema?.['format'] === 'secret' || isSecretName(path);
}

function isSecretName(path: Path): boolean {
  return /password|secret|passphrase/i.test(String(path.at(-1)));
}

function wrongCount(path: Path, expected: string): Fault {
  return { code: 'bad-value', path, message: `${nameOf(path)} must have ${expected}` };
}

const byDefault: Reader = (error, path) => ({
  code: 'bad-value',
  path,
  message: `${nameOf(path)} ${error.message ?? 'is not allowed'}`,
});

function messageOf(schema: AnySchemaObject | undefined): string {
  const message: unknown = schema?.['patternErrorMessage'];
  return typeof message === 'string' ? message : `text that matches ${String(schema?.['pattern'])}`;
}

function count(error: ErrorObject, noun: string, one = '', many = 's'): string {
  const limit = Number(error.params['limit']);
  return `${limit} ${noun}${limit === 1 ? one : many}`;
}

function list(values: readonly unknown[]): string {
  const words = values.map(String);
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} or ${words.at(-1)!}`;
}

function show(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
