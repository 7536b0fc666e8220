/**
 * A directed acyclic graph of opaque ids. `after(a, b, why)` says that `a` waits for `b`; `behind(a, b, why)` that it does,
 * and goes on however `b` ends. Built for fleets: adding is O(1), ordering and walking O(nodes + edges), without recursion;
 * and nodes and edges are numbers in lists, because an object for each would fill the memory.
 */
export class Graph {
  readonly #ids: string[] = [];
  readonly #nths = new Map<string, number>();
  /** Edges as they were added: which node waits, for which, and why. */
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  readonly #why: string[] = [];
  /** Edges whose end may be bad. */
  readonly #loose = new Set<number>();
  /** Which edges a node has; made when somebody asks, and again once more have come. */
  #known: Edges | undefined;

  /** Adds `id`, which waits for all these. */
  add(id: string, needs: readonly Need[] = []): this {
    const nth = this.#ensure(id);
    for (const { need, why } of needs) this.#join(nth, this.#ensure(need), why);
    return this;
  }

  /** `id` waits for `need`. Both are added when missing; the first reason for an edge stays. */
  after(id: string, need: string, why: string): this {
    this.#join(this.#ensure(id), this.#ensure(need), why);
    return this;
  }

  /** `id` waits until `other` has come to its end, good or bad, and does not need it otherwise. */
  behind(id: string, other: string, why: string): this {
    this.#loose.add(this.#from.length);
    return this.after(id, other, why);
  }

  has(id: string): boolean {
    return this.#nths.has(id);
  }

  get size(): number {
    return this.#ids.length;
  }

  ids(): Iterable<string> {
    return this.#ids;
  }

