import { BlockList, isIPv4 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, formatAddress, formatBlock, isReserved, overlap, parseAddress, parseBlock } from '../../src/base/ipv4.ts';

const address = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const prefix = fc.integer({ min: 0, max: 32 });

describe('IPv4', () => {
  it('addresses survive being read and written', () => {
    fc.assert(fc.property(address, (number) => parseAddress(formatAddress(number)) === number));
  });

  it('what Node takes for an address is one, and nothing else', () => {
    const nearly = fc.string({ unit: fc.constantFrom(...Array.from('0123456789. a')), maxLength: 15 });
    fc.assert(fc.property(fc.oneof(nearly, fc.ipV4()), (text) => (parseAddress(text) !== undefined) === isIPv4(text)));
  });

  it("a block holds what Node's block list holds", () => {
    fc.assert(
      fc.property(address, address, prefix, (one, other, bits) => {
        const list = new BlockList();
        list.addSubnet(formatAddress(one), bits);
        const block = parseBlock(`${formatAddress(one)}/${bits}`)!;
        expect(contains(block, other)).toBe(list.check(formatAddress(other)));
        expect(contains(block, one)).toBe(true);
        expect(parseBlock(formatBlock(block))).toEqual(block);
      }),
    );
  });

  it('blocks overlap when one holds the first address of the other', () => {
    fc.assert(
      fc.property(address, prefix, address, prefix, (one, bits, other, otherBits) => {
        const a = parseBlock(`${formatAddress(one)}/${bits}`)!;
        const b = parseBlock(`${formatAddress(other)}/${otherBits}`)!;
        expect(overlap(a, b)).toBe(contains(a, b.first) || contains(b, a.first));
      }),
    );
  });

  it.each(['', '10.0.0.0', '10.0.0.0/33', '10.0.0.0/08', '10.0.0/8', '10.0.0.0/8/8', 'a/8', '10.0.0.0/-1'])('%j is no block', (text) => {
    expect(parseBlock(text)).toBeUndefined();
  });

  it('first and last addresses are reserved, but not in the smallest networks', () => {
    const reserved = (cidr: string) => {
      const block = parseBlock(cidr)!;
      return [block.first, block.first + 1, block.first + block.size - 1].map((each) => isReserved(block, each));
    };
    expect(reserved('10.0.0.0/24')).toEqual([true, false, true]);
    expect(reserved('10.0.0.0/31')).toEqual([false, false, false]);
  });
});
