import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { nearest, type Place, type Problem } from '../base/problem.ts';
import { readDocument, type Document } from '../document/document.ts';
import { checkSchema, faultsOf, prepareSchema, type Checker } from '../document/check.ts';
import { checks } from '../resources/checks.ts';
import type { ValueSchema } from '../resources/define.ts';
import { resourceTypes } from '../resources/index.ts';
import { trials } from '../trials/index.ts';
import { paramsSchema, roleSchema, sections, type CheckSection, type StepSection, type Visitor } from './role-schema.ts';
import { strayDocuments, strayTemplates, templateFile } from './stray.ts';
import { compile, TemplateError, type Template } from './template.ts';

/** What runs on hosts of some kinds to make them one part of a cloud: pure data, read from a directory. */
export interface Role {
  readonly name: string;
  readonly summary: string;
  /** The kinds of host that carry it. */
  readonly on: readonly string[];
  /** `host`: whoever needs it waits for it on its own host only. `cloud`: for all hosts that carry it. */
  readonly scope: 'host' | 'cloud';
  /** Once for the cloud, and once for each cell that has hosts of its own; left out: once for all. */
  readonly per?: 'cell';
  /** On all hosts of its kinds, the first only, an odd number of them, those that are to leave, or those that carry another role. */
  readonly hosts: 'all' | 'first' | 'quorum' | 'leaving' | { readonly with: string };
  /** Only in clouds with this storage back end. */
  readonly storage?: 'ceph' | 'file' | 'swift';
  /** Only where the inventory asks for it. */
  readonly optional?: true;
  /** The role that it comes along with. */
  readonly partOf?: string;
  readonly needs: readonly string[];
  /** Roles that it comes behind, however they end. */
  readonly after: readonly string[];
  /** Roles that templates can read besides those in `needs`. */
  readonly reads: readonly string[];
  /** Names that differ between families of operating systems: family → name → value. */
  readonly os: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly params: Readonly<Record<string, ParamSchema>>;
  /** What it opens on its hosts. */
  readonly listens: readonly RoleListener[];
  readonly steps: readonly RoleStep[];
  readonly health: readonly RoleCheck[];
  /** What `verify` tries as a user. */
  readonly verify: readonly RoleCheck[];
  readonly upgrade: RoleUpgrade;
  /** Asked before a service that runs is restarted, one host after the other. */
  readonly gate: readonly RoleCheck[];
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

/** What a role does around an upgrade; a section that it does not have is empty. */
export type RoleUpgrade = Readonly<Record<StepSection, readonly RoleStep[]>> & {
  readonly checks: Readonly<Record<CheckSection, readonly RoleCheck[]>>;
};

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
  /** The name of a param that must be true or, if it is no boolean, be given; or params and the values that they must have. */
  readonly when?: string | Readonly<Record<string, unknown>>;
  /** Done for each cell that has hosts of its own; left out: once. */
  readonly per?: 'cell';
  readonly watches: readonly string[];
  /** Left out: always. */
  readonly during?: 'deploy' | 'upgrade';
  readonly irreversible: boolean;
  /** Ways of draining a host under which it is done; left out: all. */
  readonly policy?: readonly string[];
  readonly path: readonly (string | number)[];
  /**
   * Of a step that no role.yaml has: its values are no templates, and it does not stand in line. By index: the steps of the
   * role that it waits for, each with the reason; and the roles, instead of all that its role needs.
   */
  readonly apart?: { readonly after: ReadonlyMap<number, string>; readonly needs: readonly string[] };
}

/** A port, or several, that a role opens. */
export interface RoleListener {
  /** A port, a range, or a template of a param. */
  readonly port: number | string;
  readonly protocol: 'tcp' | 'udp';
  /** The network of the inventory that it is reached by. */
  readonly network: string;
  readonly from: readonly Visitor[];
  readonly purpose: string;
  readonly encrypted?: 'tls' | 'ssh';
  readonly once: boolean;
  readonly when?: RoleStep['when'];
  readonly path: RoleStep['path'];
}

export interface RoleCheck {
  readonly type: string;
  readonly name: unknown;
  readonly params: Readonly<Record<string, unknown>>;
  /** Seconds. */
  readonly within: number;
  /** Of a trial: tried in an upgrade, too. */
  readonly canary: boolean;
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
  readonly per?: 'cell';
  readonly hosts?: Role['hosts'];
  readonly storage?: Role['storage'];
  readonly optional?: boolean;
  readonly part_of?: string;
  readonly needs?: readonly string[];
  readonly after?: readonly string[];
  readonly reads?: readonly string[];
  readonly os?: Role['os'];
  readonly api?: NonNullable<Role['api']>;
  readonly listens?: readonly Partial<RoleListener>[];
  readonly steps: readonly Readonly<Record<string, unknown>>[];
  readonly health?: readonly Readonly<Record<string, unknown>>[];
  readonly verify?: readonly Readonly<Record<string, unknown>>[];
  readonly upgrade?: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;
  readonly gate?: readonly Readonly<Record<string, unknown>>[];
}

