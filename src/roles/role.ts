import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { nearest, type Place, type Problem } from '../base/problem.ts';
import { readDocument, type Document } from '../document/document.ts';
import { checkSchema, faultsOf, prepareSchema, type Checker } from '../document/check.ts';
import { checks } from '../resources/checks.ts';
import type { ValueSchema } from '../resources/define.ts';
import { resourceTypes } from '../resources/index.ts';
import { paramsSchema, roleSchema } from './role-schema.ts';
import { compile, TemplateError, type Template } from './template.ts';

/** What runs on hosts of some kinds to make them one part of a cloud: pure data, read from a directory. */
export interface Role {
  readonly name: string;
  readonly summary: string;
  /** The kinds of host that carry it. */
  readonly on: readonly string[];
  /** `host`: whoever needs it waits for it on its own host only. `cloud`: for all hosts that carry it. */
  readonly scope: 'host' | 'cloud';
  /** On all hosts of its kinds, or on the first only. */
  readonly hosts: 'all' | 'first';
  readonly needs: readonly string[];
  /** Names that differ between families of operating systems: family → name → value. */
  readonly os: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly params: Readonly<Record<string, ParamSchema>>;
  readonly steps: readonly RoleStep[];
  readonly health: readonly RoleCheck[];
  readonly api?: {
    readonly service: string;
    readonly url: string;
    readonly login?: Readonly<Record<'user' | 'password' | 'project' | 'region', string>>;
  };
  /** Where a part of role.yaml is written. */
  place(path: readonly (string | number)[], at?: 'key' | 'value'): Place;
  /** What a schema says against a value that came of what is written at `path`. */
  faults(checker: Checker, path: readonly (string | number)[], value: unknown): Problem[];
  /** A template of the role by its file name; throws TemplateError. */
  template(name: string): Template;
}

/** A role's param as `explain` shows it; `format: secret` ones are generated when the operator gives none. */
export type ParamSchema = ValueSchema;

/** A step as the role writes it: values may still hold templates. */
export interface RoleStep {
  readonly type: string;
  /** The value of the step's first key. */
  readonly name: unknown;
  readonly params: Readonly<Record<string, unknown>>;
  readonly template?: string;
  readonly once: boolean;
  /** A boolean param's name, or params and the values that they must have. */
  readonly when?: string | Readonly<Record<string, unknown>>;
  readonly watches: readonly string[];
  readonly path: readonly (string | number)[];
  /**
   * Of a step that no role.yaml has: its values are no templates, and it does not stand in line. By index: the steps of the
   * role that it waits for, each with the reason; and the roles, instead of all that its role needs.
   */
  readonly apart?: { readonly after: ReadonlyMap<number, string>; readonly needs: readonly string[] };
}

export interface RoleCheck {
  readonly type: string;
  readonly name: unknown;
  readonly params: Readonly<Record<string, unknown>>;
  /** Seconds. */
  readonly within: number;
  readonly path: readonly (string | number)[];
}

export interface Roles {
  /** Those that could be read, by name. */
  readonly roles: ReadonlyMap<string, Role>;
  readonly problems: readonly Problem[];
}

/** Reads every role below some directories; what is wrong with them comes as problems with places, all at once. */
export function readRoles(...directories: readonly string[]): Roles {
  const roles = new Map<string, Role>();
  const broken = new Set<string>();
  const problems: Problem[] = [];
  for (const directory of directories.flatMap((each) => roleDirectories(each, problems))) {
    const { role, problems: found } = readRole(directory);
    problems.push(...found);
    if (!role) broken.add(basename(directory));
    else if (roles.has(role.name)) problems.push(roleTwice(role, roles.get(role.name)!));
    else roles.set(role.name, role);
  }
  problems.push(...checkNeeds(roles, broken));
  return { roles, problems };
}

function roleDirectories(directory: string, problems: Problem[]): string[] {
  try {
    const names = readdirSync(directory).toSorted();
    return names.map((name) => join(directory, name)).filter((each) => existsSync(join(each, 'role.yaml')));
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'it is not there' : (error as Error).message;
    problems.push({ code: 'file-unreadable', message: `The roles in ${directory} cannot be read: ${reason}` });
    return [];
  }
}

function roleTwice(role: Role, other: Role): Problem {
  return {
    code: 'role-name',
    message: `There are two roles called ${role.name}; the other is ${other.place(['role']).file}`,
    place: role.place(['role']),
    hint: 'Call yours otherwise.',
  };
}

interface RoleDocument {
  readonly role: string;
  readonly summary: string;
  readonly on: readonly string[];
  readonly scope?: 'host' | 'cloud';
  readonly hosts?: 'all' | 'first';
  readonly needs?: readonly string[];
  readonly os?: Role['os'];
  readonly api?: NonNullable<Role['api']>;
  readonly steps: readonly Readonly<Record<string, unknown>>[];
  readonly health?: readonly Readonly<Record<string, unknown>>[];
}

