import { readFile } from 'node:fs/promises';
import { Gate } from './gate.ts';
import { KnownHosts, parseHostKey, type HostKey } from './host-keys.ts';
import { Identities } from './identities.ts';
import type { SshTransport } from './ssh-transport.ts';
import type { SshTarget } from './target.ts';

/** How many handshakes may be under way to one sshd (its MaxStartups begins to refuse at 10), and in all. */
const handshakesPerHost = 8;
const handshakesInAll = 64;

/**
 * What the connections of a run share: files that are read once, the limits on handshakes, and connections to bastions,
 * which live as long as a host behind them is connected.
 */
export class Shared {
  readonly identities = new Identities();
  readonly #note: (text: string) => void;
  readonly #told = new Set<string>();
  readonly #all = new Gate(handshakesInAll);
  readonly #gates = new Map<string, Gate>();
  readonly #texts = new Map<string, Promise<string>>();
  readonly #known = new Map<string, Promise<KnownHosts>>();
  readonly #bastions = new Map<string, { readonly transport: Promise<SshTransport>; users: number }>();

  /** `note` is told what the user of ssh_config should know. */
  constructor(note: (text: string) => void = () => undefined) {
    this.#note = note;
  }

  /** Waits for a turn to shake hands with one sshd. */
  handshake<T>(sshd: string, work: () => Promise<T>): Promise<T> {
    const gate = this.#gates.get(sshd) ?? new Gate(handshakesPerHost);
    this.#gates.set(sshd, gate);
    return gate.pass(() => this.#all.pass(work));
  }

  /** The text of a file; empty when there is none. One that cannot be read may hold revocations, so it is an error. */
  text(path: string): Promise<string> {
    const text =
      this.#texts.get(path) ??
      readFile(path, 'utf8').catch((error: unknown) => {
        if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
        throw error;
      });
    this.#texts.set(path, text);
    return text;
  }

  /** The keys of a file that ssh_config names under RevokedHostKeys. OpenSSH, too, trusts nobody when it cannot be read. */
  async revokedKeys(path: string): Promise<readonly HostKey[]> {
    const text = await readFile(path, 'utf8');
    if (text.startsWith('SSHKRL'))
      throw new Error(`RevokedHostKeys ${path} is a binary list (KRL), which Cellwise does not read: list public keys`);
    const lines = text.split('\n').filter((line) => !/^\s*(#|$)/.test(line));
    return lines.map((line) => {
      const key = parseHostKey(line);
      if (key) return key;
      throw new Error(`RevokedHostKeys ${path} has a line that is no public key: ${line.slice(0, 60)}`);
    });
  }

  /** Says once for each word of ssh_config that it is not heeded. */
  tellUnheeded({ name, sshConfig, unheeded = [] }: SshTarget): void {
    for (const word of unheeded) {
      if (!this.#told.has(word)) this.#note(`${sshConfig} says ${word} for ${name}, which Cellwise does not heed (docs/ssh.md).`);
      this.#told.add(word);
    }
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
