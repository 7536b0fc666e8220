/**
 * A directed acyclic graph of opaque ids. `after(a, b, why)` says that `a` waits for `b`; `behind(a, b, why)` that it does,
 * and goes on however `b` ends. Built for fleets: adding is
 * O(1), ordering and walking O(nodes + edges), without recursion.
 */
export class Graph {
  readonly #nodes = new Map<string, Node>();

  add(id: string): this {
    this.#ensure(id);
    return this;
  }

  /** `id` waits for `need`. Both are added when missing; the first reason for an edge stays. */
  after(id: string, need: string, why: string): this {
    this.#join(this.#ensure(id), this.#ensure(need), why);
    return this;
  }

  /** `id` waits until `other` has come to its end, good or bad, and does not need it otherwise. */
  behind(id: string, other: string, why: string): this {
    const node = this.#ensure(id);
    if (this.#join(node, this.#ensure(other), why)) (node.loose ??= new Set()).add(other);
    return this;
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
    return new Map(this.#get(id).needs.map(({ node, why }) => [node.id, why]));
  }

  /** What waits for `id`. */
  neededBy(id: string): readonly string[] {
    return this.#get(id).neededBy.map((node) => node.id);
  }

  /** Every id after all that it waits for; ids that are free at the same time keep the order in which they were added. */
  order(): readonly string[] {
    return this.#inOrder().map(({ id }) => id);
  }

  #inOrder(): readonly Node[] {
    const waiting = Uint32Array.from(this.#nodes.values(), ({ needs }) => needs.length);
    const order = [...this.#nodes.values()].filter(({ needs }) => needs.length === 0);
    for (const node of order) {
      for (const next of node.neededBy) if (--waiting[next.nth]! === 0) order.push(next);
    }
    if (order.length < this.#nodes.size) throw new Cycle(this.#cycle(new Set(order)));
    return order;
  }

  /** The ids and everything that they need, directly or not. */
  closure(ids: Iterable<string>): ReadonlySet<string> {
    const reached = new Set(ids);
    for (const id of reached) {
      const { needs, loose } = this.#get(id);
      for (const { node } of needs) if (!loose?.has(node.id)) reached.add(node.id);
    }
    return reached;
  }

  /** The graph of some ids alone; edges to others are dropped. */
  only(ids: ReadonlySet<string>): Graph {
    const part = new Graph();
    // Not by going through all: many small parts of a large graph are asked for.
    const nodes = [...ids].map((id) => this.#get(id)).toSorted((a, b) => a.nth - b.nth);
    for (const { id } of nodes) part.add(id);
    for (const { id, needs, loose } of nodes) {
      for (const { node, why } of needs) {
        if (!ids.has(node.id)) continue;
        if (loose?.has(node.id)) part.behind(id, node.id, why);
        else part.after(id, node.id, why);
      }
    }
    return part;
  }

  /** The chain of ids whose costs add up highest, first to last. `cost` in any unit, not negative. */
  criticalPath(cost: (id: string) => number): readonly string[] {
    const best = new Map<Node, { total: number; from: Node | undefined }>();
    let end: Node | undefined;
    for (const node of this.#inOrder()) {
      let from: Node | undefined;
      for (const { node: need } of node.needs) {
        if (from === undefined || best.get(need)!.total > best.get(from)!.total) from = need;
      }
      best.set(node, { total: cost(node.id) + (from === undefined ? 0 : best.get(from)!.total), from });
      if (end === undefined || best.get(node)!.total > best.get(end)!.total) end = node;
    }
    const path: string[] = [];
    for (let node = end; node !== undefined; node = best.get(node)!.from) path.unshift(node.id);
    return path;
  }

  /** Adds an edge; false if it is there already. */
  #join(node: Node, need: Node, why: string): boolean {
    // Asked where fewer are: what waits for all hosts has 10,000 needs, what all hosts wait for is needed by as many.
    const known = node.needs.length < need.neededBy.length ? node.needs.some((edge) => edge.node === need) : need.neededBy.includes(node);
    if (known) return false;
    const edge = { node: need, why };
    // Most have one: an empty list that grows takes room for sixteen.
    if (node.needs.length === 0) node.needs = [edge];
    else node.needs.push(edge);
    if (need.neededBy.length === 0) need.neededBy = [node];
    else need.neededBy.push(node);
    return true;
  }

  #ensure(id: string): Node {
    let node = this.#nodes.get(id);
    if (!node) this.#nodes.set(id, (node = { id, nth: this.#nodes.size, needs: [], neededBy: [] }));
    return node;
  }

  #get(id: string): Node {
    const node = this.#nodes.get(id);
    if (!node) throw new RangeError(`Not in the graph: ${id}`);
    return node;
  }

  /** One cycle among the nodes that could not be ordered: follow needs until a node comes up again. */
  #cycle(ordered: ReadonlySet<Node>): readonly string[] {
    const path: Node[] = [];
    let next = [...this.#nodes.values()].find((node) => !ordered.has(node))!;
    while (!path.includes(next)) {
      path.push(next);
      next = next.needs.find(({ node }) => !ordered.has(node))!.node;
    }
    return [...path.slice(path.indexOf(next)), next].map(({ id }) => id);
  }
}

interface Node {
  readonly id: string;
  /** In the order of adding. */
  readonly nth: number;
  needs: { readonly node: Node; readonly why: string }[];
  /** Those of `needs` that may fail; few nodes have any. */
  loose?: Set<string>;
  neededBy: Node[];
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
