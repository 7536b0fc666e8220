import Handlebars from 'handlebars';
import { randomBytes } from 'node:crypto';
import { cephxKey, uuid5, uuidOf, type CephCipher } from '../base/ceph.ts';
import { quote } from '../base/command.ts';
import { sshKey, sshPublicKey } from '../base/ssh-key.ts';
import { reveal, Secret, type Text } from '../base/secret.ts';

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

  in(file: string): TemplateError {
    return new TemplateError(this.message, this.line, this.column, file);
  }
}

/** A template, ready to render. Rendering is pure: the same context gives the same text. Throws TemplateError. */
export type Template = (context: Context) => Text;

/** Thrown by a look-up; it becomes a TemplateError when its place is known. */
class UnknownName extends Error {
  readonly unknown: string;

  constructor(name: string) {
    super(`nothing here is called "${name}"`);
    this.unknown = name;
  }
}

// Secrets travel through Handlebars as marks, so that one rendering gives both the real text and the one that people may
// see. Marks are random in each process: no text of an inventory can look like one.
const nonce = randomBytes(8).toString('hex');
const mark = new RegExp(`\\uE000${nonce}:(\\d+)\\uE001`, 'g');
// What a group of names or a list prints when somebody prints it by mistake.
const group = `\uE000${nonce}:group\uE001`;

// The secrets of the rendering that is under way: helpers that change a text must reach them. Rendering is synchronous.
let secrets: Secret[] = [];

function keep(secret: Secret): string {
  secrets.push(secret);
  return `\uE000${nonce}:${secrets.length - 1}\uE001`;
}

/** What a template sees of a value: a mark for a secret, a copy of a group or list that cannot be printed by mistake. */
function seen(value: unknown): unknown {
  if (value instanceof Secret) return keep(value);
  if (value === null || typeof value !== 'object') return value;
  // A list is walked item by item; a group is looked into name by name, but for its secrets, which #each would print.
  const copy: object = Array.isArray(value)
    ? value.map(seen)
    : Object.fromEntries(Object.entries(value).map(([name, part]) => [name, part instanceof Secret ? keep(part) : part]));
  return Object.defineProperty(copy, 'toString', { value: () => group });
}

/** A member by its name. Only what is there itself has a name: not what every object has, and nothing of a text or number. */
function member(parent: unknown, name: string): unknown {
  const known =
    parent !== null &&
    typeof parent === 'object' &&
    (Object.prototype.propertyIsEnumerable.call(parent, name) || (Array.isArray(parent) && name === 'length'));
  if (!known) throw new UnknownName(name);
  return (parent as Context)[name];
}

/** Changes a text and, where it holds marks, the secrets that these stand for. */
function changed(value: unknown, change: (text: string) => string): string {
  if (value === undefined || value === null) throw new TemplateError('a value that was left out is used as a text');
  return (typeof value === 'object' ? group : String(value as number))
    .split(mark)
    .map((part, i) => (i % 2 === 0 ? (part.includes(group) ? part : change(part)) : keep(secrets[Number(part)]!.map(change))))
    .join('');
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TemplateError('what is no list is used as one');
  return value;
}

const each = Handlebars.helpers['each'] as (this: unknown, value: unknown, options: unknown) => unknown;

function cephxOf(value: unknown, entity: readonly unknown[], cipher: CephCipher): string {
  const key = (secret: string): string => reveal(cephxKey(secret, entity.join(''), cipher));
  return String(value).replace(mark, (_, i: string) => keep(secrets[Number(i)]!.map(key)));
}

const helpers = {
  // A text as part of a URL, e.g. a password in a database URL.
  url: (value: unknown) => changed(value, encodeURIComponent),
  // A text as one word of a POSIX shell.
  shell: (value: unknown) => changed(value, (part) => (part === '' ? '' : quote(part))) || quote(''),
  join: (items: unknown, separator: unknown) => list(items).map(seen).join(String(separator)),
  // The same member of each item: {{join (pluck keystone.hosts "address") ","}}.
  pluck: (items: unknown, name: unknown) => list(items).map((item) => seen(member(item, String(name)))),
  // What a secret stands for in Ceph: the key of an entity.
  cephx: (value: unknown, ...entity: unknown[]) => cephxOf(value, entity.slice(0, -1), 'aes'),
  // The same of the cipher that Ceph knows from 20.2 on.
  cephx256k: (value: unknown, ...entity: unknown[]) => cephxOf(value, entity.slice(0, -1), 'aes256k'),
  // An id that is made once, of a secret, and no secret itself; with a name, one of many.
  uuid: (value: unknown, ...name: unknown[]) =>
    String(value).replace(mark, (_, i: string) => {
      const id = uuidOf(secrets[Number(i)]!);
      return name.length > 1 ? uuid5(id, name.slice(0, -1).join('')) : id;
    }),
  // What a secret stands for in SSH: a private key, and the public one, which is no secret.
  'ssh-key': (value: unknown) => String(value).replace(mark, (_, i: string) => keep(secrets[Number(i)]!.map(sshKey))),
  'ssh-public': (value: unknown) => String(value).replace(mark, (_, i: string) => sshPublicKey(reveal(secrets[Number(i)]!))),
  eq: (a: unknown, b: unknown) => a === b,
  json: (value: unknown) =>
    changed(JSON.stringify(deep(value)), (part) => part).replace(mark, (_, i: string) => keep(secrets[Number(i)]!.map(inJson))),
  lookup: (parent: unknown, name: unknown) => seen(member(parent, String(name))),
  // The items of a group, as those of a list are: Handlebars gives them out as they stand, and a secret would print its name.
  each(this: unknown, value: unknown, options: unknown): unknown {
    return each.call(
      this,
      isGroup(value) ? Object.fromEntries(Object.entries(value).map(([name, part]) => [name, seen(part)])) : value,
      options,
    );
  },
  // Not for authors: every name in a template is looked up by this, see StrictCompiler.
  cellwiseMember: (parent: unknown, name: string) => seen(member(parent, name)),
};

