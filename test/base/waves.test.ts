import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allowance, portion, room, waves, type Member, type Quantity } from '../../src/base/waves.ts';

const quantity = fc.oneof(
  fc.integer({ min: 1, max: 50 }),
  fc.oneof(fc.integer({ min: 1, max: 100 }), fc.double({ min: 0.1, max: 100, noNaN: true })).map((share): Quantity => `${share}%`),
);
const group = fc
  .array(fc.constantFrom('az1', 'az2', 'az3', undefined), { maxLength: 200 })
  .map((zones) => zones.map((zone, i): Member => ({ name: `cmp${i}`, zone })));
const policy = fc.record({
  canary: fc.oneof(
    fc.integer({ min: 0, max: 5 }),
    fc.array(
      fc.integer({ min: 0, max: 300 }).map((i) => `cmp${i}`),
      { maxLength: 5 },
    ),
  ),
  wave: quantity,
  maxUnavailable: quantity,
});
const names = (members: readonly Member[]): string[] => members.map(({ name }) => name);

describe('a share of hosts', () => {
  it.each<[Quantity, number, number]>([
    ['1%', 7, 1],
    ['10%', 15, 1],
    ['10%', 20, 2],
    ['50%', 3, 1],
    ['100%', 7, 7],
    [3, 7, 3],
    [9, 7, 7],
    ['0.5%', 1000, 5],
  ])('%s of %i is %i', (share, total, hosts) => {
    expect(portion(share, total)).toBe(hosts);
  });

  it('of failures may come to none', () => {
    expect([allowance('1%', 7), allowance('10%', 25), allowance(3, 2), allowance(0, 9)]).toEqual([0, 2, 3, 0]);
  });
});

describe('waves', () => {
  it('take every host exactly once', () => {
    fc.assert(
      fc.property(group, policy, (members, wanted) => {
        const all = waves(members, wanted).flatMap((wave) => names(wave.members));
        expect(all.toSorted()).toEqual(names(members).toSorted());
      }),
    );
  });

  it('are never empty, and never larger than what may be unavailable', () => {
    fc.assert(
      fc.property(group, policy, (members, wanted) => {
        for (const wave of waves(members, wanted)) {
          expect(wave.members.length).toBeGreaterThan(0);
          expect(wave.members.length).toBeLessThanOrEqual(portion(wanted.maxUnavailable, members.length));
          if (!wave.canary) expect(wave.members.length).toBeLessThanOrEqual(portion(wanted.wave, members.length));
        }
      }),
    );
  });

  it('put the canary first, and nothing else into it', () => {
    fc.assert(
      fc.property(group, policy, (members, wanted) => {
        const all = waves(members, wanted);
        const kinds = all.map(({ canary }) => canary);
        expect(kinds).toEqual(kinds.toSorted((a, b) => Number(b) - Number(a)));
        const canaries = all.flatMap((wave) => (wave.canary ? names(wave.members) : []));
        if (typeof wanted.canary === 'number') expect(canaries).toHaveLength(Math.min(wanted.canary, members.length));
        else expect(canaries).toEqual(names(members).filter((name) => (wanted.canary as readonly string[]).includes(name)));
      }),
    );
  });

  it('depend on nothing but what they are given', () => {
    fc.assert(
      fc.property(group, policy, (members, wanted) => {
        expect(waves(members, wanted)).toEqual(waves(members, wanted));
      }),
    );
  });

  it('take no more of a zone than its share, but for one host', () => {
    fc.assert(
      fc.property(group, quantity, (members, wave) => {
        const zones = Map.groupBy(members, ({ zone }) => zone);
        for (const { members: some } of waves(members, { canary: 0, wave, maxUnavailable: '100%' })) {
          for (const [zone, all] of zones) {
            const taken = some.filter((member) => member.zone === zone).length;
            expect(taken).toBeLessThanOrEqual(Math.ceil((all.length * some.length) / members.length) + 1);
          }
        }
      }),
    );
  });

  it('read as one would write them down', () => {
    const members = ['a1', 'a2', 'a3', 'b1', 'b2', 'b3'].map((name) => ({ name, zone: name[0] }));
    const written = waves(members, { canary: ['b3'], wave: 2, maxUnavailable: 2 });
    expect(written.map((wave) => `${wave.canary ? 'canary ' : ''}${names(wave.members).join(' ')}`)).toEqual([
      'canary b3',
      'a1 b1',
      'a2 b2',
      'a3',
    ]);
  });
});

describe('room', () => {
  it('shrinks by every host that is down, and is never negative', () => {
    expect([room('20%', 10, 0), room('20%', 10, 1), room(2, 10, 2), room('1%', 7, 5)]).toEqual([2, 1, 0, 0]);
  });
});
