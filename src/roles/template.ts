import Handlebars from 'handlebars';
import { cephxKey, uuid5, uuidOf } from '../base/ceph.ts';
import { quote } from '../base/command.ts';
import { mapText, reveal, Secret, text, type Text } from '../base/secret.ts';
import { sshKey, sshPublicKey } from '../base/ssh-key.ts';
import { osloValue } from './quoting.ts';

/** What names in a template stand for: plain data, in which texts may be secret. */
export type Context = { readonly [name: string]: unknown };

/** A template that names something unknown, or does not parse. `line` and `column` are 1-based, in the template. */
export class TemplateError extends Error {
  readonly line: number | undefined;
  readonly column: number | undefined;
  /** The template's file; undefined for a text in role.yaml. */
  readonly file: string | undefined;

  constructor(message: string, line?: number, column?: number, file?: string) {
    super(message);
    this.name = 'TemplateError';
    this.line = line;
    this.column = column;
    this.file = file;
  }

  /** The same with its place, unless it has one. */
  at(line: number, column: number): TemplateError {
    return this.line === undefined ? new TemplateError(this.message, line, column, this.file) : this;
  }

  in(file: string): TemplateError {
    return new TemplateError(this.message, this.line, this.column, file);
  }
}

/** A template, ready to render. Rendering is pure: the same context gives the same text. Throws TemplateError. */
export type Template = (context: Context) => Text;

/**
 * Prepares a template. Handlebars reads it; what it means is said here, because a name that is not known must be an error
 * wherever it stands, a secret must stay one, and making JavaScript of each text took a quarter of a start. HTML escaping is
 * off. Throws TemplateError.
 */
export function compile(source: string): Template {
  const write = programOf(parse(source));
  return (context) => {
    const out: Text[] = [];
    write({ it: context, data: { root: context }, names: {}, outer: undefined }, out);
    return Secret.join(out);
  };
}

/**
 * The value of a text in role.yaml. A text that is one name alone (`{{os.packages}}`), or one name looked up in another
 * (`{{lookup os.versions cloud.release}}`), gives that value itself, be it a list, a number or a secret, and undefined for
 * null; any other text is rendered. Throws TemplateError.
 */
export function evaluate(source: string, context: Context): unknown {
  if (!source.includes('{{')) return source;
  const [, alone, table, entry] = lone.exec(source) ?? [];
  if (alone === undefined && table === undefined) return compiled(source)(context);
  const valueOf = (name: string): unknown => name.split('.').reduce<unknown>(member, context);
  try {
    return alone === undefined ? (member(valueOf(table!), String(valueOf(entry!))) ?? undefined) : valueOf(alone);
  } catch (error) {
    throw error instanceof TemplateError ? error.at(1, 3) : error;
  }
}

const name = String.raw`([A-Za-z_][\w-]*(?:\.[\w-]+)*)`;
const lone = new RegExp(String.raw`^\{\{\s*(?:${name}|lookup\s+${name}\s+${name})\s*\}\}$`);

const cache = new Map<string, Template>();

function compiled(source: string): Template {
  let template = cache.get(source);
  if (!template) cache.set(source, (template = compile(source)));
  return template;
}

/** What names stand for at one place of a template. */
interface Scope {
  /** `this`: its members are known by their names alone. */
  readonly it: unknown;
  /** `@root`, and in `#each` `@key`, `@index`, `@first` and `@last`. */
  readonly data: Context;
  /** Names that blocks have given (`as |host|`). */
  readonly names: Context;
  /** `..` */
  readonly outer: Scope | undefined;
}

type Value = (scope: Scope) => unknown;
type Part = (scope: Scope, out: Text[]) => void;

function programOf(program: hbs.AST.Program | undefined): Part {
  const parts = (program?.body ?? []).map(partOf);
  return (scope, out) => {
    for (const part of parts) part(scope, out);
  };
}

function partOf(node: hbs.AST.Statement): Part {
  switch (node.type) {
    case 'ContentStatement': {
      const { value } = node as hbs.AST.ContentStatement;
      return (_, out) => out.push(value);
    }
    case 'CommentStatement':
      return () => undefined;
    case 'MustacheStatement': {
      const value = at(node, textual(callOf(node as hbs.AST.MustacheStatement)));
      return (scope, out) => out.push(value(scope) as Text);
    }
    case 'BlockStatement':
      return blockOf(node as hbs.AST.BlockStatement);
    default:
      throw failure('templates have no partials and no decorators', node);
  }
}

