import type { Command, Output } from '../base/command.ts';
import type { Text } from '../base/secret.ts';
import type { Change, State } from '../base/state.ts';

/** The part of JSON Schema that step params use. */
export interface ValueSchema {
  readonly type?: 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object';
  readonly description?: string;
  readonly enum?: readonly (string | number | boolean)[];
  readonly anyOf?: readonly ValueSchema[];
  readonly items?: ValueSchema;
  readonly properties?: Readonly<Record<string, ValueSchema>>;
  readonly additionalProperties?: boolean | ValueSchema;
  readonly required?: readonly string[];
  readonly default?: unknown;
  /** Of a role's secret: each cell that has hosts of its own has its own. */
  readonly per?: 'cell';
  readonly pattern?: string;
  /** `secret`: must be a secret. `text`: may hold secrets. Both arrive as Text. */
  readonly format?: 'secret' | 'text' | 'ipv4';
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly uniqueItems?: boolean;
}

/** JSON Schema of a step's params, each with a description. */
export interface ParamsSchema extends ValueSchema {
  readonly type: 'object';
  readonly additionalProperties: false;
  readonly properties: Readonly<Record<string, ValueSchema & { readonly description: string }>>;
}

/** The TypeScript type of the values that a schema describes. */
type ValueOf<S> = S extends { readonly format: 'secret' | 'text' }
  ? Text
  : S extends { readonly enum: readonly (infer E)[] }
    ? E
    : S extends { readonly anyOf: readonly (infer A)[] }
      ? ValueOf<A>
      : S extends { readonly type: 'string' }
        ? string
        : S extends { readonly type: 'integer' | 'number' }
          ? number
          : S extends { readonly type: 'boolean' }
            ? boolean
            : S extends { readonly type: 'array'; readonly items: infer I }
              ? readonly ValueOf<I>[]
              : S extends { readonly type: 'object'; readonly properties: object }
                ? ParamsOf<S>
                : S extends { readonly type: 'object'; readonly additionalProperties: infer A }
                  ? Readonly<Record<string, ValueOf<A>>>
                  : unknown;

/** Names that are always there: required ones, and those with a default. */
type Given<S> = S extends { readonly properties: infer P }
  ? | (S extends { readonly required: readonly (infer R)[] } ? R & keyof P : never)
    | { [K in keyof P]: P[K] extends { readonly default: unknown } ? K : never }[keyof P]
  : never;

/** The TypeScript type of the params that a schema describes: defaults are filled in, so they are never missing. */
export type ParamsOf<S> = S extends { readonly properties: infer P }
  ? { readonly [K in Given<S> & keyof P]: ValueOf<P[K]> } & { readonly [K in Exclude<keyof P, Given<S>>]?: ValueOf<P[K]> }
  : never;

/** What a probe found: a state, null (it is not there), or `unknown` (it cannot be told now, with the reason). */
export type Found = State | null | Unknown;

export interface Unknown {
  readonly unknown: string;
}

export function isUnknown(found: object | null): found is Unknown {
  return found !== null && 'unknown' in found && Object.keys(found).length === 1 && typeof found.unknown === 'string';
}

interface Common<P> {
  /** The key in role.yaml, and the file's name. */
  readonly type: string;
  /** One sentence: what it keeps. Printed by `explain`. */
  readonly summary: string;
  /** JSON Schema of the params: an object, no additional properties, each with a description. */
  readonly params: ParamsSchema;
  /** The param that takes the value of the step's first key, e.g. `path` for `file: /etc/hosts`. */
  readonly nameParam: string;
  /** What tells two resources of this type apart on one host; the name param when left out. */
  readonly identity?: (params: P) => string;
  /** `cluster`: one host of the role acts and the others wait, as if the step said `once`. */
  readonly scope?: 'cluster';
  /** What we want; null: it must not be there. */
  readonly desired: (params: P) => State | null;
  /** Why this change must not be made, e.g. because data would be lost: then nothing of the whole plan is. */
  readonly refuse?: (params: P, change: Change) => string | undefined;
  /** True when what this change does cannot be undone by another apply. */
  readonly irreversible?: (params: P, change: Change) => boolean;
  /** Why this change cannot be made, e.g. because the API has no way to: a plan shows it, and the step alone fails with it. */
  readonly cannot?: (params: P, change: Change) => string | undefined;
}

/** Looks at one resource at a time. */
interface ProbeOne<P> {
  /** Reads, changes nothing. A non-zero exit means what `parse` makes of it. */
  readonly probe: (params: P) => Command;
  readonly parse: (output: Output, params: P) => Found;
}

