// The engine in small: look, compare, mend, look again. For one resource on one machine, past SSH.
import { spawn } from 'node:child_process';
import { request } from 'node:http';
import type { Command, Output } from '../../src/base/command.ts';
import { reveal, Secret } from '../../src/base/secret.ts';
import { type Change, compare } from '../../src/base/state.ts';
import type { AnyParams, ApiAnswer, ApiRequest, ApiResource, Found, ResourceType, ShellResource } from '../../src/resources/define.ts';
import { isUnknown } from '../../src/resources/define.ts';
import { resourceTypes } from '../../src/resources/index.ts';

export type Run = (command: Command) => Promise<Output>;
export type Send = (request: ApiRequest) => Promise<ApiAnswer>;
type Shelled = ShellResource<AnyParams>;
type Served = ApiResource<AnyParams>;

/** A resource type by its name, and params with the defaults of its schema. */
export function resource(type: string, params: AnyParams): { type: Shelled | Served; params: AnyParams } {
  const found = resourceTypes.find((one: ResourceType) => one.type === type) as unknown as Shelled | Served | undefined;
  if (!found) throw new Error(`There is no step type ${type}`);
  const defaults = Object.entries(found.params.properties).filter(([, schema]) => schema.default !== undefined);
  return { type: found, params: { ...Object.fromEntries(defaults.map(([name, schema]) => [name, schema.default])), ...params } };
}

/** Runs commands as root in a container. */
export function runIn(container: string): Run {
  return (command) => runBy('docker', ['exec', '-i', container, 'sh', '-c'], command);
}

/** Runs commands here, as whoever runs the tests. */
export const runHere: Run = (command) => runBy('sh', ['-c'], command);

// Script and input go by the same standard input, one behind the other: a script may be longer than an argument can be.
function runBy(program: string, args: readonly string[], command: Command): Promise<Output> {
  const script = Buffer.from(command.script);
  const runner = `s=$(mktemp) && head -c ${script.length} >"$s" && timeout ${command.timeout ?? 120} sh "$s"; r=$?; rm -f "$s"; exit $r`;
  return pipe(program, [...args, runner], Buffer.concat([script, bytes(command.stdin)]));
}

function pipe(program: string, args: readonly string[], input: Uint8Array): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    // A command that does not read its input is no failure.
    child.stdin.on('error', () => undefined);
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code: code ?? 255, out: Buffer.concat(out), err: Buffer.concat(err) });
    });
    child.stdin.end(input);
  });
}

function bytes(stdin: Command['stdin']): Uint8Array {
  if (stdin === undefined) return Buffer.alloc(0);
  return stdin instanceof Uint8Array ? stdin : Buffer.from(reveal(stdin));
}

export async function look(type: Shelled | Served, params: AnyParams, run: Run, send: Send): Promise<Found> {
  if (type.via === 'api') return follow(type.look(params), send);
  return 'probeAll' in type
    ? type.parseAll(await run(type.probeAll([params])), [params])[0]!
    : type.parse(await run(type.probe(params)), params);
}

/** What has to be mended, null when nothing; throws when it cannot be told. */
export async function difference(type: Shelled | Served, params: AnyParams, run: Run, send: Send): Promise<Change | null> {
  const found = await look(type, params, run, send);
  if (isUnknown(found)) throw new Error(`${type.type} cannot be told: ${found.unknown}`);
  return compare(found, type.desired(params));
}

/** Mends, and returns what was told on standard error. */
export async function mend(type: Shelled | Served, params: AnyParams, change: Change, run: Run, send: Send): Promise<string> {
  const refused = type.refuse?.(params, change) ?? type.cannot?.(params, change);
  if (refused !== undefined) throw new Error(refused);
  if (type.via === 'api') {
    await follow(type.apply(params, change), send);
    return '';
  }
  const output = await run(type.apply(params, change));
  const told = output.err.toString();
  if (output.code !== 0) throw new Error(`${type.type} ended with ${output.code}:\n${told}${output.out.toString().slice(-2000)}`);
  return told;
}

async function follow<T>(conversation: Generator<ApiRequest, T, ApiAnswer>, send: Send): Promise<T> {
  let step = conversation.next();
  while (!step.done) step = conversation.next(await send(step.value));
  return step.value;
}

/** Keystone on a machine, as the administrator. */
export function keystone(address: string, password: string): Send {
  let token: string | undefined;
  const exchange = (asked: ApiRequest, headers: Record<string, string>): Promise<{ answer: ApiAnswer; token: string | undefined }> =>
    new Promise((resolve, reject) => {
      const outgoing = request({ agent: false, host: address, port: 5000, method: asked.method, path: asked.path, headers }, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const body: unknown = text.startsWith('{') ? JSON.parse(text) : text;
          const subject = incoming.headers['x-subject-token'];
          resolve({ answer: { status: incoming.statusCode ?? 0, body }, token: typeof subject === 'string' ? subject : undefined });
        });
      });
      outgoing.on('error', reject);
      outgoing.end(asked.body === undefined ? undefined : JSON.stringify(asked.body, revealed));
    });
  const json = { 'content-type': 'application/json' };
  return async (asked) => {
    if (asked.auth === 'none') return (await exchange(asked, json)).answer;
    if (token === undefined) {
      const user = { name: 'admin', domain: { id: 'default' }, password };
      const scope = { project: { name: 'admin', domain: { id: 'default' } } };
      const body = { auth: { identity: { methods: ['password'], password: { user } }, scope } };
      const login = await exchange({ service: 'identity', method: 'POST', path: '/v3/auth/tokens', body }, json);
      if (login.token === undefined) throw new Error(`Keystone answered ${login.answer.status} to the administrator`);
      token = login.token;
    }
    return (await exchange(asked, { ...json, 'x-auth-token': token })).answer;
  };
}

// JSON.stringify asks toJSON first, which hides a secret; its holder still has the secret itself.
function revealed(this: unknown, key: string, value: unknown): unknown {
  const original = (this as Record<string, unknown>)[key];
  return original instanceof Secret ? original.reveal() : value;
}
