import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCloud } from '../cli/test-cloud.ts';

const cloud = new TestCloud('aio', '10.105', 'inventories/all-in-one.yaml');
const minutes = 60_000;

beforeAll(() => cloud.up(), 3 * minutes);
afterAll(() => cloud.down(), 3 * minutes);

it('one host is a whole cloud, and a second apply changes nothing', { timeout: 30 * minutes }, async () => {
  const { code, summary, err } = await cloud.apply();
  expect(summary, err).toMatchObject({ failed: 0, blocked: 0, hosts: 1 });
  expect(code).toBe(0);
  expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
});

it('machines run on it', { timeout: 15 * minutes }, async () => {
  const { code, err } = await cloud.cellwise('verify', '--quick');
  expect(code, err).toBe(0);
});
