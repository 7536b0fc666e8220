import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cycle, Graph } from '../../src/graph/graph.ts';
import { walk } from '../../src/graph/walk.ts';

const chain = (...ids: string[]): Graph => chained(ids);
const chained = (ids: readonly string[]): Graph =>
  ids.reduce((graph, id, i) => (i > 0 ? graph.after(id, ids[i - 1]!, 'next') : graph.add(id)), new Graph());

/** Graphs whose edges run from later to earlier numbers only: acyclic by construction. */
const anyGraph = fc.integer({ min: 1, max: 30 }).chain((size) =>
  fc.array(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), { maxLength: 80 }).map((pairs) => {
    const graph = new Graph();
    for (let i = 0; i < size; i++) graph.add(String(i));
    for (const [a, b] of pairs) if (a !== b) graph.after(String(Math.max(a, b)), String(Math.min(a, b)), 'edge');
    return graph;
  }),
);

describe('order', () => {
  it('puts every id behind all that it waits for', () => {
    fc.assert(
      fc.property(anyGraph, (graph) => {
        const place = new Map(graph.order().map((id, i) => [id, i]));
        expect(place.size).toBe(graph.size);
        for (const id of graph.ids()) for (const need of graph.needs(id).keys()) expect(place.get(need)!).toBeLessThan(place.get(id)!);
      }),
    );
  });

  it('names a cycle with its path', () => {
    const graph = chain('a', 'b', 'c').after('a', 'c', 'oops').after('x', 'a', 'outside');
    expect(() => graph.order()).toThrow(Cycle);
    try {
      graph.order();
    } catch (error) {
      expect((error as Cycle).path).toEqual(['a', 'c', 'b', 'a']);
    }
  });

  it('orders a chain of 200,000 without recursion', () => {
    const ids = Array.from({ length: 200_000 }, (_, i) => String(i));
    expect(chained(ids).order().at(-1)).toBe('199999');
  });
});

it('closure holds what an id waits for, and nothing else', () => {
  const graph = chain('a', 'b', 'c').after('d', 'a', 'too');
  expect([...graph.closure(['b'])].toSorted()).toEqual(['a', 'b']);
  expect([...graph.only(graph.closure(['d'])).order()]).toEqual(['a', 'd']);
});

it('the critical path is the costliest chain', () => {
  const graph = chain('a', 'b', 'd').after('c', 'a', '').after('d', 'c', '');
  expect(graph.criticalPath((id) => ({ a: 1, b: 2, c: 5, d: 1 })[id]!)).toEqual(['a', 'c', 'd']);
});

describe('walk', () => {
  it('visits each node once, after its needs, whatever fails', async () => {
    await fc.assert(
      fc.asyncProperty(anyGraph, fc.infiniteStream(fc.integer({ min: 0, max: 9 })), async (graph, dice) => {
        const done = new Set<string>();
        const failed = new Set<string>();
        const blocked = new Map<string, string>();
        const outcomes = await walk(
          graph,
          async (id) => {
            for (const need of graph.needs(id).keys()) expect(done.has(need)).toBe(true);
            const fails = dice.next().value === 0;
            await Promise.resolve();
            (fails ? failed : done).add(id);
            return fails ? 'failed' : 'done';
          },
          (id, by) => blocked.set(id, by),
        );
        expect(outcomes.size).toBe(graph.size);
        expect(done.size + failed.size + blocked.size).toBe(graph.size);
        for (const [id, by] of blocked) {
          expect(failed.has(by)).toBe(true);
          expect(graph.closure([id]).has(by)).toBe(true);
        }
      }),
    );
  });

  it('goes on behind a failure that it does not need, when that has come to its end', async () => {
    const graph = chain('a', 'b').behind('x', 'b', 'after').after('y', 'x', 'next').behind('y', 'x', 'a need stays one');
    const seen: string[] = [];
    const outcomes = await walk(
      graph,
      (id) => {
        seen.push(id);
        return Promise.resolve(id === 'a' || id === 'x' ? 'failed' : 'done');
      },
      (id) => seen.push(`${id} blocked`),
    );
    expect(seen).toEqual(['a', 'b blocked', 'x', 'y blocked']);
    expect(outcomes.get('y')).toEqual({ kind: 'blocked', by: 'x' });
    expect([...graph.closure(['y'])].toSorted()).toEqual(['x', 'y']);
    const part = graph.only(new Set(['b', 'x']));
    expect([[...part.needs('x').keys()], [...part.firm('x')]]).toEqual([['b'], []]);
  });

  it('goes on beside a failure', async () => {
    const graph = chain('a', 'b').add('c').after('d', 'c', '');
    const outcomes = await walk(
      graph,
      (id) => Promise.resolve(id === 'a' ? 'failed' : 'done'),
      () => undefined,
    );
    expect(outcomes.get('b')).toEqual({ kind: 'blocked', by: 'a' });
    expect(outcomes.get('d')).toEqual({ kind: 'done' });
  });
});
