import { expect, it, vi } from 'vitest';
import { fleetsOf, shipped } from '../fleet/clouds.ts';
import { everyCrash, everyFault } from '../fleet/every.ts';

vi.setConfig({ testTimeout: 3_600_000 });

// 3 controllers, 3 storage hosts, 24 compute hosts in two cells.
const thirty = { computes: 24, cells: 2, sections: 'upgrade: {wave: 25%, max_unavailable: 25%}\n' };

it('a fault at every step of an upgrade of 30 hosts ends well, or paused within its budget and then well', async () => {
  expect(await everyFault(fleetsOf(thirty), () => true)).toBeGreaterThan(250);
});

it('of an upgrade of 30 hosts, a deployer that is killed at every record is followed by one that ends it', async () => {
  expect(await everyCrash(fleetsOf(thirty))).toBeGreaterThan(700);
});

it('a fault at every step of the roles that come with Cellwise ends well, or paused and then well', async () => {
  const tried = await everyFault(fleetsOf(shipped(3)), (host) => ['ctl1', 'cell1-cmp2'].includes(host));
  expect(tried).toBeGreaterThan(150);
});