/** Looks at all resources of the type on a host by one command: for types of which a host has many. */
interface ProbeAll<P> {
  readonly probeAll: (all: readonly P[]) => Command;
  /** One answer for each of `all`, in order. */
  readonly parseAll: (output: Output, all: readonly P[]) => readonly Found[];
}

interface ShellBasics<P> extends Common<P> {
  readonly via: 'shell';
  /**
   * `sources` and then `packages` steps open a host's walk, before the other steps of all roles; `packages` steps of one
   * host are merged into a single step.
   */
  readonly phase?: 'sources' | 'packages';
  /** The params of one step that does what all of these do; they fit the same schema. */
  readonly merge?: (all: readonly P[]) => AnyParams;
  /** Its probe starts a program that takes its time: it is run beside the others instead of among them. */
  readonly slow?: boolean | ((params: P) => boolean);
  /**
   * Mending it takes no time and starts nothing, and its exit code tells whether it worked: the engine sends it along with
   * its neighbours, and looks at all of them behind the last.
   */
  readonly light?: boolean;
  /** Mends `change`; never looks. */
  readonly apply: (params: P, change: Change) => Command;
  /** Reads the content that is there now, for a diff. Asked only when the resource differs. */
  readonly peek?: (params: P) => Command;
  /** The content that should be there; the engine diffs it with what `peek` printed and hides what is secret. */
  readonly content?: (params: P) => Text | Uint8Array;
}

/** A resource that is looked at and mended by shell commands. */
export type ShellResource<P> = ShellBasics<P> & (ProbeOne<P> | ProbeAll<P>);

/** Who talks to an API: a user of the default domain, in one of its projects. */
export interface Login {
  readonly user: string;
  readonly password: Text;
  readonly project: string;
}

/** A request to an OpenStack API, as the cloud's administrator unless `auth` says otherwise. */
export interface ApiRequest {
  /** Type of the service in the catalogue. */
  readonly service: string;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path and query below the service's root, version included, e.g. /v3/projects?name=service. */
  readonly path: string;
  /**
   * For a GET: the name of the list that its answer holds. All pages are fetched, and the answer's body is the items, of
   * which `where` leaves those whose members have these values.
   */
  readonly list?: string;
  readonly where?: Readonly<Record<string, string>>;
  /** JSON; Secret values in it are revealed on the wire only. */
  readonly body?: unknown;
  /** Bytes instead. */
  readonly data?: ApiData;
  /** What the body is; application/json or application/octet-stream when left out. */
  readonly contentType?: string;
  /** The microversion that the request is written for, e.g. 2.61. */
  readonly microversion?: string;
  readonly auth?: 'none' | Login;
  /** Seconds to wait before it is sent: about something that takes its time. It is not answered from what was said before. */
  readonly wait?: number;
  /** A line for people about what is waited for. */
  readonly says?: string;
}

/** Where the bytes of a request come from: a file here, or a command on the API's host that leaves them in its directory. */
export type ApiData = { readonly file: string } | { readonly command: Command; readonly result: string };

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * A resource behind an OpenStack API. Both functions are generators that yield requests and are given answers, so they
 * stay pure: the engine sends, and asks the same question only once a survey.
 */
export interface ApiResource<P> extends Common<P> {
  readonly via: 'api';
  readonly look: (params: P) => Generator<ApiRequest, Found, ApiAnswer>;
  readonly apply: (params: P, change: Change) => Generator<ApiRequest, void, ApiAnswer>;
}

/** Any resource type, params as plain data that its schema has checked. */
export type ResourceType = ShellResource<never> | ApiResource<never>;
export type AnyParams = { readonly [name: string]: unknown };

type Defined<S extends ParamsSchema, R> = Omit<R, 'via' | 'params'> & { readonly params: S };

/** Defines a resource that is looked at and mended by shell commands. */
export function defineResource<const S extends ParamsSchema>(
  definition: Defined<S, ShellBasics<ParamsOf<S>>> & (ProbeOne<ParamsOf<S>> | ProbeAll<ParamsOf<S>>),
): ShellResource<ParamsOf<S>> {
  return { ...definition, via: 'shell' };
}

/** Defines a resource behind an OpenStack API. */
export function defineApiResource<const S extends ParamsSchema>(
  definition: Defined<S, ApiResource<ParamsOf<S>>>,
): ApiResource<ParamsOf<S>> {
  return { ...definition, via: 'api' };
}
