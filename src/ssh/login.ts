import type { Duplex } from 'node:stream';
import ssh2, { type ConnectConfig } from 'ssh2';
import { Unreachable } from '../base/shell.ts';
import { algorithmsFor } from './algorithms.ts';
import { authFailure, droppedEarly, plain, sshFailure, type Destination, type SshError } from './failures.ts';
import { hostNames, judge, sha256, wireKey, type HostKey, type Known, type Verdict } from './host-keys.ts';
import type { Offers } from './identities.ts';
import { SshTransport } from './ssh-transport.ts';
import type { Resolved } from './target.ts';

/** The SSH handshake and login over a stream that stands. `gone` is called when the connection has ended, however. */
export function logIn(
  socket: Duplex,
  target: Resolved,
  to: Destination,
  known: Known,
  auth: Offers,
  handshakeTimeout: number,
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
      client.connect(login.config(socket, handshakeTimeout));
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

  config(socket: Duplex, handshakeTimeout: number): ConnectConfig {
    return {
      sock: socket,
      username: this.#target.user,
      readyTimeout: handshakeTimeout * 1000,
      keepaliveInterval: 10_000,
      keepaliveCountMax: 3,
      algorithms: algorithmsFor(this.#known.keys, this.#target.algorithms),
      hostVerifier: (key: Buffer) => this.#accepts(wireKey(key)),
      // Never `none`, never a password, and each key once: sshd counts failures against our address.
      authHandler: (left, partial, next) => {
        const offer = this.#queue.shift();
        if (partial) this.problems.push('the key is accepted, but a second factor is asked for');
        if (offer === undefined || partial || (Array.isArray(left) && !left.includes('publickey'))) {
          if (Array.isArray(left) && !left.includes('publickey')) this.problems.push(`sshd allows only ${plain(left.join(', '))}`);
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
  const place = target.knownHosts[0] ?? 'known_hosts';
  const shown = `${key.type} ${sha256(key)}`;
  if (verdict === 'unknown') {
    const line = `${name} ${key.type} ${key.blob}`;
    const authority = known.authority ? ' (A certificate authority is known for it; Cellwise reads no host certificates.)' : '';
    const hint = `Compare the fingerprint with \`ssh-keygen -lf\` on the host's console, then: echo '${line}' >> ${place}`;
    return new Unreachable(
      target.name,
      'host-key-unknown',
      `The host key of ${target.name} (${name}) is unknown: ${shown}${authority}`,
      hint,
    );
  }
  if (verdict === 'revoked') {
    const hint = 'Whoever holds that key can pose as this host: give it a new one (`ssh-keygen -A`), and do not take the revocation away.';
    return new Unreachable(
      target.name,
      'host-key-changed',
      `The host key of ${target.name} (${name}) is marked as revoked: ${shown}`,
      hint,
    );
  }
  const expected = known.keys.map((k) => `${k.type} ${sha256(k)}`).join(', ');
  const message = `The host key of ${target.name} (${name}) is not the one in ${pinned ? 'the inventory' : 'known_hosts'}: it shows ${shown}, expected is ${expected}`;
  const hint = pinned
    ? 'Someone may be in between. If the host was installed anew, correct its host key in the inventory.'
    : `Someone may be in between. If the host was installed anew: ssh-keygen -R '${name}' -f ${place}, or the file that has the old key`;
  return new Unreachable(target.name, 'host-key-changed', message, hint);
}
