import { printable } from '../base/printable.ts';
import { Unreachable } from '../base/shell.ts';
import type { Ending } from './channel.ts';
import type { Sudo } from './target.ts';

/** Words that came from a host, made fit for a terminal: printable ASCII, at most 200 characters. */
export function plain(text: string): string {
  return printable(text)
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 200);
}

/** A login that is to become a root shell. */
export interface Attempt {
  readonly host: string;
  readonly user: string;
  readonly sudo: Sudo;
  /** Seconds until the shell must have said its first word. */
  readonly openTimeout: number;
}

/** What a login said before the shell was there: the last 4 KiB of each stream, and how often sudo asked. */
export interface Heard {
  readonly out: string;
  readonly err: string;
  readonly prompts: number;
}

type Why = Ending | 'late' | 'not-root' | 'wrong-password';

interface Sentence {
  readonly reason: string;
  readonly message: string;
  readonly hint: string;
}

/** The Unreachable for a login that worked and a root shell that did not come of it. */
export function loginFailure(options: Attempt, heard: Heard, why: Why): Unreachable {
  const { host, user } = options;
  const { reason, message, hint } = sentence(options, heard, why);
  return new Unreachable(host, reason, `${message} (${user}@${host})`, hint);
}

function sentence(options: Attempt, heard: Heard, why: Why): Sentence {
  const { user, sudo } = options;
  if (why === 'wrong-password') {
    return {
      reason: 'sudo-password',
      message: 'sudo does not accept the password',
      hint: `Try it by hand: log in as ${user}, then \`sudo -k true\`.`,
    };
  }
  if (why === 'not-root') {
    return {
      reason: 'not-root',
      message: `${user} is not root, and sudo is off`,
      hint: 'Switch sudo on in the inventory, or log in as root.',
    };
  }
  const known = sudo === 'no' ? undefined : ofSudo(heard.err, options);
  if (known !== undefined) return known;
  const last = lastLine(heard);
  const said = last === '' ? '' : `; it says ${JSON.stringify(last)}`;
  if (why === 'late') {
    if (typeof sudo === 'object' && heard.prompts === 0 && heard.err !== '') return askedElse(said);
    return {
      reason: 'timeout',
      message: `The login works, but no shell answers within ${options.openTimeout} seconds${said}`,
      hint: 'Log in by hand: does the profile ask something, or wait for a slow disk or network?',
    };
  }
  if (why.error !== undefined && why.code === undefined) {
    return {
      reason: /open failed|unable to exec/i.test(why.error) ? 'no-shell' : 'lost',
      message: `The login works, but no shell can be had: ${plain(why.error)}`,
      hint: 'Look at the journal of sshd on the host (MaxSessions, ForceCommand, restrictions in authorized_keys).',
    };
  }
  const code = why.signal === undefined ? (why.code === undefined ? '' : ` with code ${why.code}`) : ` by signal ${why.signal}`;
  return {
    reason: 'no-shell',
    message: `The login works, but its shell closes at once${code}${said}`,
    hint: `Give ${user} a login shell that can run commands (\`chsh\`), and look for a ForceCommand or a \`command=\` in authorized_keys.`,
  };
}

const sudoWords: readonly { readonly words: RegExp; readonly reason: string; readonly message: string; readonly hint: string }[] = [
  {
    words: /must have a tty/i,
    reason: 'sudo-tty',
    message: 'sudo wants a terminal (requiretty)',
    hint: 'Add `Defaults:USER !requiretty` to /etc/sudoers.d/cellwise on the host.',
  },
  {
    words: /incorrect password|sorry, try again|authentication fail|no password was provided/i,
    reason: 'sudo-password',
    message: 'sudo does not accept the password',
    hint: 'Try it by hand: log in as USER, then `sudo -k true`.',
  },
  {
    words: /a password is required|interactive authentication is required|a terminal is required/i,
    reason: 'sudo-password',
    message: 'sudo asks for a password',
    hint: 'Give the password in the inventory as a secret, or allow `USER ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d/cellwise.',
  },
  {
    words: /not in the sudoers|not allowed to|may not run sudo|I'm afraid I can't do that|account validation failure/i,
    reason: 'sudo-denied',
    message: 'sudo refuses to run a shell as root',
    hint: 'Allow `USER ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d/cellwise on the host.',
  },
  {
    words: /sudo: (command )?not found|unknown command:? '?sudo|sudo: no such file/i,
    reason: 'sudo-denied',
    message: 'There is no sudo on the host',
    hint: 'Install sudo, or log in as root.',
  },
];

function ofSudo(said: string, options: Attempt): Sentence | undefined {
  const found = sudoWords.find(({ words }) => words.test(said));
  return found && { ...found, hint: found.hint.replaceAll('USER', options.user) };
}

function askedElse(said: string): Sentence {
  return {
    reason: 'sudo-password',
    message: `sudo asks something else than a password${said}`,
    hint: 'A second factor cannot be given here: exempt this user from it for sudo.',
  };
}

function lastLine({ out, err }: Heard): string {
  const last = (text: string) => text.trim().split('\n').at(-1) ?? '';
  return plain(last(err) || last(out));
}

/** Where a connection was meant to go, as messages name it. */
export interface Destination {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly user: string;
}

