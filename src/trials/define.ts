import type { Text } from '../base/secret.ts';
import type { Json } from '../base/state.ts';
import type { ApiAnswer, ApiRequest, Login, ParamsOf, ParamsSchema } from '../resources/define.ts';
import { call } from '../resources/openstack.ts';

/** What a user does that is no request to an API. It is answered like one: by a status and a body. */
export type Deed =
  /** A pause. `for`: what is waited for and how it stands; said when the time is up. Status 200. */
  | { readonly deed: 'wait'; readonly for: string }
  /** A browser asks for a page, or sends a form: cookies are kept for the trial, redirects are followed. The page's status and text. */
  | { readonly deed: 'page'; readonly url: string; readonly form?: Readonly<Record<string, Text>> }
  /** A TCP connection is tried for a few seconds. Status 200: somebody answered; 0: nobody. */
  | { readonly deed: 'knock'; readonly address: string; readonly port: number }
  /** Logs in to a server with the key of the stage. The command's exit code, or 255, and what it printed, or what went wrong. */
  | { readonly deed: 'login'; readonly address: string; readonly user: string; readonly command: string }
  /** Opens a noVNC console. Status 200 and `WIDTHxHEIGHT` once a picture has come; rejects otherwise. */
  | { readonly deed: 'screen'; readonly url: string };

/** What a trial does, step by step: it yields requests and deeds, is given their answers, and throws what is wrong. */
export type Attempt<T> = Generator<ApiRequest | Deed, T, ApiAnswer>;

/** What a trial came to: for those that build on it. `said` is for people. */
export interface Outcome {
  readonly said?: string;
  readonly [name: string]: Json | undefined;
}

/** What trials hand on to those that build on them, by type. */
export interface Handed {
  readonly image: { readonly id: string; readonly min_disk: number; readonly min_ram: number };
  readonly network: { readonly id: string; readonly subnet: string; readonly gateway: string };
  /** The id of the external network. */
  readonly router: { readonly external: string };
  /** `address`: on the project's network; `port`, `group`, `flavor`: ids. */
  readonly server: Readonly<Record<'id' | 'name' | 'address' | 'port' | 'group' | 'flavor', string>>;
  readonly console: { readonly prompt: string };
  /** A floating address, and a port there that a server listens at and its group does not open. */
  readonly 'closed-port': { readonly address: string; readonly port: number };
  /** A server that lets the user in at a floating address; `inner`: that on the project's network. */
  readonly login: Readonly<Record<'address' | 'user' | 'server' | 'inner', string>>;
  /** Ids: of a volume made from the image, and of an empty one. */
  readonly volume: Readonly<Record<'image' | 'empty', string>>;
}

/** Where trials happen: a project and a user that are made for one run and removed behind it. */
export interface Stage {
  /** What the project and its user are called; names of all that is made begin so. Good as a hostname. */
  readonly name: string;
  /** The project's id. */
  readonly project: string;
  /** The user, a member of the project. */
  readonly user: Login;
  /** The cloud's administrator in this project, for what a user may not ask. */
  readonly admin: Login;
  /** The host that the trial is for. */
  readonly host: string;
  /** What a trial that this one needs has come to: on the same host, or else the first of all. */
  of<K extends keyof Handed>(type: K): Handed[K];
  /** What trials of a type have come to on all hosts so far. */
  all<K extends keyof Handed>(type: K): readonly Handed[K][];
}

/** Something of the cloud, tried as its users would. Pure, like step types: the engine does all input and output. */
export interface Trial<P> {
  /** The key under `verify` in role.yaml, and the file's name. */
  readonly type: string;
  /** One sentence: what is proved. */
  readonly summary: string;
  readonly params: ParamsSchema;
  readonly nameParam: string;
  /** `cluster`: tried once, for the role's first host; left out: for each of its hosts. */
  readonly scope?: 'cluster';
  /** Types of trials that it builds on. It is not tried in a cloud without them, and blocked where they fail. */
  readonly needs: readonly string[];
  /** Types that it comes behind where they are tried, however they end. */
  readonly after?: readonly string[];
  /** Roles, besides the one that declares it, whose services may be at fault: their last words are told when it fails. */
  readonly suspects: readonly string[];
  readonly attempt: (params: P, stage: Stage) => Attempt<Outcome>;
}

export function defineTrial<const S extends ParamsSchema>(
  trial: Omit<Trial<ParamsOf<S>>, 'params'> & { readonly params: S },
): Trial<never> {
  return trial;
}

/** Sends a request as the stage's user and gives the body of its answer; throws what the service had against it. */
export function* ask<T>(stage: Stage, request: ApiRequest): Attempt<T> {
  return yield* call<T>({ auth: stage.user, ...request });
}

/** Asks until the answer will do: `state` says how it stands, undefined when it is as it should be; throws when it never will. */
export function* until<T>(stage: Stage, request: ApiRequest, state: (answer: T) => string | undefined): Attempt<T> {
  for (;;) {
    const answer = yield* ask<T>(stage, request);
    const stands = state(answer);
    if (stands === undefined) return answer;
    yield { deed: 'wait', for: stands };
  }
}
