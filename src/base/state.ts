/** A value as JSON has it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * What a resource is (as probed) or should be (as desired): plain data, free of secrets. A desired state names only what
 * we care about.
 */
export type State = { readonly [key: string]: Json };

/** One key that differs. */
export interface Difference {
  readonly key: string;
  readonly before: Json | undefined;
  readonly after: Json | undefined;
}

/**
 * The way from what is to what should be. `before` null: it is not there yet; `after` null: it must go.
 * `differences` holds the keys that `apply` has to mend.
 */
export interface Change {
  readonly before: State | null;
  readonly after: State | null;
  readonly differences: readonly Difference[];
}

/** Compares a probed state with a desired one. Keys that the desired state does not name are nobody's business. */
export function compare(before: State | null, after: State | null): Change | null {
  if (after === null) return before === null ? null : { before, after, differences: differ(before, {}, Object.keys(before)) };
  const differences = differ(before ?? {}, after, Object.keys(after));
  return before !== null && differences.length === 0 ? null : { before, after, differences };
}

function differ(before: State, after: State, keys: readonly string[]): Difference[] {
  return keys
    .filter((key) => canonical(before[key]) !== canonical(after[key]))
    .map((key) => ({ key, before: before[key], after: after[key] }));
}

/** JSON with sorted keys: equal values give equal texts. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, sorted);
}

function sorted(_key: string, part: unknown): unknown {
  const plain = part !== null && typeof part === 'object' && Object.getPrototypeOf(part) === Object.prototype;
  return plain ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1))) : part;
}
