const largest = 65_536;

/** A host name's range: `cmp[001-500]` is head cmp, 1 to 500, three digits. A name without a range is a range of one. */
export interface Range {
  readonly head: string;
  /** Left out: the name has no number. */
  readonly first?: number;
  readonly count: number;
  /** Digits of each number, zeros in front; 0 without zeros. */
  readonly width: number;
  readonly tail: string;
}

/** The range in a host name, or what is wrong with it, as the end of a sentence. */
export function parseRange(name: string): Range | string {
  const match = /^(.*)\[(\d+)-(\d+)\](.*)$/.exec(name);
  if (!match) return { head: name, count: 1, width: 0, tail: '' };
  const [, head = '', from = '', to = '', tail = ''] = match;
  const padded = [from, to].some((digits) => digits.length > 1 && digits.startsWith('0'));
  const count = Number(to) - Number(from) + 1;
  if (padded && from.length !== to.length) return `mixes ${from.length} and ${to.length} digits`;
  if (count < 1) return 'counts down';
  if (count > largest) return `has ${count.toLocaleString('en')} hosts; at most ${largest.toLocaleString('en')} are allowed`;
  return { head, first: Number(from), count, width: padded ? from.length : 0, tail };
}

/** The names in a range, in order. */
export function namesOf({ head, first, count, width, tail }: Range): string[] {
  if (first === undefined) return [head];
  return Array.from({ length: count }, (_, i) => `${head}${String(first + i).padStart(width, '0')}${tail}`);
}
