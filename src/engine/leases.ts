import type { Emit } from '../base/event.ts';
import type { Lease } from '../plan/journey.ts';
import { isUnknown } from '../resources/define.ts';
import { isSo, type Acts, type Outcome } from './acts.ts';
import type { Fact, HeldLease, UpgradeState } from './ledger.ts';

/**
 * What is taken for a while: written down before it is taken, and given back whatever happens. A lease is free when its
 * resource is as the step that gives it back would leave it. One that is neither free nor ours is somebody else's: it is
 * not taken, so it is not given back either.
 */
export class Leases {
  readonly #acts: Acts;
  readonly #state: () => UpgradeState;
  readonly #write: (fact: Fact) => void;
  readonly #emit: Emit;

  constructor(acts: Acts, state: () => UpgradeState, write: (fact: Fact) => void, emit: Emit) {
    this.#acts = acts;
    this.#state = state;
    this.#write = write;
    this.#emit = emit;
  }

  /** Takes those that are free, along with other steps of the same chain; tells which are somebody else's. */
  async take(
    leases: readonly Lease[],
    chain: readonly string[],
  ): Promise<{ readonly outcome: Outcome; readonly others: ReadonlySet<string> }> {
    const others = new Set<string>();
    const { told, down } = leases.length > 0 ? await this.#acts.look(leases.map(({ take }) => take)) : { told: undefined, down: undefined };
    if (down !== undefined) return { outcome: { kind: 'unreachable', why: down }, others };
    const free: Lease[] = [];
    for (const lease of leases) {
      const found = told?.found.get(lease.take);
      if (found === undefined || isUnknown(found)) {
        return {
          outcome: { kind: 'failed', why: `${lease.take}: its state cannot be told: ${found?.['unknown'] ?? 'no answer'}` },
          others,
        };
      }
      if (isSo(this.#acts.step(lease.give), found)) free.push(lease);
      else if (!this.#state().leases.has(lease.take)) others.add(lease.take);
    }
    for (const take of others) {
      this.#emit({ type: 'note', host: this.#acts.step(take).host, text: `${take}: somebody else has taken it, so it is left to them` });
    }
    for (const lease of free) this.#write({ type: 'lease-taking', ...lease });
    const outcome = await this.#acts.run(
      chain.filter((id) => !others.has(id)),
      () => Promise.resolve(true),
    );
    if (outcome.kind === 'done') for (const { take } of free) this.#write({ type: 'lease-taken', take });
    return { outcome, others };
  }

  /** Gives back what is held, of all hosts or of some leases only. What cannot be given back now stays owed. */
  async giveBack(of?: readonly Lease[]): Promise<void> {
    const held = [...this.#state().leases.values()].filter(({ take }) => of === undefined || of.some((lease) => lease.take === take));
    const byHost = [...Map.groupBy(held, ({ host }) => host).values()];
    await Promise.all(byHost.map((some) => this.#giveBackOn(some)));
  }

  async #giveBackOn(held: readonly HeldLease[]): Promise<void> {
    const { told } = await this.#acts.look(held.map(({ take }) => take));
    // Backwards: what was taken last goes first.
    for (const lease of held.toReversed()) {
      const found = told.found.get(lease.take);
      if (found === undefined || isUnknown(found)) continue;
      if (isSo(this.#acts.step(lease.give), found)) {
        this.#write({ type: 'lease-given', take: lease.take });
      } else if (!lease.inDoubt && !isSo(this.#acts.step(lease.take), found)) {
        const text = `${lease.take}: somebody has changed it since it was taken, so it is left to them`;
        this.#emit({ type: 'note', host: lease.host, text });
        this.#write({ type: 'lease-left', take: lease.take });
      } else if ((await this.#acts.run([lease.give], () => Promise.resolve(true), true)).kind === 'done') {
        this.#write({ type: 'lease-given', take: lease.take });
      }
    }
  }
}
