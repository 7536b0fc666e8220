import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCloud } from '../cli/test-cloud.ts';
import { boot, openstack, screen } from './user.ts';

// A second cell for a cloud that runs: each test builds on those before it.
const cloud = new TestCloud('two', '10.91', 'inventories/two-cells.yaml');
const withoutSecond = (text: string): string => text.replace(/^ {2}cell2: .*\n/m, '').replace(/^( {2}cell2-1: .*)$/m, '  # $1');

beforeAll(async () => {
  await cloud.up();
  cloud.write(withoutSecond);
}, 180_000);
afterAll(() => cloud.down(), 120_000);

it('the controllers carry the only cell', { timeout: 1_500_000 }, async () => {
  const { code, summary, err } = await cloud.apply();
  expect(summary, err).toMatchObject({ failed: 0, blocked: 0, hosts: 2 });
  expect(code).toBe(0);
  await boot(cloud, 'ctl1', 'one', 'cmp1');
});

it('a cell that is added touches nothing but itself, and what has to know of it', { timeout: 1_200_000 }, async () => {
  cloud.write();
  const { code, summary, changed, err } = await cloud.apply();
  expect(summary, err).toMatchObject({ failed: 0, blocked: 0, hosts: 3 });
  expect(code).toBe(0);
  expect(changed.filter((step) => !step.startsWith('cell2-1/')).toSorted()).toEqual([
    'cmp1/base/hosts-file',
    'ctl1/base/hosts-file',
    'ctl1/nova-api/file /etc/nova/cells/cell2.cnf',
    'ctl1/nova-api/file /etc/nova/cells/cell2.conf',
    'ctl1/nova-api/nova-cell cell2',
    'ctl1/nova-api/service nova-api',
    'ctl1/nova-api/service nova-api-metadata',
    'ctl1/nova-conductor/service nova-conductor',
    'ctl1/nova-hosts/nova-discover cell2',
    'ctl1/nova-scheduler/service nova-scheduler',
  ]);
  // Machines of the first cell have not felt it.
  expect(await openstack(cloud, 'ctl1', 'server show one -f value -c status')).toBe('ACTIVE');
  expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
});

it('a machine runs in the second cell, and its screen is seen through the proxy there', { timeout: 600_000 }, async () => {
  await boot(cloud, 'ctl1', 'two', 'cell2-1');
  expect(await cloud.on('cell2-1', 'mariadb nova -NBe "SELECT hostname FROM instances WHERE deleted = 0"')).toBe('two\n');
  expect(await cloud.on('ctl1', 'mariadb nova -NBe "SELECT hostname FROM instances WHERE deleted = 0"')).toBe('one\n');
  expect(await screen(cloud, 'ctl1', 'two')).toEqual({ host: '10.91.0.41', banner: expect.stringMatching(/^RFB 003/) as string });
  expect(await screen(cloud, 'ctl1', 'one')).toMatchObject({ host: '10.91.0.11' });
});

it('the cells have no password in common', async () => {
  const urls = (host: string) => cloud.on(host, "grep -Eoh '//(nova|openstack):[^@]*@' /etc/nova/nova.conf | sort -u");
  const [first, second] = await Promise.all([urls('ctl1'), urls('cell2-1')]);
  expect(first.split('\n').filter(Boolean)).toHaveLength(2);
  expect(first.split('\n').filter((each) => each !== '' && second.includes(each))).toEqual([]);
});

it('a cell whose queue is down is named, and the other goes on', { timeout: 600_000 }, async () => {
  await cloud.on('cell2-1', 'systemctl stop rabbitmq-server');
  const ran = await cloud.cellwise('verify', '--json');
  expect(ran.code).toBe(1);
  const failed = ran.events.flatMap((event) => (event.type === 'step-failed' ? [event.message] : []));
  expect(failed).toContainEqual(expect.stringContaining('cell2'));
  expect(await openstack(cloud, 'ctl1', 'server list -f value -c Name')).toMatch(/^(one\ntwo|two\none)$/);
  await boot(cloud, 'ctl1', 'three', 'cmp1');
  await cloud.on('cell2-1', 'systemctl start rabbitmq-server');
});

it('a cell whose database is down shows its machines as unknown, and hides none of the others', { timeout: 600_000 }, async () => {
  await cloud.on('cell2-1', 'systemctl stop mariadb');
  const list = await openstack(cloud, 'ctl1', '--os-compute-api-version 2.69 server list --all-projects -f value -c Name -c Status');
  expect(list).toContain('one ACTIVE');
  expect(list).toContain('UNKNOWN');
  await cloud.on('cell2-1', 'systemctl start mariadb');
});
