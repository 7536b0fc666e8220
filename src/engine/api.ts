import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { sh, withInput, withTimeout, type Command, type Output } from '../base/command.ts';
import { Secret } from '../base/secret.ts';
import type { Shell } from '../base/shell.ts';
import { canonical } from '../base/state.ts';
import type { Api } from '../plan/plan.ts';
import type { ApiAnswer, ApiData, ApiRequest, Login } from '../resources/define.ts';

/** Taken when something is asked: importing it makes Node load all of fetch, which takes as long as a few connections. */
export const http = () => process.getBuiltinModule('node:http');

/** What the hosts of APIs can do: open a TCP connection from there, run a command that changes something. */
export interface ApiHosts {
  dial(host: string, address: string, port: number): Promise<Duplex>;
  mend(host: string, ...command: Parameters<Shell['mend']>): ReturnType<Shell['mend']>;
}

/** Talks to the OpenStack APIs of a cloud, as its administrator, through the SSH connections of its hosts. */
export interface ApiSession {
  /**
   * Runs a resource's generator to its end; rejects when the API does not answer. The same GET is sent once until
   * `refresh`. For `patience` seconds a question is asked again while its service is starting up: no connection, or 5xx.
   * `said` hears the commands that make data, and what requests say.
   */
  follow<T>(conversation: Generator<ApiRequest, T, ApiAnswer>, patience?: number, said?: (line: string) => void): Promise<T>;
  /** Forgets what was asked, at least so many milliseconds ago: the cloud may have changed. */
  refresh(age?: number): void;
  /** Requests sent so far. */
  readonly requests: number;
}

/** Thrown when a command that makes the data of a request fails. */
export class DataFailed extends Error {
  readonly output: Output;

  constructor(output: Output) {
    super(output.timedOut ? 'making its data took too long' : `making its data ended with exit code ${output.code}`);
    this.name = 'DataFailed';
    this.output = output;
  }
}

const answerLimit = 64 * 1024 * 1024;
/** A list of more is no list that a cloud has. */
const most = { items: 1_000_000, pages: 2000 };
/** Milliseconds. Before they answer, services wait for each other for a minute (rpc_response_timeout). */
const timeLimit = 120_000;
const octets = 'application/octet-stream';
/** Seconds: images are large, and made slowly. */
const dataTimeLimit = 3600;
/** As many as are looked for in one list at the same time are asked for by name; for more, the whole list is fetched. */
const few = 8;

