import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCloud } from '../cli/test-cloud.ts';
import { strangers } from './ports.ts';

const cloud = new TestCloud('tele', '10.108', 'inventories/telemetry.yaml');
const minutes = 60_000;

beforeAll(() => cloud.up(), 3 * minutes);
afterAll(() => cloud.down(), 3 * minutes);

it('a cloud has telemetry where its services name it, and a second apply changes nothing', { timeout: 30 * minutes }, async () => {
  const { code, summary, err } = await cloud.apply();
  expect(summary, err).toMatchObject({ failed: 0, blocked: 0, hosts: 2 });
  expect(code).toBe(0);
  expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
  expect(await strangers(cloud)).toEqual([]);
});

it('a machine is measured, and its user can read it', { timeout: 20 * minutes }, async () => {
  const { code, out, err } = await cloud.cellwise('verify', '--quick');
  expect(code, err).toBe(0);
  expect(out).toMatch(/telemetry cpu/);
});