/** The Unreachable for a TCP connection that did not come about. */
export function socketFailure(to: Destination, error: NodeJS.ErrnoException): Unreachable {
  const where = `${to.address} port ${to.port}`;
  switch (codeOf(error)) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
    case 'EAI_NODATA':
      return new Unreachable(
        to.host,
        'dns',
        `The name ${to.address} of ${to.host} has no address`,
        'Correct `address` in the inventory, or the DNS.',
      );
    case 'ECONNREFUSED':
      return new Unreachable(to.host, 'refused', `${to.host} refuses connections (${where})`, 'Does sshd run there, on this port?');
    case 'ETIMEDOUT':
      return new Unreachable(
        to.host,
        'timeout',
        `${to.host} does not answer (${where})`,
        'Is it on, and does a firewall drop the packets?',
      );
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
    case 'ENETDOWN':
    case 'EADDRNOTAVAIL':
    case 'EACCES':
    case 'EPERM':
      return new Unreachable(
        to.host,
        'no-route',
        `No way leads to ${to.host} (${where}): ${error.message}`,
        'Look at routes and firewalls, or name a bastion.',
      );
    case 'ECONNRESET':
    case 'EPIPE':
      return droppedEarly(to);
    default:
      return new Unreachable(to.host, 'lost', `The connection to ${to.host} failed (${where}): ${error.message}`);
  }
}

/** Closed after TCP and before SSH's first line: sshd's MaxStartups or PerSourcePenalties, a proxy without a backend, a boot under way. */
export function droppedEarly(to: Destination): Unreachable {
  return new Unreachable(
    to.host,
    'refused',
    `${to.host} closes connections before the SSH handshake (${to.address} port ${to.port})`,
    'sshd may be penalising this address after failed logins (PerSourcePenalties), be full (MaxStartups), or be starting.',
  );
}

/** What ssh2 says when it gives up. */
export interface SshError extends Error {
  readonly level?: string;
  readonly code?: number | string;
}

/** The Unreachable for an SSH connection that fails after TCP stands. `offered` names the keys that were tried. */
export function sshFailure(to: Destination, error: SshError, offered: readonly string[]): Unreachable {
  if (/before handshake/i.test(error.message)) return droppedEarly(to);
  if (error.level === 'client-timeout') {
    const message = `The SSH handshake with ${to.host} takes too long (${to.address} port ${to.port})`;
    return new Unreachable(to.host, 'timeout', message, 'Is the host overloaded, or is what listens there no sshd?');
  }
  if (error.level === 'client-socket') return socketFailure(to, error as NodeJS.ErrnoException);
  if (error.level === 'client-authentication') return authFailure(to, offered, []);
  const missing = /no matching (?:C->S |S->C )?([\w ]+)/i.exec(error.message)?.[1];
  if (missing !== undefined) return nothingInCommon(to, missing);
  // ssh2 tells a server's refusal to go on after too many keys by sshd's own words.
  if (/too many authentication/i.test(error.message)) return authFailure(to, offered, []);
  const message = `${to.host} does not speak SSH as it should (${to.address} port ${to.port}): ${plain(error.message)}`;
  return new Unreachable(to.host, 'protocol', message, 'Is the port right, and is what listens there an sshd?');
}

/** What sshd must accept as well, by ssh2's words for it. */
const remedies: Readonly<Record<string, readonly [word: string, algorithm: string]>> = {
  'key exchange algorithm': ['KexAlgorithms', 'curve25519-sha256'],
  'host key format': ['HostKeyAlgorithms', 'ssh-ed25519, or rsa-sha2-512'],
  cipher: ['Ciphers', 'aes128-gcm@openssh.com'],
  MAC: ['MACs', 'hmac-sha2-256-etm@openssh.com'],
};

function nothingInCommon(to: Destination, missing: string): Unreachable {
  const [word, algorithm] = remedies[missing] ?? ['Compression', 'no'];
  const hint = `Let sshd on ${to.host} accept ${algorithm} (${word} in sshd_config). Algorithms with SHA-1 or CBC are never offered, and post-quantum ones are not known.`;
  return new Unreachable(to.host, 'protocol', `${to.host} and Cellwise have no ${missing} in common (${to.address} port ${to.port})`, hint);
}

/** No key was accepted, or none could be offered; `problems` tells of keys that could not be read. */
export function authFailure(to: Destination, offered: readonly string[], problems: readonly string[]): Unreachable {
  const tried = offered.length > 0 ? `refuses the keys ${offered.join(', ')}` : 'was offered no key';
  const also = problems.length > 0 ? `; ${problems.join('; ')}` : '';
  const hint =
    offered.length > 0
      ? `Add one of these keys to ~${to.user}/.ssh/authorized_keys on the host, or name another key in the inventory.`
      : 'Name an identity in the inventory, or start an agent that has one.';
  return new Unreachable(to.host, 'auth', `${to.host} ${tried} for the user ${to.user}${also}`, hint);
}

function codeOf(error: NodeJS.ErrnoException): string | undefined {
  // Several addresses were tried: the last one's failure stands for all.
  const errors: readonly NodeJS.ErrnoException[] = error instanceof AggregateError ? error.errors : [];
  return errors.at(-1)?.code ?? error.code;
}

/** Why sshd makes no connection onwards from a host. Reason 1 (RFC 4254, 5.1): it is not allowed to, whatever is at the other end. */
export function dialFailure(host: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('reason' in error) || error.reason !== 1) return error;
  return new Error(
    `sshd of ${host} forwards no connections, and its APIs are reached by these: write \`AllowTcpForwarding local\` in its sshd_config and reload it`,
    { cause: error },
  );
}