function readRole(directory: string): { role?: Role; problems: readonly Problem[] } {
  const document = readDocument(join(directory, 'role.yaml'));
  const problems = [...document.problems, ...(document.value === undefined ? [] : checkSchema(checker, document))];
  if (problems.length === 0) problems.push(...unknownTypes(document, 'steps', stepTypes), ...unknownTypes(document, 'health', checks));
  const params = readParams(directory);
  problems.push(...params.problems);
  if (problems.length > 0) return { problems };
  const written = document.value as RoleDocument;
  if (written.role !== basename(directory)) {
    problems.push(
      document.problem({
        code: 'role-name',
        path: ['role'],
        message: `The role is called "${written.role}" and its directory "${basename(directory)}"`,
      }),
    );
  }
  const templates = new Map<string, Template>();
  const role: Role = {
    name: written.role,
    summary: written.summary,
    on: written.on,
    scope: written.scope ?? 'cloud',
    hosts: written.hosts ?? 'all',
    needs: written.needs ?? [],
    os: written.os ?? {},
    params: params.schemas,
    steps: written.steps.map((step, i) => readStep(step, i)),
    health: (written.health ?? []).map((check, i) => readCheck(check, i)),
    ...(written.api ? { api: written.api } : {}),
    place: (path, at) => document.place(path, at),
    faults: (checker, path, value) => faultsOf(checker, document, path, value).map((fault) => document.problem(fault)),
    template(name) {
      let template = templates.get(name);
      if (!template) templates.set(name, (template = readTemplate(directory, name)));
      return template;
    },
  };
  return { role, problems };
}

const stepTypes: ReadonlyMap<string, unknown> = new Map(resourceTypes.map(({ type }) => [type, type]));

/** Steps or health checks whose first key is no type. */
function unknownTypes(document: Document, list: 'steps' | 'health', types: ReadonlyMap<string, unknown>): Problem[] {
  const entries = (document.value as RoleDocument)[list] ?? [];
  return entries.flatMap((each, i) => {
    const type = Object.keys(each)[0]!;
    return types.has(type) ? [] : [unknownType(document, [list, i, type], type, types.keys())];
  });
}

function unknownType(document: Document, path: readonly (string | number)[], type: string, types: Iterable<string>): Problem {
  const near = nearest(type, types);
  return document.problem({
    code: 'unknown-step-type',
    path,
    at: 'key',
    message: `There is no ${path[0] === 'steps' ? 'step' : 'check'} type "${type}"; the first key says the type`,
    ...(near === undefined ? {} : { hint: `Did you mean "${near}"?` }),
  });
}

function readParams(directory: string): { schemas: Record<string, ParamSchema>; problems: readonly Problem[] } {
  const file = join(directory, 'params.schema.json');
  if (!existsSync(file)) return { schemas: {}, problems: [] };
  const document: Document = readDocument(file);
  if (document.value === undefined) return { schemas: {}, problems: document.problems };
  const { properties } = document.value as { properties?: Record<string, ParamSchema> };
  return { schemas: properties ?? {}, problems: [...document.problems, ...checkSchema(paramsChecker, document)] };
}

const checker = prepareSchema(roleSchema);
const paramsChecker = prepareSchema(paramsSchema);

function readStep(written: Readonly<Record<string, unknown>>, index: number): RoleStep {
  const [[type, name], ...rest] = Object.entries(written) as [[string, unknown], ...[string, unknown][]];
  const { template, once, when, watches, ...params } = Object.fromEntries(rest);
  return {
    type,
    name,
    params,
    once: once === true,
    watches: (watches ?? []) as string[],
    ...(when === undefined ? {} : { when: when as NonNullable<RoleStep['when']> }),
    ...(template === undefined ? {} : { template: template as string }),
    path: ['steps', index],
  };
}

function readCheck(written: Readonly<Record<string, unknown>>, index: number): RoleCheck {
  const [[type, name], ...rest] = Object.entries(written) as [[string, unknown], ...[string, unknown][]];
  const { within, ...params } = Object.fromEntries(rest);
  return { type, name, params, within: Number.parseInt((within as string | undefined) ?? '60', 10), path: ['health', index] };
}

function readTemplate(directory: string, name: string): Template {
  let source: string;
  try {
    source = readFileSync(join(directory, 'templates', name), 'utf8');
  } catch {
    throw new TemplateError(`there is no template ${join(directory, 'templates', name)}`);
  }
  const file = join(directory, 'templates', name);
  const inFile = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw error instanceof TemplateError ? error.in(file) : error;
    }
  };
  const template = inFile(() => compile(source));
  return (context) => inFile(() => template(context));
}

/** Needs of roles that are not there; one that is there and broken has been told of. */
function checkNeeds(roles: ReadonlyMap<string, Role>, broken: ReadonlySet<string>): Problem[] {
  return [...roles.values()].flatMap((role) =>
    role.needs.flatMap((need, i) => {
      if (roles.has(need) || broken.has(need)) return [];
      const near = nearest(need, roles.keys());
      return [
        {
          code: 'unknown-role',
          message: `The role ${role.name} needs "${need}", and there is no such role`,
          place: role.place(['needs', i]),
          ...(near === undefined ? {} : { hint: `Did you mean "${near}"?` }),
        },
      ];
    }),
  );
}
