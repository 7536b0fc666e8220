import type { Graph } from './graph.ts';

/** What became of a node: done, failed, or blocked because what it needs did not get done (`by`: the first cause). */
export type Outcome = { readonly kind: 'done' } | { readonly kind: 'failed' } | { readonly kind: 'blocked'; readonly by: string };

/**
 * Visits every node once all that it needs is done; nodes that do not need each other are visited at the same time.
 * A failed node blocks what needs it, directly or not, and nothing else (what only comes behind it is visited all the same): `blocked` is told of each. `visit` must not
 * reject; it limits itself.
 */
export async function walk(
  graph: Graph,
  visit: (id: string) => Promise<'done' | 'failed'>,
  blocked: (id: string, by: string) => void,
): Promise<ReadonlyMap<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  const waiting = new Map<string, number>();
  for (const id of graph.ids()) waiting.set(id, graph.needs(id).size);
  let open = waiting.size;
  if (open === 0) return outcomes;

  const all = Promise.withResolvers<undefined>();
  const start = (id: string): void => {
    const cause = firstCause(graph, outcomes, id);
    if (cause !== undefined) {
      blocked(id, cause);
      settle(id, { kind: 'blocked', by: cause });
      return;
    }
    visit(id).then((kind) => {
      settle(id, { kind });
    }, all.reject);
  };
  // A list instead of recursion: a chain of blocked nodes can be as long as the plan.
  let ready: string[] = [];
  let draining = false;
  const drain = (): void => {
    if (draining) return;
    draining = true;
    for (const id of ready) start(id);
    ready = [];
    draining = false;
  };
  const settle = (id: string, outcome: Outcome): void => {
    outcomes.set(id, outcome);
    for (const next of graph.neededBy(id)) {
      const left = waiting.get(next)! - 1;
      waiting.set(next, left);
      if (left === 0) ready.push(next);
    }
    open -= 1;
    if (open === 0) all.resolve(undefined);
    drain();
  };
  for (const [id, count] of waiting) if (count === 0) ready.push(id);
  drain();
  await all.promise;
  return outcomes;
}

function firstCause(graph: Graph, outcomes: ReadonlyMap<string, Outcome>, id: string): string | undefined {
  for (const need of graph.firm(id)) {
    const outcome = outcomes.get(need);
    if (outcome?.kind === 'failed') return need;
    if (outcome?.kind === 'blocked') return outcome.by;
  }
  return undefined;
}
