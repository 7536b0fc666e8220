/**
 * A directed acyclic graph of opaque ids. `after(a, b, why)` says that `a` waits for `b`; `behind(a, b, why)` that it does,
 * and goes on however `b` ends. Built for fleets: adding is
 * O(1), ordering and walking O(nodes + edges), without recursion.
 */
export class Graph {
  readonly #nodes = new Map<string, Node>();

  add(id: string): this {
    if (!this.#nodes.has(id)) this.#nodes.set(id, { id, nth: this.#nodes.size, needs: new Map(), neededBy: [] });
    return this;
  }

  /** `id` waits for `need`. Both are added when missing; the first reason for an edge stays. */
  after(id: string, need: string, why: string): this {
    const [node, needed] = [this.#ensure(id), this.#ensure(need)];
    if (!node.needs.has(need)) {
      node.needs.set(need, why);
      needed.neededBy.push(id);
    }
    return this;
  }

  /** `id` waits until `other` has come to its end, good or bad, and does not need it otherwise. */
  behind(id: string, other: string, why: string): this {
    if (this.#ensure(id).needs.has(other)) return this;
    (this.#get(id).loose ??= new Set()).add(other);
    return this.after(id, other, why);
  }

  /** Whether `id` only comes behind `other` and does not need it. */
  isLoose(id: string, other: string): boolean {
    return this.#get(id).loose?.has(other) ?? false;
  }

  has(id: string): boolean {
    return this.#nodes.has(id);
  }

  get size(): number {
    return this.#nodes.size;
  }

  ids(): Iterable<string> {
    return this.#nodes.keys();
  }

  /** What `id` waits for, each with the reason. */
  needs(id: string): ReadonlyMap<string, string> {
    return this.#get(id).needs;
  }

  /** What waits for `id`. */
  neededBy(id: string): readonly string[] {
    return this.#get(id).neededBy;
  }

  /** Every id after all that it waits for; ids that are free at the same time keep the order in which they were added. */
  order(): readonly string[] {
    const waiting = new Map([...this.#nodes.values()].map((node) => [node.id, node.needs.size]));
    const order = [...waiting].filter(([, count]) => count === 0).map(([id]) => id);
    for (const id of order) {
      for (const next of this.#get(id).neededBy) {
        const left = waiting.get(next)! - 1;
        waiting.set(next, left);
        if (left === 0) order.push(next);
      }
    }
    if (order.length < this.#nodes.size) throw new Cycle(this.#cycle(new Set(order)));
    return order;
  }

  /** The ids and everything that they need, directly or not. */
  closure(ids: Iterable<string>): ReadonlySet<string> {
    const reached = new Set(ids);
    for (const id of reached) for (const need of this.#get(id).needs.keys()) if (!this.isLoose(id, need)) reached.add(need);
    return reached;
  }

  /** The graph of some ids alone; edges to others are dropped. */
  only(ids: ReadonlySet<string>): Graph {
    const part = new Graph();
    // Not by going through all: many small parts of a large graph are asked for.
    const nodes = [...ids].map((id) => this.#get(id)).toSorted((a, b) => a.nth - b.nth);
    for (const { id } of nodes) part.add(id);
    for (const { id, needs, loose } of nodes) {
      for (const [need, why] of needs) {
        if (!ids.has(need)) continue;
        if (loose?.has(need)) part.behind(id, need, why);
        else part.after(id, need, why);
      }
    }
    return part;
  }

  /** The chain of ids whose costs add up highest, first to last. `cost` in any unit, not negative. */
  criticalPath(cost: (id: string) => number): readonly string[] {
    const best = new Map<string, { total: number; from: string | undefined }>();
    let end: string | undefined;
    for (const id of this.order()) {
      let from: string | undefined;
      for (const need of this.#get(id).needs.keys()) {
        if (from === undefined || best.get(need)!.total > best.get(from)!.total) from = need;
      }
      best.set(id, { total: cost(id) + (from === undefined ? 0 : best.get(from)!.total), from });
      if (end === undefined || best.get(id)!.total > best.get(end)!.total) end = id;
    }
    const path: string[] = [];
    for (let id = end; id !== undefined; id = best.get(id)!.from) path.unshift(id);
    return path;
  }

  #ensure(id: string): Node {
    return this.add(id).#get(id);
  }

  #get(id: string): Node {
    const node = this.#nodes.get(id);
    if (!node) throw new RangeError(`Not in the graph: ${id}`);
    return node;
  }

  /** One cycle among the nodes that could not be ordered: follow needs until a node comes up again. */
  #cycle(ordered: ReadonlySet<string>): readonly string[] {
    const path: string[] = [];
    let id = [...this.#nodes.keys()].find((candidate) => !ordered.has(candidate))!;
    while (!path.includes(id)) {
      path.push(id);
      id = [...this.#get(id).needs.keys()].find((need) => !ordered.has(need))!;
    }
    return [...path.slice(path.indexOf(id)), id];
  }
}

interface Node {
  readonly id: string;
  /** In the order of adding. */
  readonly nth: number;
  readonly needs: Map<string, string>;
  /** Those of `needs` that may fail; few nodes have any. */
  loose?: Set<string>;
  readonly neededBy: string[];
}

/** Thrown when things wait for each other. `path` starts and ends with the same id; each waits for the next. */
export class Cycle extends Error {
  readonly path: readonly string[];

  constructor(path: readonly string[]) {
    super(`These wait for each other: ${path.join(' → ')}`);
    this.name = 'Cycle';
    this.path = path;
  }
}
