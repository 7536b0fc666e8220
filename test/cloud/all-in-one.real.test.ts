import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCloud } from '../cli/test-cloud.ts';
import { boot, screen } from './user.ts';

const cloud = new TestCloud('aio', '10.90', 'inventories/all-in-one.yaml');

beforeAll(() => cloud.up(), 180_000);
afterAll(() => cloud.down(), 120_000);

it('one host is a whole cloud, and a second apply changes nothing', { timeout: 1_500_000 }, async () => {
  const { code, summary, err } = await cloud.apply();
  expect(summary, err).toMatchObject({ failed: 0, blocked: 0, hosts: 1 });
  expect(code).toBe(0);
  expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
});

it('a machine runs on it', { timeout: 600_000 }, async () => {
  await boot(cloud, 'aio1', 'one', 'aio1');
  expect(await screen(cloud, 'aio1', 'one')).toMatchObject({ host: '10.90.0.11' });
});
