import { fingerprint, Secret, shown } from '../base/secret.ts';
import { Invalid, type Place, type Problem } from '../base/problem.ts';
import { canonical } from '../base/state.ts';
import { prepareSchema, type Checker } from '../document/check.ts';
import type { Host } from '../inventory/types.ts';
import { checks } from '../resources/checks.ts';
import type { AnyParams, ApiResource, ParamsSchema, ShellResource, ValueSchema } from '../resources/define.ts';
import { resourceTypes } from '../resources/index.ts';
import type { CheckSection, StepSection } from '../roles/role-schema.ts';
import type { Role, RoleCheck, RoleStep } from '../roles/role.ts';
import { evaluate, TemplateError, type Context } from '../roles/template.ts';
import { trials } from '../trials/index.ts';
import type { Trial } from '../trials/define.ts';
import type { Gate, Health, HealthCheck, PlannedTrial, Step, Watch } from './plan.ts';

type Resource = ShellResource<AnyParams> | ApiResource<AnyParams>;

/** All step types, by name. */
export const resources: ReadonlyMap<string, Resource> = new Map(resourceTypes.map((type) => [type.type, type as Resource]));

/** A role on a host: what its steps are made from. */
export interface RoleOnHost {
  readonly role: Role;
  readonly host: Host;
  /** The cell of its own that the role, or one of its steps, is there for. */
  readonly cell: string | undefined;
  readonly context: Context;
}

/** A step as it is on each of the hosts that cannot differ in it. */
export interface Pattern {
  readonly written: RoleStep;
  /** Which of the role's steps. */
  readonly nth: number;
  /** Which of the resources, where what is written stands for several. */
  readonly one: One | undefined;
  /** Each name in full: what others can watch. Empty where the value is a list of things and not of names. */
  readonly names: readonly string[];
  readonly name: string;
  readonly resource: Resource;
  /** What follows the host's name in its id. */
  readonly tail: string;
  /** The steps whose names it watches on a host. */
  readonly watched: (host: Host, written: RoleStep) => readonly Watched[];
  /** The cloud's, for the digest of what it watches. */
  readonly key: string;
}

/** Makes the patterns of a role's steps on one host, in their order: steps that are called the same are counted. */
export function patterns(watched: Pattern['watched'], key: string): (at: RoleOnHost, written: RoleStep, nth: number) => readonly Pattern[] {
  const seen = new Map<string, number>();
  return (at, written, nth) =>
    (severally(at, written) ?? [undefined]).map((one) => {
      const names = one ? [one.name] : namesOf(at, written);
      const name = shorten(names.join(' '));
      const section = written.path[0] === 'upgrade' ? `${written.path[1]!}: ` : '';
      const called = `${at.role.name}/${section}${written.type}${name === '' ? '' : ` ${name}`}`;
      const count = (seen.get(called) ?? 0) + 1;
      seen.set(called, count);
      const tail = count === 1 ? called : `${called} #${count}`;
      return { written, nth, one, names, name, resource: resources.get(written.type)!, tail, watched, key };
    });
}

/** A step as a role declares it, on one host. Its params are worked out when they are first asked for. */
export class DeclaredStep implements Step {
  readonly step: string;
  readonly #at: RoleOnHost;
  readonly #pattern: Pattern;
  #params: AnyParams | undefined;
  #gate: readonly HealthCheck[] | undefined;

  constructor(at: RoleOnHost, pattern: Pattern) {
    this.#at = at;
    this.#pattern = pattern;
    // Not by a template: what joins is one text, and not a chain of pieces; there is one for each step of a fleet.
    this.step = [at.host.name, pattern.tail].join('/');
  }

