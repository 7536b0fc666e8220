import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCloud } from '../cli/test-cloud.ts';
import { belongings, OpenStackClient, type Machine } from './openstack-client.ts';

// A fleet of two compute hosts, each emptied by live migration before it is upgraded; the second cannot start its service at
// first. Each test goes on where the one before it stopped.
const cloud = new TestCloud('fleet', '10.110');
const user = new OpenStackClient(cloud);
const minutes = 60_000;
const run = ['--yes', '--accept-irreversible'];
const services = '[nova-compute, nova-scheduler, nova-zone, neutron-dhcp-agent, neutron-metadata-agent]';
const dropIn = '/run/systemd/system/nova-compute.service.d/broken.conf';
const waves = join(cloud.directory, 'waves');
const tell = 'echo "$CELLWISE_STAGE: $CELLWISE_HOSTS" >>';

function release(name: string): void {
  cloud.write(
    (text) =>
      text
        .replace('services: [keystone]', `services: ${services}`)
        .replace(/release: .*/, `release: '${name}'`)
        .replace(/ {2}sto.*\n/, '')
        // The mirror may be one that stands still.
        .replace('params:\n  mariadb', 'params:\n  base: { check_valid_until: false }\n  mariadb')
        .replace('scheduler_workers: 1 }', 'scheduler_workers: 1, graceful_shutdown: 15 }') +
      `${belongings}upgrade: { canary: [cmp1], wave: 1, max_unavailable: 1, drain: live-migrate }
cells: { cell1: { upgrade: { hooks: { before_wave: [{ run: '${tell}/root/waves', on: ctl1 }], after_wave: [{ run: '${tell}${waves}' }] } } } }\n`,
  );
}

/** Of Nova's compute services: host, version that it reports, whether it is disabled. */
const computes = () =>
  cloud.on(
    'ctl1',
    'mariadb -NBe \'SELECT host, version, disabled FROM nova.services WHERE topic = "compute" AND deleted = 0 ORDER BY host\'',
  );
/** Where the machine that is kept is, and how often it has moved. */
const place = () =>
  cloud.on(
    'ctl1',
    `mariadb -NBe "SELECT host, vm_state, (SELECT COUNT(*) FROM nova.migrations WHERE status = 'completed' AND migration_type = 'live-migration') FROM nova.instances WHERE hostname = 'kept'"`,
  );

beforeAll(() => {
  release('2025.1');
  return cloud.up();
}, 3 * minutes);
afterAll(() => cloud.down(), 3 * minutes);

let machine: Machine;

it('there is a fleet, and a machine on the host that goes first', { timeout: 40 * minutes }, async () => {
  const { code, err } = await cloud.apply();
  expect(code, err).toBe(0);
  machine = await user.boot('kept', 'cmp1');
  await user.begin(machine);
  expect(await computes()).toBe('cmp1\t68\t0\ncmp2\t68\t0');
});

it('the second host fails: the upgrade stops by itself, and the machine is on the first again', { timeout: 50 * minutes }, async () => {
  release('2026.1');
  await cloud.on(
    'cmp2',
    `mkdir -p ${dropIn.replace(/[^/]*$/, '')}; printf '[Service]\\nExecStartPre=/bin/false\\n' >${dropIn}; systemctl daemon-reload`,
  );
  const { code, out, err } = await cloud.cellwise('upgrade', 'run', ...run);
  expect({ code }, out + err).toEqual({ code: 1 });
  expect(out + err).toMatch(/cmp2.*nova-compute/);
  expect(cloud.facts().flatMap((fact) => (fact.type === 'host-failed' ? [fact.host] : []))).toEqual(['cmp2']);
  expect(await computes()).toMatch(/^cmp1\t72\t0\ncmp2\t68\t0$/);
  expect(await place()).toBe('cmp1\tactive\t2');
});

it('once it is mended, resume does what is left', { timeout: 30 * minutes }, async () => {
  await cloud.on('cmp2', `rm ${dropIn}; systemctl daemon-reload`);
  const { code, out, err } = await cloud.cellwise('upgrade', 'resume', ...run);
  expect({ code }, out + err).toEqual({ code: 0 });
  expect(cloud.facts().flatMap((fact) => (fact.type === 'host-begun' && fact.stage === 'cells/cell1' ? [fact.host] : []))).toEqual([
    'cmp1',
    'cmp2',
    'cmp2',
  ]);
  expect(await computes()).toBe('cmp1\t72\t0\ncmp2\t72\t0');
  expect(await place()).toBe('cmp1\tactive\t2');
  expect(await cloud.on('ctl1', 'cat /root/waves')).toBe('cells/cell1: cmp1\ncells/cell1: cmp2\ncells/cell1: cmp2');
  expect(readFileSync(waves, 'utf8')).toBe('cells/cell1: cmp1\ncells/cell1: cmp2\n');
});

it('the machine answered all the time but for the moments of its moves', { timeout: minutes }, async () => {
  const all = await user.seen();
  process.stderr.write(`the client: ${JSON.stringify(all)}\n${cloud.turns().join('\n')}\n`);
  expect(all['ping']!.ok).toBeGreaterThan(100);
  expect(all['ping']!.longest).toBeLessThan(60);
});

it('a machine comes up on both hosts, and an apply has nothing to do', { timeout: 20 * minutes }, async () => {
  for (const host of ['cmp1', 'cmp2']) expect(await user.boot(`new-${host}`, host)).toHaveProperty('address');
  expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
});