function textual(value: Value): Value {
  return (scope) => {
    const it = value(scope);
    return it === undefined || it === null ? '' : asText(it);
  };
}

/** Writes a block for each item of a list or group, with one value as `this`, or as it is. */
function blockOf(node: hbs.AST.BlockStatement): Part {
  // The types leave out that each may be missing.
  const { program, inverse } = node as { readonly program?: hbs.AST.Program; readonly inverse?: hbs.AST.Program };
  const [then, otherwise] = [programOf(program), programOf(inverse)];
  const given = program?.blockParams ?? [];
  const name = node.path.original;
  const kind = Object.hasOwn(blocks, name) ? blocks[name]! : undefined;
  if (kind && node.params.length !== 1) throw failure(`#${name} is given one value`, node);
  if (!kind && node.params.length > 0) throw failure(`there is no block "#${name}"`, node);
  const value = kind ? valueOf(node.params[0]!) : callOf(node);
  return (scope, out) => {
    const it = value(scope);
    const inner = (kind ?? section(it))(it, scope);
    if (inner.length === 0) otherwise(scope, out);
    for (const { scope: each, values } of inner) then(given.length > 0 ? named(each, given, values) : each, out);
  };
}

/** A scope that a block is written in, and the values that it has names for. */
interface Inner {
  readonly scope: Scope;
  readonly values: readonly unknown[];
}

type Block = (value: unknown, scope: Scope) => readonly Inner[];

const blocks: Readonly<Record<string, Block>> = {
  if: (value, scope) => (isSomething(value) ? [{ scope, values: [] }] : []),
  unless: (value, scope) => (isSomething(value) ? [] : [{ scope, values: [] }]),
  with: (value, scope) => (isSomething(value) || value === 0 ? [{ scope: into(value, scope, scope.data), values: [value] }] : []),
  each: (value, scope) => {
    const items = Array.isArray(value) ? [...value.entries()] : isGroup(value) ? Object.entries(value) : [];
    return items.map(([key, item]: [string | number, unknown], index) => {
      const data = { ...scope.data, key, index, first: index === 0, last: index === items.length - 1 };
      return { scope: into(item, scope, data), values: [item, key] };
    });
  },
};

/** `{{#name}}…{{/name}}`: what the value is decides. */
function section(value: unknown): Block {
  return (Array.isArray(value) ? blocks['each'] : typeof value === 'boolean' ? blocks['if'] : blocks['with'])!;
}

