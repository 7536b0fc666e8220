import Handlebars from 'handlebars';
import { Secret, type Text } from '../base/secret.ts';

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

/** A template, ready to render. Rendering is pure: the same context gives the same text. */
export type Template = (context: Context) => Text;

// Secrets travel through Handlebars as marks of two private-use characters around a number, so that one rendering gives
// both the real text and the one that people may see.
const [open, close] = ['\uE000', '\uE001'];
// What a group of names prints when somebody prints it by mistake.
const group = '\uE002';
const mark = new RegExp(`${open}(\\d+)${close}`, 'g');

const engine = Handlebars.create();
// The secrets of the rendering that is under way: helpers that change a text must reach them. Rendering is synchronous.
let secrets: Secret[] = [];

engine.registerHelper({
  // A text as part of a URL, e.g. a password in a database URL.
  url: (value: unknown) => changed(value, encodeURIComponent),
  join: (list: unknown, separator: unknown) => (Array.isArray(list) ? list.join(String(separator)) : String(list)),
  // The same member of each item: {{join (pluck keystone.hosts "address") ","}}.
  pluck: (list: unknown, name: unknown) => (Array.isArray(list) ? list.map((item: Record<string, unknown>) => item[String(name)]) : []),
  eq: (a: unknown, b: unknown) => a === b,
  json: (value: unknown) => JSON.stringify(value),
});

function changed(value: unknown, change: (text: string) => string): string {
  return String(value)
    .split(mark)
    .map((part, i) => (i % 2 === 0 ? change(part) : keep(secrets[Number(part)]!.map(change))))
    .join('');
}

function keep(secret: Secret): string {
  secrets.push(secret);
  return `${open}${secrets.length - 1}${close}`;
}

/** Compiles a template. Unknown names are errors when it is rendered; HTML escaping is off. Throws TemplateError. */
export function compile(source: string): Template {
  const parsed = parse(source);
  const run = engine.compile(parsed, { strict: true, noEscape: true, knownHelpersOnly: true, knownHelpers });
  return (context) => {
    secrets = [];
    try {
      return unmark(run(marked(context)));
    } catch (error) {
      throw located(understood(error), source);
    } finally {
      secrets = [];
    }
  };
}

const knownHelpers = { url: true, join: true, pluck: true, eq: true, json: true };

/**
 * The value of a text in role.yaml. A text that is one name alone (`{{os.packages}}`) gives that value itself, be it a
 * list, a number or a secret; any other text is rendered.
 */
export function evaluate(source: string, context: Context): unknown {
  const alone = /^\{\{\s*([A-Za-z_][\w-]*(?:\.[\w-]+)*)\s*\}\}$/.exec(source);
  if (alone) return lookUp(alone[1]!, context);
  return source.includes('{{') ? compiled(source)(context) : source;
}

const cache = new Map<string, Template>();

function compiled(source: string): Template {
  let template = cache.get(source);
  if (!template) cache.set(source, (template = compile(source)));
  return template;
}

function lookUp(path: string, context: Context): unknown {
  return path.split('.').reduce<unknown>((value, name) => {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, name))
      throw new TemplateError(`nothing here is called "${path}"`);
    return (value as Context)[name];
  }, context);
}

// Lazily: a context may hold a whole fleet, and a template uses little of it.
function marked(value: unknown): unknown {
  if (value instanceof Secret) return keep(value);
  if (Array.isArray(value)) return value.map(marked);
  return value !== null && typeof value === 'object' ? strict(value as Context) : value;
}

// Handlebars' own strict mode lets unknown names pass as arguments of a helper ({{#if typo}}); this does not.
function strict(names: Context): Context {
  return new Proxy(names, {
    get: (target, name) => {
      if (name === 'valueOf' || name === 'toJSON') return undefined;
      if (name === 'toString') return () => group;
      if (typeof name !== 'string') return undefined;
      if (!Object.hasOwn(target, name)) throw new TemplateError(`nothing here is called "${name}"`);
      return marked(target[name]);
    },
  });
}

function unmark(rendered: string): Text {
  if (rendered.includes(group)) throw new TemplateError('a group of names is printed as if it were a text');
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

/** Adds the place of the unknown name where Handlebars did not tell it. */
function located(error: unknown, source: string): unknown {
  const name = error instanceof TemplateError && error.line === undefined ? /called "(.+)"$/.exec(error.message)?.[1] : undefined;
  if (name === undefined) return error;
  const at = source.indexOf(name, source.indexOf('{{'));
  const before = source.slice(0, Math.max(0, at)).split('\n');
  return new TemplateError((error as TemplateError).message, before.length, before.at(-1)!.length + 1);
}

// Handlebars tells places in its message ("… - 3:14") or as members of the error.
function understood(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof TemplateError) return error;
  const at = error as Error & { lineNumber?: number; column?: number };
  const inText = / - (\d+):(\d+)$/.exec(error.message);
  const onLine = /^Parse error on line (\d+):/.exec(error.message);
  const line = at.lineNumber ?? Number(inText?.[1] ?? onLine?.[1] ?? Number.NaN);
  const column = (at.column ?? Number(inText?.[2] ?? Number.NaN)) + 1;
  const unknown = /^"(.+)" not defined in/.exec(error.message);
  const said = unknown ? `nothing here is called "${unknown[1]!}"` : error.message.split('\n', 1)[0]!.replace(/ - \d+:\d+$/, '');
  return new TemplateError(said, Number.isNaN(line) ? undefined : line, Number.isNaN(column) ? undefined : column);
}
