import { Unreachable, type Holder, type Shell } from '../base/shell.ts';
import type { EarlyShell, Open } from './work.ts';

/**
 * Shells that outlive the runs that use them: an upgrade is many runs over the same hosts, and each would connect and lock
 * anew. A host that is lost is connected to again by whoever asks next.
 */
export class Shells {
  readonly #open: Open;
  readonly #shells = new Map<string, Shell>();
  readonly #raw = new Map<string, Shell>();

  constructor(open: Open) {
    this.#open = open;
  }

  readonly open: Open = async (host, early) => {
    const known = this.#shells.get(host);
    if (known) {
      early?.(known);
      return known;
    }
    let locked: Promise<'locked' | Holder> | undefined;
    // Once is enough: it is held for as long as the shell lives.
    const lock = (raw: EarlyShell) => (holder: Holder) =>
      (locked ??= raw.lock(holder).then((answer) => {
        if (answer !== 'locked') locked = undefined;
        return answer;
      }));
    const raw = await this.#open(
      host,
      early &&
        ((shell) => {
          early({ run: (command) => shell.run(command), lock: lock(shell) });
        }),
    );
    const shell = this.#lasting(raw, lock(raw));
    this.#shells.set(host, shell);
    return shell;
  };

  /** Ends the shells of hosts that are done with; with them go their locks. */
  async close(hosts: readonly string[] = [...this.#shells.keys()]): Promise<void> {
    const ended = hosts.flatMap((host) => this.#raw.get(host) ?? []);
    for (const { host } of ended) this.#forget(host);
    await Promise.all(ended.map((shell) => shell.close()));
  }

  #forget(host: string): void {
    this.#shells.delete(host);
    this.#raw.delete(host);
  }

  #lasting(raw: Shell, lock: Shell['lock']): Shell {
    const { host } = raw;
    this.#raw.set(host, raw);
    const watched = async <T>(answer: Promise<T>): Promise<T> => {
      try {
        return await answer;
      } catch (error) {
        if (error instanceof Unreachable && this.#raw.get(host) === raw) {
          this.#forget(host);
          raw.close().catch(() => undefined);
        }
        throw error;
      }
    };
    return {
      host,
      facts: raw.facts,
      get roundTrips() {
        return raw.roundTrips;
      },
      run: (command) => watched(raw.run(command)),
      mend: (command, said) => watched(raw.mend(command, said)),
      lock,
      dial: (address, port) => watched(raw.dial(address, port)),
      close: () => Promise.resolve(),
    };
  }
}