function isSomething(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function isGroup(value: unknown): value is Context {
  return value !== null && typeof value === 'object' && !Array.isArray(value) && !(value instanceof Secret);
}

function into(it: unknown, outer: Scope, data: Context): Scope {
  return { it, data, names: outer.names, outer };
}

function named(scope: Scope, given: readonly string[], values: readonly unknown[]): Scope {
  return { ...scope, names: { ...scope.names, ...Object.fromEntries(given.map((name, i) => [name, values[i]])) } };
}

/** What a name alone, or a helper with what it is given, comes to. */
function callOf(node: hbs.AST.MustacheStatement | hbs.AST.BlockStatement | hbs.AST.SubExpression): Value {
  const { original: name } = node.path as hbs.AST.PathExpression;
  if (node.params.length === 0 && node.type !== 'SubExpression') return valueOf(node.path);
  if (!Object.hasOwn(helpers, name)) throw failure(`there is no helper "${name}"`, node);
  if (node.hash as hbs.AST.Hash | undefined) throw failure(`"${name}" is given nothing by name`, node);
  const [helper, given] = [helpers[name]!, node.params.map(valueOf)];
  return at(node, (scope) => helper(...given.map((value) => value(scope))));
}

function valueOf(node: hbs.AST.Expression): Value {
  switch (node.type) {
    case 'PathExpression':
      return pathOf(node as hbs.AST.PathExpression);
    case 'SubExpression':
      return callOf(node as hbs.AST.SubExpression);
    default: {
      const { value } = node as hbs.AST.StringLiteral;
      return () => value;
    }
  }
}

function pathOf(path: hbs.AST.PathExpression): Value {
  const { depth, data, parts, original } = path;
  const [first] = parts;
  const own = depth > 0 || data || /^(\.|this\b)/.test(original);
  return at(path, (scope) => {
    let from: Scope | undefined = scope;
    for (let i = 0; i < depth; i++) from = from?.outer;
    if (!from) throw new TemplateError(`nothing is around what "${original}" stands in`);
    const around = data ? from.data : !own && first !== undefined && Object.hasOwn(from.names, first) ? from.names : from.it;
    return parts.reduce(member, around);
  });
}

/** A member by its name. Only what is there itself has a name: not what every object has, and nothing of a text or number. */
function member(parent: unknown, name: string): unknown {
  const known =
    (isGroup(parent) || Array.isArray(parent)) &&
    (Object.prototype.propertyIsEnumerable.call(parent, name) || (Array.isArray(parent) && name === 'length'));
  if (!known) throw new TemplateError(`nothing here is called "${name}"`);
  return (parent as Context)[name];
}

function asText(value: unknown): Text {
  if (value === undefined || value === null) throw new TemplateError('a value that was left out is used as a text');
  if (value instanceof Secret) return value;
  if (typeof value === 'object') throw new TemplateError('a group of names or a list is printed as if it were a text');
  return `${value as number}`;
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TemplateError('what is no list is used as one');
  return value;
}

function joined(parts: readonly Text[], separator: Text): Text {
  return Secret.join(parts.flatMap((part, i) => (i === 0 ? [part] : [separator, part])));
}

const helpers: Readonly<Record<string, (...given: unknown[]) => unknown>> = {
  // A text as part of a URL, e.g. a password in a database URL.
  url: (value: unknown) => mapText(asText(value), encodeURIComponent),
  // A text as one word of a POSIX shell.
  shell: (value: unknown) => mapText(asText(value), quote),
  // A text as a value in a file that oslo.config reads.
  oslo: (value: unknown) => osloValue(asText(value)),
  join: (items: unknown, separator: unknown) => joined(list(items).map(asText), asText(separator)),
  // The same member of each item: {{join (pluck keystone.hosts "address") ","}}.
  pluck: (items: unknown, name: unknown) => list(items).map((item) => member(item, String(name))),
  // What a secret stands for in Ceph: the key of an entity.
  cephx: (value: unknown, ...entity: unknown[]) => cephxKey(asText(value), entity.join('')),
  // The same of the cipher that Ceph knows from 20.2 on.
  cephx256k: (value: unknown, ...entity: unknown[]) => cephxKey(asText(value), entity.join(''), 'aes256k'),
  // An id that is made once, of a secret, and no secret itself; with a name, one of many.
  uuid: (value: unknown, ...name: unknown[]) => {
    const id = uuidOf(asText(value));
    return name.length > 0 ? uuid5(id, name.join('')) : id;
  },
  // What a secret stands for in SSH: a private key, and the public one, which is no secret.
  'ssh-key': (value: unknown) => mapText(asText(value), sshKey),
  'ssh-public': (value: unknown) => sshPublicKey(reveal(asText(value))),
  eq: (a: unknown, b: unknown) => a === b,
  json,
  lookup: (parent: unknown, name: unknown) => member(parent, String(name)),
};

function json(value: unknown): Text {
  if (value instanceof Secret) return text`"${value.map((plain) => JSON.stringify(plain).slice(1, -1))}"`;
  if (Array.isArray(value)) return text`[${joined(value.map(json), ',')}]`;
  if (!isGroup(value)) return asText(JSON.stringify(value));
  const entries = Object.entries(value).filter(([, part]) => part !== undefined);
  const written = entries.map(([name, part]) => text`${JSON.stringify(name)}:${json(part)}`);
  return text`{${joined(written, ',')}}`;
}

/** Failures of a value are told at the place of what it is written as. */
function at({ loc }: hbs.AST.Node, value: Value): Value {
  return (scope) => {
    try {
      return value(scope);
    } catch (error) {
      const known = error instanceof TemplateError ? error : new TemplateError((error as Error).message);
      throw known.at(loc.start.line, loc.start.column + 1);
    }
  };
}

function failure(message: string, { loc }: hbs.AST.Node): TemplateError {
  return new TemplateError(message, loc.start.line, loc.start.column + 1);
}

function parse(source: string): hbs.AST.Program {
  try {
    return Handlebars.parse(source);
  } catch (error) {
    throw understood(error as Error & { lineNumber?: number; column?: number });
  }
}

/** Handlebars tells places in its message ("… - 3:14"), by line alone, or as members of the error. */
function understood({ message, lineNumber, column }: Error & { lineNumber?: number; column?: number }): TemplateError {
  const inText = / - (\d+):(\d+)$/.exec(message);
  const onLine = /^Parse error on line (\d+):/.exec(message);
  const said = message.split('\n', 1)[0]!.replace(/ - \d+:\d+$/, '');
  return new TemplateError(said, lineNumber ?? Number(inText?.[1] ?? onLine?.[1] ?? 1), (column ?? Number(inText?.[2] ?? 0)) + 1);
}