  /** The same on a host that cannot differ in it. */
  on(at: RoleOnHost): DeclaredStep {
    return new DeclaredStep(at, this.#pattern);
  }

  get kind() {
    return 'step' as const;
  }

  get name(): string {
    return this.#pattern.name;
  }

  get names(): readonly string[] {
    return this.#pattern.names;
  }

  get nth(): number {
    return this.#pattern.nth;
  }

  get resource(): Resource {
    return this.#pattern.resource;
  }

  get section(): StepSection | undefined {
    const [list, section] = this.#pattern.written.path;
    return list === 'upgrade' ? (section as StepSection) : undefined;
  }

  get host(): string {
    return this.#at.host.name;
  }

  get role(): string {
    return this.#at.role.name;
  }

  get cell(): string | undefined {
    return this.#at.cell;
  }

  get stepType(): string {
    return this.#pattern.written.type;
  }

  /** Its name as the role writes it. */
  get written(): unknown {
    return this.#pattern.written.name;
  }

  get place(): Place {
    return this.#at.role.place(this.#pattern.written.path);
  }

  get irreversible(): boolean {
    return this.#pattern.written.irreversible;
  }

  get watches(): readonly Watch[] {
    return this.#watched.map(({ name, node, keys }) => ({ step: node, name, ...(keys ? { keys } : {}) }));
  }

  get params(): AnyParams {
    return (this.#params ??= this.#work());
  }

  get gate(): Gate | undefined {
    const { role } = this.#at;
    if (this.stepType !== 'service' || role.gate.length === 0) return undefined;
    const checks = (this.#gate ??= role.gate.map((written) => checkOf(this.#at, written)));
    return { checks, health: new DeclaredHealth(this.#at) };
  }

  get #watched(): readonly Watched[] {
    const { written, watched } = this.#pattern;
    return written.watches.length === 0 ? [] : watched(this.#at.host, written);
  }

  #work(): AnyParams {
    const { written, one, resource, key } = this.#pattern;
    const params = workOut(this.#at, written, resource.nameParam, resource.params, one);
    const watched = this.#watched;
    if (watched.length === 0) return params;
    // What a service runs on is the wanted state of all it watches: known now, and the same until one of them changes.
    const wanted = watched.map(({ name, declared, keys }) => {
      const desired = declared.resource.desired(declared.params);
      return [name, declared.stepType, keys && desired ? keys.map((key) => desired[key] ?? null) : desired];
    });
    return { ...params, digest: fingerprint(key, canonical(wanted)) };
  }
}

/** One of the resources that a step stands for, with the params that are its own. */
export interface One {
  readonly name: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/**
 * What a step stands for where its value is a list of names, or a mapping of names to params, and its type wants one name:
 * a resource each. Undefined where the step is one resource.
 */
function severally(at: RoleOnHost, written: RoleStep): readonly One[] | undefined {
  const { nameParam, params } = resources.get(written.type)!;
  if (written.apart) return undefined;
  if (params.properties[nameParam]!.type !== 'string' || isPlain(written.name)) return undefined;
  const value = guarded(at, written.path, () => rendered(written.name, at.context));
  if (Array.isArray(value)) return value.map((name) => ({ name: nameOf(name), params: {} }));
  if (value === null || typeof value !== 'object' || value instanceof Secret) return undefined;
  return Object.entries(value).map(([name, params]) => ({ name, params: (params ?? {}) as One['params'] }));
}

/** A declared step that another watches, and the node of the graph that stands for it. */
export interface Watched {
  readonly name: string;
  readonly declared: DeclaredStep;
  readonly node: string;
  /** Where the node is merged from several steps: the differences that are this one's. */
  readonly keys?: readonly string[];
}

/** Steps on one host that are made so by one: the packages of the host, or of one of its roles. */
export class MergedStep implements Step {
  readonly kind = 'step';
  readonly step: string;
  readonly host: string;
  readonly role: string;
  readonly stepType: string;
  readonly name: string;
  readonly resource: ShellResource<AnyParams>;
  readonly watches = [];
  readonly irreversible = false;
  readonly #from: readonly DeclaredStep[];
  readonly #more: () => AnyParams;
  #params: AnyParams | undefined;

  /** `role`: the one whose steps these are; left out: all of the host. */
  constructor(
    host: string,
    resource: ShellResource<AnyParams>,
    from: readonly DeclaredStep[],
    more: () => AnyParams,
    role: string | undefined,
  ) {
    this.host = host;
    this.role = role ?? 'host';
    this.resource = resource;
    this.stepType = resource.type;
    this.name = `${resource.type}s`;
    this.step = `${host}/${role === undefined ? '' : `${role}/`}${this.name}`;
    this.#from = from;
    this.#more = more;
  }

  get place(): Place {
    return this.#from[0]!.place;
  }

  get params(): AnyParams {
    return (this.#params ??= { ...this.resource.merge!(this.#from.map((step) => step.params)), ...this.#more() });
  }
}

/** A role's health on a host, or its checks of a section of an upgrade; params are worked out when they are asked for. */
export class DeclaredHealth implements Health {
  // Members, not getters: some take a health as it is, but with other checks.
  readonly kind = 'health';
  readonly id: string;
  readonly host: string;
  readonly role: string;
  readonly cell: string | undefined;
  readonly #at: RoleOnHost;
  readonly #section: CheckSection | undefined;
  #checks: readonly HealthCheck[] | undefined;

  constructor(at: RoleOnHost, section?: CheckSection) {
    this.id = healthId(at, section);
    this.host = at.host.name;
    this.role = at.role.name;
    this.cell = at.cell;
    this.#at = at;
    this.#section = section;
  }

  get checks(): readonly HealthCheck[] {
    const { role } = this.#at;
    const written = this.#section === undefined ? role.health : role.upgrade.checks[this.#section];
    return (this.#checks ??= written.map((check) => checkOf(this.#at, check)));
  }
}

export function healthId(
  { host, role, cell }: { readonly host: Host; readonly role: Role; readonly cell?: string | undefined },
  section?: CheckSection,
): string {
  // A controller carries what it does for each cell; a host of a cell is there for that cell alone.
  const elsewhere = cell === undefined || cell === host.cell ? '' : ` in ${cell}`;
  return [host.name, role.name, `${section === undefined ? 'health' : `${section}: checks`}${elsewhere}`].join('/');
}

function checkOf(at: RoleOnHost, written: RoleCheck): HealthCheck {
  const check = checks.get(written.type)!;
  const params = workOut(at, written, check.nameParam, check.params);
  return { check, params, name: `${written.type} ${String(params[check.nameParam])}`, within: written.within };
}

/** What `verify` tries of a role on one host; params are worked out when they are asked for. */
export function trialsOf(at: RoleOnHost, first: boolean): PlannedTrial[] {
  const { role, host } = at;
  return role.verify.flatMap((written): PlannedTrial[] => {
    const trial = trials.get(written.type) as Trial<AnyParams>;
    if (trial.scope === 'cluster' && !first) return [];
    let params: AnyParams | undefined;
    const worked = () => (params ??= workOut(at, written, trial.nameParam, trial.params));
    return [
      {
        step: `${host.name}/${role.name}/verify: ${written.type}`,
        host: host.name,
        role: role.name,
        stepType: written.type,
        get name() {
          return String(worked()[trial.nameParam]);
        },
        trial,
        get params() {
          return worked();
        },
        within: written.within,
        canary: written.canary,
      },
    ];
  });
}

/** What a step is called: its value, or each text of it. */
function namesOf(at: RoleOnHost, written: RoleStep): readonly string[] {
  if (isPlain(written.name)) return plainNames(written);
  const value = written.apart ? written.name : guarded(at, written.path, () => rendered(written.name, at.context));
  if (!Array.isArray(value)) return [nameOf(value)];
  // Lists are shared by a fleet, so that each is gone through once.
  let names = listNames.get(value);
  if (!names) listNames.set(value, (names = value.filter((part) => typeof part !== 'object' || part instanceof Secret).map(nameOf)));
  return names;
}

/** Whether it is the same on all hosts, as it is written. */
function isPlain(name: unknown): name is string {
  return typeof name === 'string' && !name.includes('{{');
}

function plainNames(written: RoleStep): readonly string[] {
  let names = known.get(written);
  if (!names) known.set(written, (names = [nameOf(written.name)]));
  return names;
}

const known = new WeakMap<RoleStep, readonly string[]>();

const listNames = new WeakMap<readonly unknown[], readonly string[]>();

function nameOf(value: unknown): string {
  if (value instanceof Secret) return shown(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A name for people: one line, not too long. */
function shorten(name: string): string {
  const line = name.includes('\n') ? name.slice(0, name.indexOf('\n')) : name;
  return line.length > 72 ? `${line.slice(0, 71)}…` : line;
}

/** A step's or check's params: templates rendered, defaults filled in, checked against the type's schema; once a host. */
function workOut(at: RoleOnHost, written: RoleStep | RoleCheck, nameParam: string, schema: ParamsSchema, one?: One): AnyParams {
  const known = worked.get(at) ?? new Map<object, AnyParams>();
  worked.set(at, known);
  const params = known.get(one ?? written) ?? paramsOf(at, written, nameParam, schema, one);
  known.set(one ?? written, params);
  return params;
}

// An apply and an upgrade are checked beside each other, and most steps are the same in both.
const worked = new WeakMap<RoleOnHost, Map<object, AnyParams>>();

function paramsOf(at: RoleOnHost, written: RoleStep | RoleCheck, nameParam: string, schema: ParamsSchema, one?: One): AnyParams {
  const params = guarded(at, written.path, () => {
    const plain = 'apart' in written;
    const name = one ? one.name : plain ? written.name : rendered(written.name, at.context);
    const params = plain ? written.params : (rendered(written.params, at.context) as object);
    const given = { [nameParam]: name, ...params, ...one?.params };
    const template = 'template' in written ? written.template : undefined;
    const content = template === undefined ? {} : { content: at.role.template(template)(at.context) };
    return { ...defaults(schema), ...dropUndefined(given), ...content };
  });
  const before = right.get(written);
  if (before && isSame(params, before)) return before;
  const problems: Problem[] = [
    ...at.role.faults(checkerOf(schema), written.path, withoutSecrets(params)),
    ...[...unfit(params, schema), ...('apart' in written ? [] : local(params, schema))].map((message): Problem => ({
      code: 'bad-value',
      message,
      place: at.role.place(written.path),
    })),
  ];
  if (problems.length > 0) throw new Invalid(problems);
  right.set(written, params);
  return params;
}

// On most hosts a step's params come to the same: these are checked once, and one of them is kept.
const right = new WeakMap<RoleStep | RoleCheck, AnyParams>();

function isSame(params: AnyParams, others: AnyParams): boolean {
  const names = Object.keys(params);
  return (
    names.length === Object.keys(others).length &&
    names.every((name) => Object.hasOwn(others, name) && Object.is(params[name], others[name]))
  );
}

/** A template that cannot be rendered is told as what is wrong at a path of role.yaml. */
export function guarded<T>(at: RoleOnHost, path: RoleStep['path'], work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof TemplateError) throw new Invalid([templateProblem(at, path, error)]);
    throw error;
  }
}

function templateProblem(at: RoleOnHost, path: RoleStep['path'], error: TemplateError): Problem {
  const place = error.file === undefined ? at.role.place(path) : { file: error.file, line: error.line ?? 1, column: error.column ?? 1 };
  const known = Object.keys(at.context).toSorted().join(', ');
  return {
    code: 'template',
    message: `The role ${at.role.name} cannot be rendered for ${at.host.name}: ${error.message}`,
    place,
    hint: `Known here: ${known}. A role sees its own params, and those of the roles it needs.`,
  };
}

function rendered(value: unknown, context: Context): unknown {
  if (typeof value === 'string') return evaluate(value, context);
  if (Array.isArray(value)) return value.map((item) => rendered(item, context));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [String(evaluate(name, context)), rendered(part, context)]));
}

function defaults(schema: ParamsSchema): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(schema.properties).flatMap(([name, each]) => (each.default === undefined ? [] : [[name, each.default]])),
  );
}

/** A param that is left out of the inventory and has no default is left out of the step as well. */
function dropUndefined(params: object): object {
  return Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined));
}

/** What a schema checker cannot see: secrets where a process list or the name of a file would show them, and NULs. */
function unfit(value: unknown, schema: ValueSchema | undefined, name = 'A param'): string[] {
  const hidden = schema?.format === 'secret' || schema?.format === 'text';
  if (value instanceof Secret) return hidden ? [] : [`${name} cannot be secret, and would show ${value.shown}`];
  if (typeof value === 'string') return value.includes('\0') && !hidden ? [`${name} holds a NUL byte`] : [];
  if (Array.isArray(value)) return value.flatMap((item) => unfit(item, schema?.items, name));
  if (value === null || typeof value !== 'object') return [];
  const more = typeof schema?.additionalProperties === 'object' ? schema.additionalProperties : undefined;
  return Object.entries(value).flatMap(([key, part]) => [
    ...unfit(key, undefined, name),
    ...unfit(part, schema?.properties?.[key] ?? more, key),
  ]);
}

/** Files of the operator's machine, which are the inventory's to name: a role may be somebody else's. */
function local(params: AnyParams, schema: ParamsSchema): string[] {
  const named = Object.entries(schema.properties).filter(([name, { format }]) => format === 'local-file' && params[name] !== undefined);
  return named.map(([name]) => `\`${name}\` names a file of the machine that Cellwise runs on, which only an inventory can`);
}

function withoutSecrets(value: unknown): unknown {
  if (value instanceof Secret) return value.shown;
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, withoutSecrets(part)]));
}

const checkers = new WeakMap<ParamsSchema, Checker>();

function checkerOf(schema: ParamsSchema): Checker {
  let checker = checkers.get(schema);
  if (!checker) checkers.set(schema, (checker = prepareSchema({ ...schema })));
  return checker;
}
