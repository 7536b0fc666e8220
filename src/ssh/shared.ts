import { readFile } from 'node:fs/promises';
import { Gate } from './gate.ts';
import { KnownHosts } from './host-keys.ts';
import { Identities } from './identities.ts';
import type { SshTransport } from './ssh-transport.ts';

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

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (!done) work();
    done = true;
  };
}