function isGroup(value: unknown): value is Context {
  return value !== null && typeof value === 'object' && !Array.isArray(value) && !(value instanceof Secret);
}

/** A value with marks for all the secrets in it, as plain data. */
function deep(value: unknown): unknown {
  if (value instanceof Secret) return keep(value);
  if (Array.isArray(value)) return value.map(deep);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, deep(part)]));
}

function inJson(value: string): string {
  return JSON.stringify(value).slice(1, -1);
}

const engine = Handlebars.create();
engine.unregisterHelper('log');
engine.registerHelper(helpers);

// Handlebars' own strict mode lets unknown names pass as arguments of a helper ({{#if typo}}). This one lets none pass.
interface Compiler {
  nameLookup(parent: unknown, name: string, type: string): unknown;
}
function StrictCompiler(this: unknown): void {
  // All is on the prototype.
}
const base = (Handlebars as unknown as { JavaScriptCompiler: { new (): Compiler; readonly prototype: Compiler } }).JavaScriptCompiler;
StrictCompiler.prototype = Object.assign(new base(), {
  compiler: StrictCompiler,
  nameLookup(this: Compiler, parent: unknown, name: string, type: string): unknown {
    if (type !== 'context' && type !== 'data') return base.prototype.nameLookup.call(this, parent, name, type);
    return ['helpers.cellwiseMember(', parent, ',', JSON.stringify(name), ',{})'];
  },
});
(engine as unknown as { JavaScriptCompiler: unknown }).JavaScriptCompiler = StrictCompiler;

const options = {
  noEscape: true,
  assumeObjects: true,
  knownHelpersOnly: true,
  knownHelpers: { ...Object.fromEntries(Object.keys(helpers).map((name) => [name, true])), log: false },
};

/** Compiles a template. HTML escaping is off. Throws TemplateError. */
export function compile(source: string): Template {
  const program = parse(source);
  const run = engine.compile(program, options);
  return (context) => {
    secrets = [];
    try {
      return unmark(run(seen(context)));
    } catch (error) {
      throw placed(error, program);
    } finally {
      secrets = [];
    }
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
    throw error instanceof UnknownName ? new TemplateError(error.message, 1, 3) : error;
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

function unmark(rendered: string): Text {
  if (rendered.includes(group) || rendered.includes(encodeURIComponent(group)))
    throw new TemplateError('a group of names or a list is printed as if it were a text');
  const parts = rendered.split(mark);
  return parts.length === 1 ? rendered : Secret.join(parts.map((part, i) => (i % 2 === 0 ? part : secrets[Number(part)]!)));
}

function parse(source: string): hbs.AST.Program {
  try {
    return engine.parse(source);
  } catch (error) {
    throw understood(error);
  }
}

/** A failure while rendering, at the place of the name that it is about, or of the first name that there is. */
function placed(error: unknown, program: hbs.AST.Program): TemplateError {
  const names = pathsOf(program);
  if (error instanceof UnknownName) {
    const at = names.find((path) => path.parts.includes(error.unknown)) ?? names[0];
    return new TemplateError(error.message, at?.loc.start.line ?? 1, (at?.loc.start.column ?? 0) + 1);
  }
  const { message, line, column } = understood(error);
  return new TemplateError(message, line ?? names[0]?.loc.start.line ?? 1, column ?? (names[0]?.loc.start.column ?? 0) + 1);
}

/** Every name in a template, in the order of the text. */
function pathsOf(program: hbs.AST.Program): hbs.AST.PathExpression[] {
  const found: hbs.AST.PathExpression[] = [];
  class Names extends Handlebars.Visitor {
    override PathExpression(path: hbs.AST.PathExpression): void {
      found.push(path);
    }
  }
  new Names().accept(program);
  return found;
}

// Handlebars tells places in its message ("… - 3:14") or as members of the error.
function understood(error: unknown): TemplateError {
  if (error instanceof TemplateError) return error;
  const { message, ...at } = error as Error & { lineNumber?: number; column?: number };
  const inText = / - (\d+):(\d+)$/.exec(message);
  const onLine = /^Parse error on line (\d+):/.exec(message);
  const line = at.lineNumber ?? Number(inText?.[1] ?? onLine?.[1] ?? Number.NaN);
  const column = (at.column ?? Number(inText?.[2] ?? Number.NaN)) + 1;
  const said = message.split('\n', 1)[0]!.replace(/ - \d+:\d+$/, '');
  return new TemplateError(said, Number.isNaN(line) ? undefined : line, Number.isNaN(column) ? undefined : column);
}
