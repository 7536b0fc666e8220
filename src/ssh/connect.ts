import { connect as connectTcp, type Socket } from 'node:net';
import { homedir, userInfo } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Unreachable, type Shell } from '../base/shell.ts';
import { authFailure, socketFailure, type Destination } from './failures.ts';
import { hostNames, parseHostKey, type HostKey, type Known } from './host-keys.ts';
import type { Offers } from './identities.ts';
import { logIn } from './login.ts';
import { Shared } from './shared.ts';
import { TransportShell } from './shell.ts';
import type { Local } from './ssh-config.ts';
import type { SshTransport } from './ssh-transport.ts';
import type { Resolved, SshTarget } from './target.ts';

export { Shared } from './shared.ts';
export type { SshTarget, Sudo } from './target.ts';

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
    sudo: target.sudo ?? (resolved.user === 'root' ? 'no' : 'passwordless'),
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
  const filled = await readable(target, async () => {
    const config = target.sshConfig === undefined ? '' : await shared.text(tilde(target.sshConfig));
    // Many have none: its parser is loaded for those who do.
    return config === '' ? target : (await import('./ssh-config.ts')).resolve(target, config, local());
  });
  shared.tellUnheeded(filled);
  const { bastion, ...own } = filled;
  if (bastion === undefined) return complete(own);
  const through = await resolveTarget(bastion, shared).catch((error: unknown) => {
    throw behind(target, error);
  });
  return { ...complete(own), bastion: through };
}

function local(): Local {
  return { home: homedir(), user: userInfo().username, env: process.env };
}

/** What goes wrong with files and values of this side is told as a mistake in the configuration. */
async function readable<T>(target: SshTarget, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new Unreachable(target.name, 'config', `The SSH configuration for ${target.name} cannot be used: ${words}`);
  }
}

const defaultIdentities = ['~/.ssh/id_ed25519', '~/.ssh/id_ecdsa', '~/.ssh/id_rsa'];
const defaultUserKnownHosts = ['~/.ssh/known_hosts', '~/.ssh/known_hosts2'];
const defaultGlobalKnownHosts = ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2'];

function complete(target: Omit<SshTarget, 'bastion'>): Omit<Resolved, 'bastion'> {
  const user = target.userKnownHosts ?? defaultUserKnownHosts;
  const global = target.globalKnownHosts ?? defaultGlobalKnownHosts;
  return {
    ...target,
    address: target.address ?? target.name,
    port: target.port ?? 22,
    user: target.user ?? 'root',
    identities: (target.identities ?? defaultIdentities).map(tilde),
    agent: target.agent === undefined ? (target.defaultAgent ?? null) : target.agent,
    knownHosts: [...(target.knownHosts ?? user), ...global].map(tilde),
    revocations: [...(target.knownHosts ?? []), ...user, ...global].map(tilde),
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
  return target.bastion ? `${wayTo(target.bastion)} ${end}` : end;
}

async function knownKeys(target: Resolved, shared: Shared): Promise<Known> {
  const names = [...hostNames(target.address, target.port), ...hostNames(target.name, target.port)];
  return readable(target, async () => {
    const { revoked } = (await shared.knownHosts(target.revocations)).find(names);
    const lists = await Promise.all((target.revokedHostKeys ?? []).map((path) => shared.revokedKeys(tilde(path))));
    const never = [...revoked, ...lists.flat()];
    if (target.hostKeys && target.hostKeys.length > 0) return { keys: target.hostKeys.map(pinned), revoked: never, authority: false };
    return { ...(await shared.knownHosts(target.knownHosts)).find(names), revoked: never };
  });
}

function pinned(text: string): HostKey {
  const key = parseHostKey(text);
  if (key) return key;
  throw new Error(`its pinned host key is no OpenSSH public key: ${text.slice(0, 60)}`);
}

async function connectOnce(
  target: Resolved,
  to: Destination,
  known: Known,
  auth: Offers,
  limits: Limits,
  shared: Shared,
): Promise<SshTransport> {
  if (target.bastion === undefined) return logIn(await tcp(to, limits), target, to, known, auth, limits.handshakeTimeout, () => undefined);
  const { bastion } = target;
  const { transport, release } = await shared
    .bastion(wayTo(bastion), () => reach(bastion, limits, shared))
    .catch((error: unknown) => {
      throw behind(target, error);
    });
  try {
    const socket = await within(limits.connectTimeout, transport.dial(target.address, target.port), () => timedOut(to));
    return await logIn(socket, target, to, known, auth, limits.handshakeTimeout, release);
  } catch (error) {
    release();
    throw error instanceof Unreachable ? error : forwardFailure(to, bastion, error);
  }
}

/** What fails at a bastion is told as the failure of the host behind it. */
function behind(target: SshTarget, error: unknown): unknown {
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
