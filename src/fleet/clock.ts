import type { Clock } from '../base/clock.ts';

interface Sleeper {
  readonly until: number;
  readonly wake: () => void;
}

/**
 * A clock of its own: when nobody has anything to do any more, it goes on to the moment at which the first sleeper wakes.
 * Whoever is on it must wait for nothing else, e.g. for a disk: time would pass meanwhile.
 */
export class VirtualClock implements Clock {
  #now = 0;
  /** A binary heap, the first to wake on top. */
  readonly #sleepers: Sleeper[] = [];
  #going = false;

  now(): number {
    return this.#now;
  }

  sleep(milliseconds: number): Promise<void> {
    return new Promise((wake) => {
      this.#push({ until: this.#now + Math.max(0, milliseconds), wake });
      this.#go();
    });
  }

  /** Behind everything that is going on now: promises come first. */
  #go(): void {
    if (this.#going) return;
    this.#going = true;
    setImmediate(() => {
      this.#going = false;
      const first = this.#sleepers[0];
      if (!first) return;
      this.#now = first.until;
      // All of this moment wake together, as on many machines.
      while (this.#sleepers[0]?.until === this.#now) this.#pop().wake();
      this.#go();
    });
  }

  #push(sleeper: Sleeper): void {
    const heap = this.#sleepers;
    let at = heap.push(sleeper) - 1;
    for (let up = (at - 1) >> 1; at > 0 && heap[up]!.until > heap[at]!.until; at = up, up = (at - 1) >> 1) this.#swap(at, up);
  }

  #pop(): Sleeper {
    const heap = this.#sleepers;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) {
      heap[0] = last;
      for (let at = 0; ;) {
        let least = at;
        for (const child of [2 * at + 1, 2 * at + 2]) if (child < heap.length && heap[child]!.until < heap[least]!.until) least = child;
        if (least === at) break;
        this.#swap(at, least);
        at = least;
      }
    }
    return first;
  }

  #swap(a: number, b: number): void {
    [this.#sleepers[a], this.#sleepers[b]] = [this.#sleepers[b]!, this.#sleepers[a]!];
  }
}
