import { readFile } from 'node:fs/promises';
import { connect as connectTcp, type Socket } from 'node:net';
import { homedir, userInfo } from 'node:os';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import ssh2, { type ClientChannel, type ConnectConfig, type ServerHostKeyAlgorithm } from 'ssh2';
import { Unreachable, type Shell } from '../base/shell.ts';
import type { Channel, Ending, Transport } from './channel.ts';
import { authFailure, droppedEarly, socketFailure, sshFailure, type Destination, type SshError } from './failures.ts';
import { Gate } from './gate.ts';
import { algorithmOrder, hostNames, judge, KnownHosts, parseHostKey, sha256, wireKey, type HostKey, type Verdict } from './host-keys.ts';
import { Identities, type Offers } from './identities.ts';
import { TransportShell } from './shell.ts';
import { resolve } from './ssh-config.ts';
import type { SshTarget } from './target.ts';

export type { Sudo } from './link.ts';
export type { SshTarget } from './target.ts';

/** Seconds, unless it says otherwise. */
export interface ConnectOptions {
  /** What several connections have in common. Give the same one to all hosts of a run. */
  readonly shared?: Shared;
  /**
   * Called before the connection is begun. What it asks of the shell (`run`, `lock`) is sent along with the opening and
   * costs no round trip; `facts` are not there yet.
   */
  readonly early?: (shell: Pick<Shell, 'run' | 'mend' | 'lock'>) => void;
  /** Until TCP stands; 10. */
  readonly connectTimeout?: number;
  /** From TCP to login; 20. */
  readonly handshakeTimeout?: number;
  /** From login to the root shell's first word; 30. */
  readonly openTimeout?: number;
  /** How often a host that refuses, or closes before the handshake, is tried; 4. */
  readonly tries?: number;
  /** To get a lost connection back; 300. */
  readonly reconnect?: number;
  /** That an answer may take beyond the command's time limit; 30. */
  readonly patience?: number;
  /** Of a silent deployer, after which the host frees its lock; 60. */
  readonly silence?: number;
  /** Bytes of output that are kept of one command; 16 MiB, and as much of error output. */
  readonly maxOutput?: number;
  /** The directory on the host; /run/cellwise. Tests on one machine have several. */
  readonly base?: string;
}

interface Limits {
  readonly connectTimeout: number;
  readonly handshakeTimeout: number;
  readonly tries: number;
}

/** A target with nothing left open. */
interface Resolved extends SshTarget {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly identities: readonly string[];
  readonly knownHosts: readonly string[];
  /** Whether someone named the identities, or they are OpenSSH's defaults. */
  readonly named: boolean;
}

/** How many handshakes may be under way to one sshd (its MaxStartups begins to refuse at 10), and in all. */
const handshakesPerHost = 8;
const handshakesInAll = 64;

/**
 * What the connections of a run share: files that are read once, the limits on handshakes, and connections to bastions,
 * which live as long as a host behind them is connected.
 */
export class Shared {
  readonly identities = new Identities();
  readonly #all = new Gate(handshakesInAll);
  readonly #gates = new Map<string, Gate>();
  readonly #texts = new Map<string, Promise<string>>();
  readonly #known = new Map<string, Promise<KnownHosts>>();
  readonly #bastions = new Map<string, { readonly transport: Promise<SshTransport>; users: number }>();

