import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonical, compare, type Json, type State } from '../../src/base/state.ts';

// -0 is 0 to JSON.
const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as Json);
const key = fc.oneof(fc.constantFrom('owner', 'mode', 'sha256', 'constructor', 'toString', '1', '10', '2'), fc.string({ maxLength: 4 }));
const state: fc.Arbitrary<State> = fc.dictionary(key, json, { maxKeys: 6 });
const pair = fc.oneof(
  fc.tuple(state, state),
  state.map((one) => [one, { ...one }] as [State, State]),
);

/** What a host looks like once the differences of a change are mended, and nothing else. */
function mended(before: State | null, differences: readonly { key: string; after: Json | undefined }[]): State {
  return Object.fromEntries([...Object.entries(before ?? {}), ...differences.map(({ key: name, after }) => [name, after!] as const)]);
}

describe('compare', () => {
  it('nothing differs from itself', () => {
    fc.assert(
      fc.property(state, (one) => {
        expect(compare(one, structuredClone(one))).toBeNull();
      }),
    );
    expect(compare(null, null)).toBeNull();
  });

  it('mending the differences leaves none, whatever was there', () => {
    fc.assert(
      fc.property(pair, ([before, after]) => {
        const change = compare(before, after);
        if (change) expect(compare(mended(before, change.differences), after)).toBeNull();
      }),
    );
  });

  it('tells exactly the wanted keys that differ', () => {
    fc.assert(
      fc.property(pair, ([before, after]) => {
        const keys = (compare(before, after)?.differences ?? []).map((difference) => difference.key);
        const own = (name: string): unknown => (Object.hasOwn(before, name) ? before[name] : undefined);
        expect(keys).toEqual(
          Object.keys(after).filter((name) => JSON.stringify(sorted(own(name))) !== JSON.stringify(sorted(after[name]))),
        );
      }),
    );
  });

  it('keys that nobody asked for are nobody’s business', () => {
    fc.assert(
      fc.property(state, state, (more, wanted) => {
        expect(compare({ ...more, ...wanted }, wanted)).toBeNull();
      }),
    );
  });

  it.each<[string, State | null, State | null, readonly string[] | null]>([
    ['is not there and should be', null, { mode: '644' }, ['mode']],
    ['is not there and should be, whatever it is like', null, {}, []],
    ['is there and must go', { mode: '644', owner: 'root' }, null, ['mode', 'owner']],
    ['is there without anything to tell and must go', {}, null, []],
    ['the order of keys means nothing', { a: { x: 1, y: [1, 2] } }, { a: { y: [1, 2], x: 1 } }, null],
    ['the order of a list does', { a: [1, 2] }, { a: [2, 1] }, ['a']],
    ['text is no number', { a: '1' }, { a: 1 }, ['a']],
    ['null is not missing', {}, { a: null }, ['a']],
  ])('%s', (_, before, after, keys) => {
    const change = compare(before, after);
    expect(change && change.differences.map((difference) => difference.key)).toEqual(keys);
    if (change) expect([change.before, change.after]).toEqual([before, after]);
  });

  it('tells before and after of each', () => {
    expect(compare({ mode: '600', owner: 'root' }, { mode: '644', group: 'adm' })?.differences).toEqual([
      { key: 'mode', before: '600', after: '644' },
      { key: 'group', before: undefined, after: 'adm' },
    ]);
  });
});

describe('canonical', () => {
  it('is JSON of an equal value', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.parse(canonical(value))).toEqual(value);
      }),
    );
  });

  it('equal values have equal texts, others have not', () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        expect(canonical(shuffled(a))).toBe(canonical(a));
        expect(canonical(a) === canonical(b)).toBe(JSON.stringify(sorted(a)) === JSON.stringify(sorted(b)));
      }),
    );
  });
});

function shuffled(value: Json): Json {
  if (Array.isArray(value)) return (value as Json[]).map(shuffled);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value as State)
      .toReversed()
      .map(([name, part]) => [name, shuffled(part)]),
  );
}

/** Another way to the same end: lists of sorted entries. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return ['list', ...value.map(sorted)];
  if (value === null || typeof value !== 'object') return value;
  return [
    'map',
    ...Object.entries(value)
      .map(([name, part]) => [name, sorted(part)])
      .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  ];
}
