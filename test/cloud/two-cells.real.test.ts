import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCloud } from '../cli/test-cloud.ts';
import { Client, type Server } from './client.ts';

// A second cell for a cloud that runs: each test builds on those before it.
const cloud = new TestCloud('cells', '10.106', 'inventories/two-cells.yaml');
const minutes = 60_000;
const withoutSecond = (text: string): string => text.replace(/^ {2}cell2: .*\n/m, '').replace(/^( {2}cell2-1: .*)$/m, '  # $1');

let client: Client;
let [one, two]: (Server | undefined)[] = [];
const boot = (name: string, host: string) => client.boot(name, { flavor: 'm1.tiny', network: 'inner', host });

beforeAll(async () => {
  await cloud.up();
  cloud.write(withoutSecond);
}, 3 * minutes);
afterAll(() => cloud.down(), 3 * minutes);

it('the controllers carry the only cell', { timeout: 30 * minutes }, async () => {
  const { code, summary, err } = await cloud.apply();
  expect(summary, err).toMatchObject({ failed: 0, blocked: 0, hosts: 2 });
  expect(code).toBe(0);
  const { out } = await cloud.cellwise('secrets', 'show', 'keystone.admin_password');
  client = await Client.login('http://10.106.0.11:5000', out.trim());
  one = await boot('one', 'cmp1');
});

it('a cell that is added touches nothing but itself, and what has to know of it', { timeout: 20 * minutes }, async () => {
  cloud.write();
  const { code, summary, changed, err } = await cloud.apply();
  expect(summary, err).toMatchObject({ failed: 0, blocked: 0, hosts: 3 });
  expect(code).toBe(0);
  expect(changed.filter((step) => !step.startsWith('cell2-1/')).toSorted()).toEqual([
    'cmp1/base/hosts-file',
    'ctl1/base/hosts-file',
    'ctl1/nova-api/file /etc/nova/cells/cell2.cnf',
    'ctl1/nova-api/file /etc/nova/cells/cell2.conf',
    'ctl1/nova-api/nova-cell cell0',
    'ctl1/nova-api/nova-cell cell1',
    'ctl1/nova-api/nova-cell cell2',
    'ctl1/nova-api/service nova-api',
    'ctl1/nova-api/service nova-api-metadata',
    'ctl1/nova-conductor/service nova-conductor',
    'ctl1/nova-hosts/nova-discover cell2',
    'ctl1/nova-scheduler/service nova-scheduler',
  ]);
  expect(await client.server(one!.id)).toMatchObject({ status: 'ACTIVE' });
  expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
});

it('a machine runs in the second cell, and its screen is seen through the proxy there', { timeout: 15 * minutes }, async () => {
  two = await boot('two', 'cell2-1');
  const machines = (host: string) => cloud.on(host, 'mariadb nova -NBe "SELECT hostname FROM instances WHERE deleted = 0"');
  expect([await machines('ctl1'), await machines('cell2-1')]).toEqual(['one', 'two']);
  await expect.poll(() => client.console(two!.id), { timeout: 5 * minutes, interval: 2000 }).toContain('TINY READY');
  expect(await client.screen(two.id)).toEqual({ host: '10.106.0.41', banner: expect.stringMatching(/^RFB 003/) as string });
  expect(await client.screen(one!.id)).toMatchObject({ host: '10.106.0.11' });
});

it('users find both cells in order', { timeout: 20 * minutes }, async () => {
  const { code, err } = await cloud.cellwise('verify', '--quick');
  expect(code, err).toBe(0);
});

it('the cells have no password in common', async () => {
  const urls = (host: string) => cloud.on(host, "grep -Eoh '//(nova|openstack):[^@]*@' /etc/nova/nova.conf | sort -u");
  const [first, second] = await Promise.all([urls('ctl1'), urls('cell2-1')]);
  expect(first.split('\n').filter(Boolean)).toHaveLength(2);
  expect(first.split('\n').filter((each) => each !== '' && second.includes(each))).toEqual([]);
});

it('a cell whose queue is down is named, and the other goes on', { timeout: 15 * minutes }, async () => {
  await cloud.on('cell2-1', 'systemctl stop rabbitmq-server');
  const ran = await cloud.cellwise('verify', '--health', '--json');
  expect(ran.code).toBe(1);
  const failed = ran.events.flatMap((event) => (event.type === 'step-failed' ? [`${event.role}: ${event.message}`] : []));
  expect(failed).toContainEqual(expect.stringMatching(/^rabbitmq: not healthy in cell2: /));
  const { servers } = await client.get<{ servers: Server[] }>('compute', '/servers/detail');
  expect(servers.map(({ name, status }) => `${name} ${status}`).toSorted()).toEqual(['one ACTIVE', 'two ACTIVE']);
  await boot('three', 'cmp1');
  await cloud.on('cell2-1', 'systemctl start rabbitmq-server');
});

it('a cell whose database is down shows its machines as unknown, and hides none of the others', { timeout: 10 * minutes }, async () => {
  await cloud.on('cell2-1', 'systemctl stop mariadb');
  const { servers } = await client.get<{ servers: Server[] }>('compute', '/servers/detail');
  const states = new Map(servers.map(({ id, status }) => [id, status]));
  expect([states.get(one!.id), states.get(two!.id)]).toEqual(['ACTIVE', 'UNKNOWN']);
  await cloud.on('cell2-1', 'systemctl start mariadb');
});