  /** Waits for a turn to shake hands with one sshd. */
  handshake<T>(sshd: string, work: () => Promise<T>): Promise<T> {
    const gate = this.#gates.get(sshd) ?? new Gate(handshakesPerHost);
    this.#gates.set(sshd, gate);
    return gate.pass(() => this.#all.pass(work));
  }

  /** The text of a file; empty when there is none. */
  text(path: string): Promise<string> {
    const text = this.#texts.get(path) ?? readFile(path, 'utf8').catch(() => '');
    this.#texts.set(path, text);
    return text;
  }

  knownHosts(paths: readonly string[]): Promise<KnownHosts> {
    const key = paths.join('\n');
    const known = this.#known.get(key) ?? Promise.all(paths.map((path) => this.text(path))).then((texts) => new KnownHosts(texts));
    this.#known.set(key, known);
    return known;
  }

  /** The connection to a bastion, opened by whoever needs it first. `release` it when done. */
  async bastion(key: string, open: () => Promise<SshTransport>): Promise<{ transport: SshTransport; release: () => void }> {
    const entry = this.#bastions.get(key) ?? { transport: open(), users: 0 };
    this.#bastions.set(key, entry);
    entry.users++;
    const forget = () => {
      if (this.#bastions.get(key) === entry) this.#bastions.delete(key);
    };
    const release = () => {
      if (--entry.users > 0) return;
      forget();
      entry.transport.then(
        (transport) => {
          transport.close();
        },
        () => undefined,
      );
    };
    try {
      const transport = await entry.transport;
      void transport.closed.then(forget);
      return { transport, release: once(release) };
    } catch (error) {
      forget();
      throw error;
    }
  }
}

/**
 * Connects to a host and opens its root shell. Rejects with Unreachable, whose `reason` is one of dns, refused, timeout,
 * no-route, host-key-unknown, host-key-changed, auth, sudo-password, sudo-denied, sudo-tty, not-root, no-shell, protocol,
 * lost, config; docs/ssh.md tells what to do about each.
 */
export async function connect(target: SshTarget, options: ConnectOptions = {}): Promise<Shell> {
  const shared = options.shared ?? new Shared();
  const limits = {
    connectTimeout: options.connectTimeout ?? 10,
    handshakeTimeout: options.handshakeTimeout ?? 20,
    tries: options.tries ?? 4,
  };
  const resolved = await resolveTarget(target, shared);
  const maxOutput = options.maxOutput ?? 16 * 1024 * 1024;
  const shell = new TransportShell(() => reach(resolved, limits, shared), {
    host: target.name,
    user: resolved.user,
    sudo: target.sudo ?? 'no',
    root: true,
    base: options.base ?? '/run/cellwise',
    maxOut: maxOutput,
    maxErr: maxOutput,
    openTimeout: options.openTimeout ?? 30,
    reconnect: options.reconnect ?? 300,
    patience: options.patience ?? 30,
    silence: options.silence ?? 60,
  });
  options.early?.(shell);
  await shell.open();
  return shell;
}

async function resolveTarget(target: SshTarget, shared: Shared): Promise<Resolved> {
  const local = { home: homedir(), user: userInfo().username };
  try {
    const filled = target.sshConfig === undefined ? target : resolve(target, await shared.text(tilde(target.sshConfig)), local);
    return complete(filled);
  } catch (error) {
    throw new Unreachable(target.name, 'config', `${target.sshConfig ?? ''}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const defaultIdentities = ['~/.ssh/id_ed25519', '~/.ssh/id_ecdsa', '~/.ssh/id_rsa'];
const defaultKnownHosts = ['~/.ssh/known_hosts', '/etc/ssh/ssh_known_hosts'];

function complete(target: SshTarget): Resolved {
  return {
    ...target,
    address: target.address ?? target.name,
    port: target.port ?? 22,
    user: target.user ?? 'root',
    identities: (target.identities ?? defaultIdentities).map(tilde),
    knownHosts: (target.knownHosts ?? defaultKnownHosts).map(tilde),
    named: target.identities !== undefined,
  };
}

function tilde(path: string): string {
  return path.replace(/^~(?=\/)/, homedir());
}

/** An SSH connection that stands. Waits, with growing pauses, for a host that refuses for the moment. */
async function reach(target: Resolved, limits: Limits, shared: Shared): Promise<SshTransport> {
  const known = await knownKeys(target, shared);
  const auth = await shared.identities.offers(target, target.named);
  const to: Destination = { host: target.name, address: target.address, port: target.port, user: target.user };
  if (auth.offers.length === 0) throw authFailure(to, [], auth.problems);
  for (let attempt = 1; ; attempt++) {
    try {
      return await shared.handshake(wayTo(target), () => connectOnce(target, to, known, auth, limits, shared));
    } catch (error) {
      if (!(error instanceof Unreachable) || error.reason !== 'refused' || attempt >= limits.tries) throw error;
      await delay(250 * 2 ** (attempt - 1) * (0.5 + Math.random()));
    }
  }
}

function wayTo(target: Resolved): string {
  const end = `${target.user}@${target.address}:${target.port}`;
  return target.bastion ? `${wayTo(complete(target.bastion))} ${end}` : end;
}

type Known = ReturnType<KnownHosts['find']>;

async function knownKeys(target: Resolved, shared: Shared): Promise<Known> {
  if (target.hostKeys && target.hostKeys.length > 0) {
    const keys = target.hostKeys.map((text) => {
      const key = parseHostKey(text);
      if (key) return key;
      throw new Unreachable(target.name, 'config', `A host key pinned for ${target.name} is no OpenSSH public key: ${text.slice(0, 60)}`);
    });
    return { keys, revoked: [] };
  }
  const files = await shared.knownHosts(target.knownHosts);
  return files.find([...hostNames(target.address, target.port), ...hostNames(target.name, target.port)]);
}

async function connectOnce(
  target: Resolved,
  to: Destination,
  known: Known,
  auth: Offers,
  limits: Limits,
  shared: Shared,
): Promise<SshTransport> {
  if (target.bastion === undefined) return logIn(await tcp(to, limits), target, to, known, auth, limits, () => undefined);
  const bastion = complete(target.bastion);
  const { transport, release } = await shared
    .bastion(wayTo(bastion), () => reach(bastion, limits, shared))
    .catch((error: unknown) => {
      throw behind(target, error);
    });
  try {
    const socket = await within(limits.connectTimeout, transport.dial(target.address, target.port), () => timedOut(to));
    return await logIn(socket, target, to, known, auth, limits, release);
  } catch (error) {
    release();
    throw error instanceof Unreachable ? error : forwardFailure(to, bastion, error);
  }
}

/** What fails at a bastion is told as the failure of the host behind it. */
function behind(target: Resolved, error: unknown): unknown {
  if (!(error instanceof Unreachable)) return error;
  return new Unreachable(target.name, error.reason, `The bastion of ${target.name} cannot be used: ${error.message}`, error.hint);
}

function forwardFailure(to: Destination, bastion: Resolved, error: unknown): Unreachable {
  const said = error instanceof Error ? error.message : String(error);
  const words: readonly (readonly [RegExp, string])[] = [
    [/refused/i, 'ECONNREFUSED'],
    [/timed out/i, 'ETIMEDOUT'],
    [/no route|unreachable/i, 'EHOSTUNREACH'],
    [/resol|not known|no address/i, 'ENOTFOUND'],
  ];
  const code = words.find(([pattern]) => pattern.test(said))?.[1];
  const failure = code === undefined ? undefined : socketFailure(to, Object.assign(new Error(said), { code }));
  const { reason, hint } = failure ?? { reason: 'no-route', hint: 'Does sshd of the bastion allow TCP forwarding (AllowTcpForwarding)?' };
  return new Unreachable(
    to.host,
    reason,
    `From the bastion ${bastion.name} no connection leads to ${to.host} (${to.address} port ${to.port}): ${said}`,
    hint,
  );
}

function timedOut(to: Destination): Unreachable {
  return socketFailure(to, Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' }));
}

async function within<T>(seconds: number, work: Promise<T>, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const bell = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(late());
    }, seconds * 1000);
  });
  try {
    return await Promise.race([work, bell]);
  } finally {
    clearTimeout(timer);
  }
}

function tcp(to: Destination, limits: Limits): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // Nagle's algorithm makes each step of a handshake wait for the other side's delayed acknowledgement: 5 times slower.
    const socket = connectTcp({ host: to.address, port: to.port, noDelay: true });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(timedOut(to));
    }, limits.connectTimeout * 1000);
    const failed = (error: Error) => {
      clearTimeout(timer);
      reject(socketFailure(to, error));
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', failed);
      // An error between here and ssh2's own listeners must find someone.
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}

/** The SSH handshake and login over a stream that stands. `gone` is called when the connection has ended, however. */
function logIn(
  socket: Duplex,
  target: Resolved,
  to: Destination,
  known: Known,
  auth: Offers,
  limits: Limits,
  gone: () => void,
): Promise<SshTransport> {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    const login = new Login(target, to, known, auth);
    let ended = false;
    const fail = (error: Unreachable) => {
      reject(error);
      client.destroy();
      socket.destroy();
    };
    client.on('ready', () => {
      resolve(new SshTransport(client, to));
    });
    client.on('error', (error: SshError) => {
      // An agent that fails is passed over by ssh2; all else is the end.
      if (error.level === 'agent') login.problems.push(`the agent fails to sign (${error.message})`);
      else fail(login.failure(error));
    });
    client.on('close', () => {
      if (!ended) gone();
      ended = true;
      fail(login.closed());
    });
    client.on('handshake', () => {
      login.shaken = true;
    });
    try {
      client.connect(login.config(socket, limits));
    } catch (error) {
      fail(login.failure(error instanceof Error ? error : new Error(String(error))));
    }
  });
}

/** What is known while one connection logs in. */
class Login {
  shaken = false;
  readonly problems: string[];
  readonly #target: Resolved;
  readonly #to: Destination;
  readonly #known: Known;
  readonly #queue: Offers['offers'][number][];
  readonly #offered: string[] = [];
  #refused: Unreachable | undefined;

  constructor(target: Resolved, to: Destination, known: Known, auth: Offers) {
    this.#target = target;
    this.#to = to;
    this.#known = known;
    this.#queue = [...auth.offers];
    this.problems = [...auth.problems];
  }

  config(socket: Duplex, limits: Limits): ConnectConfig {
    return {
      sock: socket,
      username: this.#target.user,
      readyTimeout: limits.handshakeTimeout * 1000,
      keepaliveInterval: 10_000,
      keepaliveCountMax: 3,
      algorithms: {
        serverHostKey: algorithmOrder(this.#known.keys) as ServerHostKeyAlgorithm[],
        // In Node these are by far the fastest; ssh2 prefers ChaCha20 where its addon could not look at the processor.
        cipher: { prepend: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'], append: [], remove: [] },
      },
      hostVerifier: (key: Buffer) => this.#accepts(wireKey(key)),
      // Never `none`, never a password, and each key once: sshd counts failures against our address.
      authHandler: (left, partial, next) => {
        const offer = this.#queue.shift();
        if (partial) this.problems.push('the key is accepted, but a second factor is asked for');
        if (offer === undefined || partial || (Array.isArray(left) && !left.includes('publickey'))) {
          if (Array.isArray(left) && !left.includes('publickey')) this.problems.push(`sshd allows only ${left.join(', ')}`);
          // ssh2 takes `false` for an end, which its types leave out.
          (next as (method: unknown) => void)(false);
          return;
        }
        this.#offered.push(offer.name);
        next(offer.method);
      },
    };
  }

  failure(error: SshError): Unreachable {
    if (this.#refused) return this.#refused;
    if (error.level === 'client-authentication') return authFailure(this.#to, this.#offered, this.problems);
    return sshFailure(this.#to, error, this.#offered);
  }

  /** Closed without a word of why. */
  closed(): Unreachable {
    if (this.#refused) return this.#refused;
    return this.shaken ? authFailure(this.#to, this.#offered, [...this.problems, 'sshd closed the connection']) : droppedEarly(this.#to);
  }

  #accepts(key: HostKey): boolean {
    const verdict = judge(key, this.#known);
    if (verdict === 'known') return true;
    this.#refused = hostKeyFailure(this.#target, key, verdict, this.#known);
    return false;
  }
}

function hostKeyFailure(target: Resolved, key: HostKey, verdict: Exclude<Verdict, 'known'>, known: Known): Unreachable {
  const [name = target.address] = hostNames(target.address, target.port);
  const pinned = target.hostKeys !== undefined && target.hostKeys.length > 0;
  const place = pinned ? 'the inventory' : (target.knownHosts[0] ?? 'known_hosts');
  const shown = `${key.type} ${sha256(key)}`;
  if (verdict === 'unknown') {
    const line = `${name} ${key.type} ${key.blob}`;
    const hint = `Compare the fingerprint with \`ssh-keygen -lf\` on the host's console, then: echo '${line}' >> ${place}`;
    return new Unreachable(target.name, 'host-key-unknown', `The host key of ${target.name} (${name}) is unknown: ${shown}`, hint);
  }
  if (verdict === 'revoked') {
    return new Unreachable(target.name, 'host-key-changed', `The host key of ${target.name} (${name}) is marked as revoked: ${shown}`);
  }
  const expected = known.keys.map((k) => `${k.type} ${sha256(k)}`).join(', ');
  const message = `The host key of ${target.name} (${name}) is not the one in ${place}: it shows ${shown}, expected is ${expected}`;
  const hint = pinned
    ? 'Someone may be in between. If the host was installed anew, correct its host key in the inventory.'
    : `Someone may be in between. If the host was installed anew: ssh-keygen -R '${name}' -f ${place}`;
  return new Unreachable(target.name, 'host-key-changed', message, hint);
}

/** A Transport over one ssh2 connection. */
class SshTransport implements Transport {
  /** Settles when the connection has ended. */
  readonly closed: Promise<void>;
  readonly #client: ssh2.Client;
  readonly #to: Destination;
  #error: string | undefined;
  #over = false;

  constructor(client: ssh2.Client, to: Destination) {
    this.#client = client;
    this.#to = to;
    client.on('error', (error) => {
      this.#error ??= error.message;
    });
    this.closed = new Promise((resolve) => {
      client.on('close', () => {
        this.#over = true;
        resolve();
      });
    });
  }

  exec(command: string): Promise<Channel> {
    return this.#ask((done) => this.#client.exec(command, done)).then((stream) => this.#channel(stream as ClientChannel));
  }

  dial(address: string, port: number): Promise<Duplex> {
    return this.#ask((done) => this.#client.forwardOut('127.0.0.1', 0, address, port, done)).then((stream) => {
      // Whoever uses the connection listens for its errors too; until then they must not end the process.
      stream.on('error', () => undefined);
      return stream;
    });
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#client.end();
    setTimeout(() => {
      this.#client.destroy();
    }, 1000).unref();
  }

  #ask(start: (done: (error: Error | undefined, stream: ClientChannel) => void) => void): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      void this.closed.then(() => {
        reject(this.#lost());
      });
      try {
        start((error, stream) => {
          if (error) reject(error);
          else resolve(stream);
        });
      } catch {
        // ssh2 throws when the connection is no more.
        reject(this.#lost());
      }
    });
  }

  #channel(stream: ClientChannel): Channel {
    const ignore = () => undefined;
    stream.on('error', ignore);
    stream.stderr.on('error', ignore);
    const closed = new Promise<Ending>((resolve) => {
      let ending: Ending = {};
      stream.on('exit', (code: number | null, signal?: string) => {
        ending = { code: code ?? undefined, signal };
      });
      stream.on('close', () => {
        resolve(ending);
      });
      void this.closed.then(() => {
        resolve({ ...ending, error: this.#error ?? 'the connection was closed' });
      });
    });
    return {
      input: stream,
      output: stream,
      errors: stream.stderr,
      closed,
      destroy: () => {
        stream.destroy();
        stream.resume();
        stream.stderr.resume();
      },
    };
  }

  #lost(): Unreachable {
    return new Unreachable(this.#to.host, 'lost', `The connection to ${this.#to.host} was lost: ${this.#error ?? 'it was closed'}`);
  }
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (!done) work();
    done = true;
  };
}
