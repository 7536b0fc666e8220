import { expect, it, vi } from 'vitest';
import { fleetsOf } from './clouds.ts';
import { everyCrash, everyFault } from './every.ts';

vi.setConfig({ testTimeout: 300_000 });

it('a deployer that is killed at any record is followed by one that ends the upgrade', async () => {
  expect(await everyCrash(fleetsOf({ computes: 2, cells: 1, others: 1 }))).toBeGreaterThan(100);
});

it('a fault at any step of one host of each kind ends well, or paused and then well', async () => {
  const some = new Set(['ctl1', 'sto1', 'cell1-cmp2']);
  expect(await everyFault(fleetsOf({ computes: 3, cells: 1, others: 1 }), (host) => some.has(host))).toBeGreaterThan(30);
});