function readRole(directory: string): { role?: Role; problems: readonly Problem[] } {
  const strays = strayDocuments(directory);
  if (strays.length > 0) return { problems: strays };
  const document = readDocument(join(directory, 'role.yaml'));
  const problems = [...document.problems, ...(document.value === undefined ? [] : checkSchema(checker, document))];
  if (problems.length === 0) problems.push(...typeProblems(document));
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
  if (reserved.has(written.role)) {
    problems.push(
      document.problem({
        code: 'role-name',
        path: ['role'],
        message: `"${written.role}" means something else in plans and templates`,
        hint: `Rename the role and its directory. Reserved are ${[...reserved].join(', ')}`,
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
    after: written.after ?? [],
    reads: written.reads ?? [],
    os: written.os ?? {},
    params: params.schemas,
    listens: (written.listens ?? []).map(readListener),
    steps: written.steps.map((step, i) => readStep(step, ['steps', i])),
    health: (written.health ?? []).map((check, i) => readCheck(check, ['health', i])),
    verify: (written.verify ?? []).map((trial, i) => readCheck(trial, ['verify', i])),
    gate: (written.gate ?? []).map((check, i) => readCheck(check, ['gate', i])),
    upgrade: readUpgrade(written.upgrade ?? {}),
    ...(written.per ? { per: written.per } : {}),
    ...(written.storage ? { storage: written.storage } : {}),
    ...(written.optional ? { optional: true } : {}),
    ...(written.part_of === undefined ? {} : { partOf: written.part_of }),
    ...(written.api ? { api: written.api } : {}),
    place: (path, at) => document.place(path, at),
    faults: (checker, path, value) => faultsOf(checker, document, path, value).map((fault) => document.problem(fault)),
    template(name) {
      let template = templates.get(name);
      if (!template) templates.set(name, (template = readTemplate(directory, name)));
      return template;
    },
  };
  const steps = [...role.steps, ...(Object.keys(sections.steps) as StepSection[]).flatMap((section) => role.upgrade[section])];
  problems.push(...strayTemplates(directory, document, steps));
  return { role, problems };
}

/** What a plan calls the parts of it that belong to no role, and what templates know besides roles. */
const reserved: ReadonlySet<string> = new Set(['cell', 'cloud', 'host', 'hosts', 'leaving', 'networks', 'os', 'packages', 'resources']);

const stepTypes: ReadonlyMap<string, unknown> = new Map(resourceTypes.map(({ type }) => [type, type]));

type Entries = readonly Readonly<Record<string, unknown>>[];
/** What stands in a list of role.yaml. */
type Word = 'step' | 'check' | 'trial';

/** Steps and checks whose first key is no type, and what has no place around an upgrade. */
function typeProblems(document: Document): Problem[] {
  const { steps, health = [], verify = [], gate = [], upgrade = {} } = document.value as RoleDocument;
  return [
    ...unknownTypes(document, ['steps'], steps, 'step'),
    ...steps.flatMap((step, i) => ('policy' in step ? [misplaced(document, ['steps', i, 'policy'])] : [])),
    ...unknownTypes(document, ['health'], health, 'check'),
    ...unknownTypes(document, ['verify'], verify, 'trial'),
    ...unknownTypes(document, ['gate'], gate, 'check'),
    ...Object.entries(upgrade).flatMap(([section, entries]) => [
      ...unknownTypes(document, ['upgrade', section], entries, section in sections.checks ? 'check' : 'step'),
      ...outOfPlace(document, section, entries),
    ]),
  ];
}

function unknownTypes(document: Document, path: readonly (string | number)[], entries: Entries, what: Word): Problem[] {
  const types = { step: stepTypes, check: checks, trial: trials }[what];
  return entries.flatMap((each, i) => {
    const type = Object.keys(each)[0]!;
    return types.has(type) ? [] : [unknownType(document, [...path, i, type], type, what, types.keys())];
  });
}

/** Packages belong to the host as a whole; who does a section, and when, is fixed. */
function outOfPlace(document: Document, section: string, entries: Entries): Problem[] {
  return entries.flatMap((each, i) => {
    const type = Object.keys(each)[0]!;
    const phase = resourceTypes.find((resource) => resource.type === type && resource.via === 'shell' && resource.phase !== undefined);
    const key = phase ? type : ['once', 'during', 'watches', ...(section === 'drain' ? [] : ['policy'])].find((word) => word in each);
    return key === undefined ? [] : [misplaced(document, ['upgrade', section, i, key])];
  });
}

function misplaced(document: Document, path: readonly (string | number)[]): Problem {
  const list = path.filter((part, i) => i < path.length - 1 && typeof part === 'string').join('.');
  return document.problem({ code: 'upgrade-section', path, at: 'key', message: `"${path.at(-1)!}" has no place in ${list}` });
}

function readUpgrade(written: Readonly<Record<string, Entries>>): RoleUpgrade {
  const read = <S extends string, T>(names: Readonly<Record<S, string>>, one: (entry: Entries[number], path: RoleStep['path']) => T) =>
    Object.fromEntries(
      Object.keys(names).map((name) => [name, (written[name] ?? []).map((entry, i) => one(entry, ['upgrade', name, i]))]),
    ) as Record<S, T[]>;
  return { ...read(sections.steps, readStep), checks: read(sections.checks, readCheck) };
}

function unknownType(document: Document, path: readonly (string | number)[], type: string, what: Word, types: Iterable<string>): Problem {
  const near = nearest(type, types);
  return document.problem({
    code: 'unknown-step-type',
    path,
    at: 'key',
    message: `There is no ${what} type "${type}"; the first key says the type`,
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

function readStep(written: Readonly<Record<string, unknown>>, path: RoleStep['path']): RoleStep {
  const [[type, name], ...rest] = Object.entries(written) as [[string, unknown], ...[string, unknown][]];
  const { template, once, per, when, watches, during, irreversible, policy, ...params } = Object.fromEntries(rest);
  return {
    type,
    name,
    params,
    once: once === true,
    watches: (watches ?? []) as string[],
    irreversible: irreversible === true,
    ...(per === undefined ? {} : { per: per as NonNullable<RoleStep['per']> }),
    ...(during === undefined ? {} : { during: during as NonNullable<RoleStep['during']> }),
    ...(policy === undefined ? {} : { policy: policy as string[] }),
    ...(when === undefined ? {} : { when: when as NonNullable<RoleStep['when']> }),
    ...(template === undefined ? {} : { template: template as string }),
    path,
  };
}

function readListener(written: Partial<RoleListener>, i: number): RoleListener {
  const { port, from, purpose } = written as RoleListener;
  return { protocol: 'tcp', network: 'management', once: false, ...written, port, from, purpose, path: ['listens', i] };
}

function readCheck(written: Readonly<Record<string, unknown>>, path: RoleCheck['path']): RoleCheck {
  const [[type, name], ...rest] = Object.entries(written) as [[string, unknown], ...[string, unknown][]];
  const { within, canary, ...params } = Object.fromEntries(rest);
  return { type, name, params, within: Number.parseInt((within as string | undefined) ?? '60', 10), canary: canary === true, path };
}

function readTemplate(directory: string, name: string): Template {
  const file = templateFile(directory, name);
  let source: string;
  try {
    source = readFileSync(file, 'utf8');
  } catch {
    throw new TemplateError(`there is no template ${file}`);
  }
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

/** Other roles that a role names and that are not there; one that is there and broken has been told of. */
function checkNeeds(roles: ReadonlyMap<string, Role>, broken: ReadonlySet<string>): Problem[] {
  return [...roles.values()].flatMap((role) => {
    const named = [
      ...role.needs.map((name, i) => ({ name, verb: 'needs', path: ['needs', i] })),
      ...role.after.map((name, i) => ({ name, verb: 'comes after', path: ['after', i] })),
      ...role.reads.map((name, i) => ({ name, verb: 'reads', path: ['reads', i] })),
      ...(role.partOf === undefined ? [] : [{ name: role.partOf, verb: 'is part of', path: ['part_of'] }]),
      ...(typeof role.hosts === 'object' ? [{ name: role.hosts.with, verb: 'runs with', path: ['hosts', 'with'] }] : []),
    ];
    return named.flatMap(({ name, verb, path }) => {
      if (roles.has(name) || broken.has(name)) return [];
      const near = nearest(name, roles.keys());
      return [
        {
          code: 'unknown-role',
          message: `The role ${role.name} ${verb} "${name}", and there is no such role`,
          place: role.place(path),
          ...(near === undefined ? {} : { hint: `Did you mean "${near}"?` }),
        },
      ];
    });
  });
}
