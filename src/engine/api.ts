import { request as httpRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Secret } from '../base/secret.ts';
import { canonical } from '../base/state.ts';
import type { Api } from '../plan/plan.ts';
import type { ApiAnswer, ApiRequest } from '../resources/define.ts';

/** Opens a TCP connection from a host, e.g. Shell.dial. */
export type Dial = (host: string, address: string, port: number) => Promise<Duplex>;

/** Talks to the OpenStack APIs of a cloud, as its administrator, through the SSH connections of its hosts. */
export interface ApiSession {
  /**
   * Runs a resource's generator to its end; rejects when the API does not answer. The same GET is sent once until
   * `refresh`. For `patience` seconds a question is asked again while its service is starting up: no connection, or 5xx.
   */
  follow<T>(conversation: Generator<ApiRequest, T, ApiAnswer>, patience?: number): Promise<T>;
  /** Forgets what was asked, at least so many milliseconds ago: the cloud may have changed. */
  refresh(age?: number): void;
  /** Requests sent so far. */
  readonly requests: number;
}

const answerLimit = 64 * 1024 * 1024;
const timeLimit = 60_000;

export function openApis(apis: ReadonlyMap<string, Api>, dial: Dial): ApiSession {
  let token: Promise<string> | undefined;
  const asked = new Map<string, { readonly at: number; readonly answer: Promise<ApiAnswer> }>();
  let requests = 0;

  const exchange = async (
    request: ApiRequest,
    headers: Record<string, string>,
  ): Promise<{ answer: ApiAnswer; token: string | undefined }> => {
    const api = apis.get(request.service);
    if (!api) throw new Error(`No role offers the ${request.service} API`);
    const url = new URL(api.url);
    const port = Number(url.port || '80');
    requests += 1;
    const stream = await dial(api.host, url.hostname, port);
    return talk(stream, { ...request, path: url.pathname.replace(/\/$/, '') + request.path }, { host: url.host, ...headers });
  };

  const login = async (): Promise<string> => {
    const identity = [...apis.values()].find((api) => api.login);
    if (!identity?.login) throw new Error('No role says how to log in to the cloud');
    const { user, password, project } = identity.login;
    const { answer, token } = await exchange(
      { service: identity.service, method: 'POST', path: '/v3/auth/tokens', body: passwordLogin(user, password, project) },
      {},
    );
    if (answer.status !== 201 || token === undefined) throw new Error(`Logging in to the cloud as ${user} was answered ${answer.status}`);
    return token;
  };

  /** One answer; a token that ended before its time, e.g. when Fernet keys were changed, is replaced once. */
  const ask = async (request: ApiRequest): Promise<ApiAnswer> => {
    if (request.auth === 'none') return (await exchange(request, {})).answer;
    const withToken = async (): Promise<ApiAnswer> => (await exchange(request, { 'x-auth-token': await (token ??= login()) })).answer;
    try {
      const answer = await withToken();
      if (answer.status !== 401) return answer;
    } catch (error) {
      token = undefined;
      throw error;
    }
    token = undefined;
    return withToken();
  };

  const send = async (request: ApiRequest, patience = 0): Promise<ApiAnswer> => {
    const until = performance.now() + patience * 1000;
    for (;;) {
      const answer = await ask(request).catch((error: unknown) => error as Error);
      const ailing = answer instanceof Error || answer.status >= 500;
      // Only questions are asked again: they change nothing.
      if (ailing && request.method === 'GET' && performance.now() < until) {
        await delay(500);
        continue;
      }
      if (answer instanceof Error) throw answer;
      return answer;
    }
  };

  return {
    async follow(conversation, patience) {
      for (let step = conversation.next(); ;) {
        if (step.done) return step.value;
        const request = step.value;
        const key = canonical([request.service, request.path, request.auth ?? '']);
        const known = request.method === 'GET' ? asked.get(key) : undefined;
        const { answer } = known ?? { answer: send(request, patience) };
        if (request.method === 'GET' && !known) asked.set(key, { at: performance.now(), answer });
        else if (request.method !== 'GET' && request.auth !== 'none') asked.clear();
        step = conversation.next(await answer);
      }
    },
    refresh: (age = 0) => {
      for (const [key, { at }] of asked) if (performance.now() - at >= age) asked.delete(key);
    },
    get requests() {
      return requests;
    },
  };
}

/** The body of a Keystone password login, scoped to a project of the default domain. */
function passwordLogin(user: string, password: Secret, project: string): unknown {
  return {
    auth: {
      identity: { methods: ['password'], password: { user: { name: user, domain: { id: 'default' }, password } } },
      scope: { project: { name: project, domain: { id: 'default' } } },
    },
  };
}

function talk(
  stream: Duplex,
  request: ApiRequest,
  headers: Record<string, string>,
): Promise<{ answer: ApiAnswer; token: string | undefined }> {
  const body = request.body === undefined ? undefined : JSON.stringify(request.body, revealed);
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        createConnection: () => stream,
        method: request.method,
        path: request.path,
        headers: {
          accept: 'application/json',
          connection: 'close',
          ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          ...headers,
        },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        let size = 0;
        incoming.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > answerLimit) outgoing.destroy(new Error('The API answered more than 64 MiB'));
          else chunks.push(chunk);
        });
        incoming.on('error', reject);
        incoming.on('end', () => {
          const token = incoming.headers['x-subject-token'];
          resolve({
            answer: { status: incoming.statusCode ?? 0, body: json(Buffer.concat(chunks)) },
            token: typeof token === 'string' ? token : undefined,
          });
        });
      },
    );
    // Not the option of that name: the stream is no socket and has no clock of its own.
    const late = setTimeout(() => {
      outgoing.destroy(new Error(`${request.method} ${request.path} was not answered within ${timeLimit / 1000} s`));
    }, timeLimit);
    outgoing.on('close', () => {
      clearTimeout(late);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

// JSON.stringify asks a value's toJSON first, which hides secrets: the holder still has the Secret itself.
function revealed(this: unknown, key: string, value: unknown): unknown {
  const original = (this as Record<string, unknown>)[key];
  return original instanceof Secret ? original.reveal() : value;
}

function json(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString()) as unknown;
  } catch {
    return bytes.toString();
  }
}