  /** What `id` waits for, each with the reason. */
  needs(id: string): ReadonlyMap<string, string> {
    const needs = new Map<string, string>();
    for (const edge of this.#edges.needs.of(this.#nth(id))) needs.set(this.#ids[this.#to[edge]!]!, this.#why[edge]!);
    return needs;
  }

  /** Those of its needs that must end well. */
  *firm(id: string): Iterable<string> {
    for (const edge of this.#edges.needs.of(this.#nth(id))) if (!this.#loose.has(edge)) yield this.#ids[this.#to[edge]!]!;
  }

  /** What waits for `id`. */
  neededBy(id: string): readonly string[] {
    return Array.from(this.#edges.neededBy.of(this.#nth(id)), (edge) => this.#ids[this.#from[edge]!]!);
  }

  /** Every id after all that it waits for; ids that are free at the same time keep the order in which they were added. */
  order(): readonly string[] {
    return Array.from(this.#inOrder(), (nth) => this.#ids[nth]!);
  }

  #inOrder(): Uint32Array {
    const { needs, neededBy } = this.#edges;
    const order = new Uint32Array(this.size);
    const waiting = new Uint32Array(this.size);
    let known = 0;
    for (let nth = 0; nth < this.size; nth++) if ((waiting[nth] = needs.of(nth).length) === 0) order[known++] = nth;
    for (let done = 0; done < known; done++) {
      for (const edge of neededBy.of(order[done]!)) {
        const next = this.#from[edge]!;
        if (--waiting[next]! === 0) order[known++] = next;
      }
    }
    if (known < this.size) throw new Cycle(this.#cycle(waiting));
    return order;
  }

  /** The ids and everything that they need, directly or not. */
  closure(ids: Iterable<string>): ReadonlySet<string> {
    const reached = new Set(ids);
    for (const id of reached) for (const need of this.firm(id)) reached.add(need);
    return reached;
  }

  /** The graph of some ids alone; edges to others are dropped. */
  only(ids: ReadonlySet<string>): Graph {
    const part = new Graph();
    // Not by going through all: many small parts of a large graph are asked for.
    const nths = Array.from(ids, (id) => this.#nth(id)).toSorted((a, b) => a - b);
    for (const nth of nths) part.add(this.#ids[nth]!);
    for (const nth of nths) {
      for (const edge of this.#edges.needs.of(nth)) {
        const need = this.#ids[this.#to[edge]!]!;
        if (!ids.has(need)) continue;
        part[this.#loose.has(edge) ? 'behind' : 'after'](this.#ids[nth]!, need, this.#why[edge]!);
      }
    }
    return part;
  }

  /** The chain of ids whose costs add up highest, first to last. `cost` in any unit, not negative. */
  criticalPath(cost: (id: string) => number): readonly string[] {
    const total = new Float64Array(this.size);
    const from = new Map<number, number>();
    let end: number | undefined;
    for (const nth of this.#inOrder()) {
      let best: number | undefined;
      for (const edge of this.#edges.needs.of(nth)) {
        const need = this.#to[edge]!;
        if (best === undefined || total[need]! > total[best]!) best = need;
      }
      if (best !== undefined) from.set(nth, best);
      total[nth] = cost(this.#ids[nth]!) + (best === undefined ? 0 : total[best]!);
      if (end === undefined || total[nth] > total[end]!) end = nth;
    }
    const path: string[] = [];
    for (let nth = end; nth !== undefined; nth = from.get(nth)) path.unshift(this.#ids[nth]!);
    return path;
  }

  #join(from: number, to: number, why: string): void {
    this.#from.push(from);
    this.#to.push(to);
    this.#why.push(why);
    this.#known = undefined;
  }

  #ensure(id: string): number {
    let nth = this.#nths.get(id);
    if (nth === undefined) {
      this.#nths.set(id, (nth = this.#ids.push(id) - 1));
      this.#known = undefined;
    }
    return nth;
  }

  #nth(id: string): number {
    const nth = this.#nths.get(id);
    if (nth === undefined) throw new RangeError(`Not in the graph: ${id}`);
    return nth;
  }

  get #edges(): Edges {
    return (this.#known ??= this.#sorted());
  }

  #sorted(): Edges {
    const all = Uint32Array.from(this.#from.keys());
    const last = new Uint32Array(this.size);
    const every = new Lists(this.size, all, this.#from);
    const twice = new Set<number>();
    for (let nth = 0; nth < this.size; nth++) {
      for (const edge of every.of(nth)) {
        const to = this.#to[edge]!;
        if (last[to] === nth + 1) twice.add(edge);
        last[to] = nth + 1;
      }
    }
    const edges = twice.size === 0 ? all : all.filter((edge) => !twice.has(edge));
    return { needs: new Lists(this.size, edges, this.#from), neededBy: new Lists(this.size, edges, this.#to) };
  }

  /** One cycle among the nodes that still wait: follow needs until a node comes up again. */
  #cycle(waiting: Uint32Array): readonly string[] {
    const path: number[] = [];
    let next = waiting.findIndex((left) => left > 0);
    while (!path.includes(next)) {
      path.push(next);
      next = this.#to[this.#edges.needs.of(next).find((edge) => waiting[this.#to[edge]!]! > 0)!]!;
    }
    return [...path.slice(path.indexOf(next)), next].map((nth) => this.#ids[nth]!);
  }
}

/** What a node waits for, and the reason. */
export interface Need {
  readonly need: string;
  readonly why: string;
}

/** The edges of each node, in the order in which they were added; of several from one node to another the first alone. */
interface Edges {
  readonly needs: Lists;
  readonly neededBy: Lists;
}

/** Edges by the node at one of their ends, as one list: those of a node stand beside each other. */
class Lists {
  readonly #edges: Uint32Array;
  /** Where those of each node begin. */
  readonly #starts: Uint32Array;

  constructor(nodes: number, edges: Uint32Array, ends: readonly number[]) {
    this.#starts = new Uint32Array(nodes + 1);
    for (const edge of edges) this.#starts[ends[edge]! + 1]! += 1;
    for (let nth = 0; nth < nodes; nth++) this.#starts[nth + 1]! += this.#starts[nth]!;
    this.#edges = new Uint32Array(edges.length);
    const free = this.#starts.slice();
    for (const edge of edges) this.#edges[free[ends[edge]!]!++] = edge;
  }

  of(nth: number): Uint32Array {
    return this.#edges.subarray(this.#starts[nth], this.#starts[nth + 1]);
  }
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
