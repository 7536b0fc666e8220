import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { namesOf, parseRange } from '../../src/inventory/range.ts';

describe('ranges', () => {
  it.each<[string, string[] | string]>([
    ['ctl1', ['ctl1']],
    ['cmp[1-3]', ['cmp1', 'cmp2', 'cmp3']],
    ['cmp[9-11]', ['cmp9', 'cmp10', 'cmp11']],
    ['cmp[08-11]', ['cmp08', 'cmp09', 'cmp10', 'cmp11']],
    ['r[1-2]-a', ['r1-a', 'r2-a']],
    ['a[0-0]', ['a0']],
    ['a[5-5]', ['a5']],
    ['a[007-007]', ['a007']],
    ['a[3-1]', 'counts down'],
    ['a[01-100]', 'mixes 2 and 3 digits'],
    ['a[1-010]', 'mixes 1 and 3 digits'],
    ['a[0-99999]', 'has 100,000 hosts; at most 65,536 are allowed'],
  ])('%s', (name, expected) => {
    const range = parseRange(name);
    expect(typeof range === 'string' ? range : namesOf(range)).toEqual(expected);
  });

  it('names are as many as numbers, all different, in order, and those that were counted', () => {
    fc.assert(
      fc.property(fc.nat(5000), fc.nat(500), fc.boolean(), (first, more, padded) => {
        const width = padded ? String(first + more).length : 0;
        const digits = (number: number) => String(number).padStart(width, '0');
        const range = parseRange(`n[${digits(first)}-${digits(first + more)}]`);
        const names = namesOf(range as Exclude<typeof range, string>);
        expect(names).toHaveLength(more + 1);
        expect(names).toEqual(names.map((_, i) => `n${digits(first + i)}`));
      }),
    );
  });
});