export function openApis(apis: ReadonlyMap<string, Api>, hosts: ApiHosts): ApiSession {
  const tokens = new Map<string, Promise<Secret>>();
  const asked = new Map<string, { readonly at: number; readonly answer: Promise<ApiAnswer> }>();
  const crowds = new Map<string, { size: number }>();
  let requests = 0;

  const apiOf = (service: string): Api => {
    const api = apis.get(service);
    if (!api) throw new Error(`No role offers the ${service} API`);
    return api;
  };

  const exchange = async (request: ApiRequest, token?: Secret): Promise<Heard> => {
    const api = apiOf(request.service);
    const root = rootOf(api);
    requests += 1;
    const stream = await hosts.dial(api.host, root.hostname, root.port);
    return talk(stream, { ...request, path: root.path + request.path }, headersOf(request, root.host, token));
  };

  const administrator = (): Login => {
    const login = [...apis.values()].find((api) => api.login)?.login;
    if (!login) throw new Error('No role says how to log in to the cloud');
    return login;
  };

  const login = async ({ user, password, project }: Login): Promise<Secret> => {
    const body = passwordLogin(user, password, project);
    const { answer, token } = await exchange({ service: 'identity', method: 'POST', path: '/v3/auth/tokens', body });
    if (answer.status !== 201 || token === undefined) throw new Error(`Logging in to the cloud as ${user} was answered ${answer.status}`);
    return Secret.of('token', token);
  };

  /** One answer; a token that ended before its time, e.g. when Fernet keys were changed, is replaced once. */
  const ask = async (request: ApiRequest): Promise<ApiAnswer> => {
    if (request.auth === 'none') return (await exchange(request)).answer;
    const who = request.auth ?? administrator();
    const key = canonical([who.user, who.project]);
    const withToken = async (): Promise<ApiAnswer> => {
      const token = tokens.get(key) ?? login(who);
      tokens.set(key, token);
      return (await exchange(request, await token)).answer;
    };
    try {
      const answer = await withToken();
      if (answer.status !== 401) return answer;
    } catch (error) {
      tokens.delete(key);
      throw error;
    }
    tokens.delete(key);
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

  /** All pages of a list. Links to the next one lead to the public address of the API, which may not be reachable from here. */
  const pages = async (request: ApiRequest & { list: string }, patience?: number): Promise<ApiAnswer> => {
    const items: unknown[] = [];
    const seen = new Set<string>();
    for (let path = request.path; ;) {
      const answer = await send({ ...request, path }, patience);
      const page = (answer.body as Record<string, unknown> | null)?.[request.list];
      if (answer.status !== 200 || !Array.isArray(page)) return answer;
      // Not with its items as arguments: they may be too many.
      for (const item of page as unknown[]) items.push(item);
      if (items.length > most.items || seen.size > most.pages) throw new Error(`The list ${request.list} does not end`);
      const next = nextPage(answer.body as Record<string, unknown>, request.list);
      if (next === undefined || seen.has(next)) return { status: 200, body: items };
      seen.add(next);
      path = request.path.replace(/\?.*/, '') + next;
    }
  };

  const once = (request: ApiRequest, patience?: number): Promise<ApiAnswer> => {
    const key = keyOf(request);
    const known = asked.get(key);
    if (known) return known.answer;
    const answer = request.list === undefined ? send(request, patience) : pages({ ...request, list: request.list }, patience);
    asked.set(key, { at: performance.now(), answer });
    return answer;
  };

  /** Some items of a list: asked for by their values, unless many look for something in it at the same time. */
  const search = async (request: ApiRequest, where: Readonly<Record<string, string>>, patience?: number): Promise<ApiAnswer> => {
    const key = keyOf(request);
    const crowd = crowds.get(key) ?? { size: 0 };
    crowds.set(key, crowd);
    crowd.size += 1;
    // Those that ask at the same time come in here.
    await turn();
    if (crowds.get(key) === crowd) crowds.delete(key);
    const together = crowd.size > few || asked.has(key);
    const answer = await once(together ? request : { ...request, path: withQuery(request.path, where) }, patience);
    if (answer.status !== 200) return answer;
    const items = answer.body as readonly Readonly<Record<string, unknown>>[];
    // Databases compare names without case; and a service may ignore what it does not know.
    return { status: 200, body: items.filter((item) => Object.entries(where).every(([name, value]) => String(item[name]) === value)) };
  };

  const sendData = async (request: ApiRequest, made: Made, said?: (line: string) => void): Promise<ApiAnswer> => {
    const api = apiOf(request.service);
    const root = rootOf(api);
    // A new one: it must last until the data is made and sent.
    const token = await login(typeof request.auth === 'object' ? request.auth : administrator());
    const headers = headersOf({ contentType: octets, ...request }, root.host);
    const command = sending(made, request.method, root, root.path + request.path, headers);
    requests += 1;
    const output = await hosts.mend(api.host, withInput(withTimeout(command, dataTimeLimit), token), said);
    if (output === 'unknown') throw new Error(`${api.host} was restarted meanwhile`);
    if (output.code !== 0) throw new DataFailed(output);
    return JSON.parse(output.out.toString().trimEnd().split('\n').at(-1)!) as ApiAnswer;
  };

  const forget = (age = 0): void => {
    for (const [key, { at }] of asked) if (performance.now() - at >= age) asked.delete(key);
  };

  return {
    async follow(conversation, patience, said) {
      for (let step = conversation.next(); ;) {
        if (step.done) return step.value;
        const request = step.value;
        if (request.says !== undefined) said?.(request.says);
        if (request.wait !== undefined) {
          await delay(request.wait * 1000);
          forget();
        }
        if (request.method !== 'GET' && request.auth !== 'none') forget();
        const answer =
          request.data && 'command' in request.data
            ? sendData(request, request.data, said)
            : request.method !== 'GET'
              ? send(request)
              : request.list !== undefined && request.where
                ? search(request, request.where, patience)
                : once(request, patience);
        step = conversation.next(await answer);
      }
    },
    refresh: forget,
    get requests() {
      return requests;
    },
  };
}

function keyOf({ service, path, list, microversion, auth }: ApiRequest): string {
  return canonical([service, path, list, microversion, typeof auth === 'object' ? [auth.user, auth.project] : auth]);
}

interface Root {
  readonly host: string;
  readonly hostname: string;
  readonly port: number;
  readonly path: string;
}

/** Where an API begins: roles may say the URL that is in the catalogue, with a version, and requests name theirs. */
function rootOf({ url }: Api): Root {
  const { host, hostname, port, pathname } = new URL(url);
  return { host, hostname, port: Number(port || '80'), path: pathname.replace(/(\/v\d+(\.\d+)?(\/.*)?|\/)$/, '') };
}

function withQuery(path: string, where: Readonly<Record<string, string>>): string {
  return `${path}${path.includes('?') ? '&' : '?'}${new URLSearchParams(where).toString().replaceAll('+', '%20')}`;
}

/** The query of the next page: Glance has a path in `next`, Nova and Neutron a link beside the list. */
function nextPage(body: Readonly<Record<string, unknown>>, list: string): string | undefined {
  const links = body[`${list}_links`] as readonly { readonly rel: string; readonly href: string }[] | undefined;
  const next = body['next'] ?? links?.find(({ rel }) => rel === 'next')?.href;
  return typeof next === 'string' ? new URL(next, 'http://api').search : undefined;
}

function headersOf({ service, microversion, contentType }: ApiRequest, host: string, token?: Secret): Record<string, string> {
  return {
    host,
    accept: 'application/json',
    ...(microversion === undefined ? {} : { 'openstack-api-version': `${service} ${microversion}` }),
    ...(contentType === undefined ? {} : { 'content-type': contentType }),
    ...(token === undefined ? {} : { 'x-auth-token': token.reveal() }),
  };
}

type Made = Extract<ApiData, { readonly command: Command }>;

// Python's, because every host of an API has it, and few have curl. It sends in pieces, with the length that is known.
const sender = String.raw`
import http.client, json, os, sys
host, port, method, path, file, headers = sys.argv[1:]
size = os.path.getsize(file)
connection = http.client.HTTPConnection(host, int(port), timeout=600)
headers = {**json.loads(headers), "content-length": str(size), "x-auth-token": sys.stdin.read()}
print("sending %d MB" % (size // 1000000), flush=True)
try:
    with open(file, "rb") as data: connection.request(method, path, data, headers)
except (BrokenPipeError, ConnectionResetError): pass
answer = connection.getresponse()
print(json.dumps({"status": answer.status, "body": answer.read(4096).decode(errors="replace")}))
`;

/** Makes data on the API's host and sends it from there: it may be much, and the way through the deployer long. */
function sending({ command, result }: Made, method: string, root: Root, path: string, headers: Readonly<Record<string, string>>): Command {
  return sh`set -e
token=$(cat)
work=$(mktemp -d /var/tmp/cellwise.XXXXXXXX)
trap 'cd /; rm -rf "$work"' EXIT
cd "$work"
( set -e
${command}
) </dev/null
printf '%s' "$token" | python3 -I -c ${sender} ${root.hostname} ${root.port} ${method} ${path} ${result} ${JSON.stringify(headers)}`;
}

/** The body of a Keystone password login, scoped to a project of the default domain. */
function passwordLogin(user: string, password: Login['password'], project: string): unknown {
  return {
    auth: {
      identity: { methods: ['password'], password: { user: { name: user, domain: { id: 'default' }, password } } },
      scope: { project: { name: project, domain: { id: 'default' } } },
    },
  };
}

interface Heard {
  readonly answer: ApiAnswer;
  /** A new token, where a login was asked for. */
  readonly token: string | undefined;
}

async function talk(stream: Duplex, request: ApiRequest, headers: Readonly<Record<string, string>>): Promise<Heard> {
  const body = request.body === undefined ? undefined : JSON.stringify(request.body, revealed);
  const file = request.data && 'file' in request.data ? request.data.file : undefined;
  const length = file === undefined ? body && Buffer.byteLength(body) : (await stat(file)).size;
  const limit = file === undefined ? timeLimit : dataTimeLimit * 1000;
  return new Promise((resolve, reject) => {
    const outgoing = http().request(
      {
        createConnection: () => stream,
        method: request.method,
        path: request.path,
        headers: {
          connection: 'close',
          ...(length === undefined ? {} : { 'content-type': file === undefined ? 'application/json' : octets, 'content-length': length }),
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
      // First: the stream, when it is closed, gives a reason of its own.
      reject(new Error(`${request.method} ${request.path} was not answered within ${limit / 1000} s`));
      outgoing.destroy();
    }, limit);
    outgoing.on('close', () => {
      clearTimeout(late);
    });
    outgoing.on('error', reject);
    if (file === undefined) outgoing.end(body);
    else
      createReadStream(file)
        .on('error', (error) => outgoing.destroy(error))
        .pipe(outgoing);
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
