import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Event } from '../../src/base/event.ts';
import { docker } from '../../src/lab/docker.ts';
import { TestCloud } from '../cli/test-cloud.ts';
import { CephClient } from './ceph-client.ts';

// A cluster's life on machines, each test on what those before it left, while a client writes and reads all the time.
// Takes a quarter of an hour and more, most of it downloads: `npm run test:ceph`.
const cloud = new TestCloud('ceph', '10.102');
const client = new CephClient(cloud);
const three = 'sto[1-3]: { address: 10.102.0.31, kind: storage, disks: [{ device: /dev/sdb, size: 4G }] }';
const fourth = 'sto4: { address: 10.102.0.34, kind: storage, disks: [{ device: /dev/sdb, size: 4G }] }';
const withTwoDisks = (state: string) => fourth.replace(' }] }', ` }, { device: /dev/sdc, size: 4G, state: ${state} }] }`);
const minutes = 60_000;

/** The lab's inventory with these storage hosts and nobody to compute. */
function hosts(lines: readonly string[], threadCache = 16777216): void {
  cloud.write((text) =>
    text
      .replace('services: [keystone]', 'services: [ceph-rgw]')
      .replace(/ {2}cmp.*\n/, '')
      .replace(/ {2}sto.*\n/, lines.map((line) => `  ${line}\n`).join(''))
      .replace(/thread_cache: \d+/, `thread_cache: ${threadCache}`),
  );
}

beforeAll(() => {
  hosts([three]);
  return cloud.up();
}, 3 * minutes);
afterAll(() => cloud.down(), 3 * minutes);

describe('from nothing', () => {
  it('one apply makes a cluster that is well; the second changes nothing', { timeout: 20 * minutes }, async () => {
    const { code, err, summary } = await cloud.apply();
    expect({ code, failed: summary.failed }, err).toEqual({ code: 0, failed: 0 });
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
    expect((await cloud.cellwise('verify')).code).toBe(0);
    expect(await ceph('health')).not.toContain('HEALTH_ERR');
    // The manager's modules were loaded: see own_bcrypt in the role ceph-mgr.
    expect(await ceph('health detail')).not.toContain('MGR_MODULE');
  });

  it('no key is in a list of processes, in the journal or in what is told', async () => {
    const key = await ceph('auth print-key client.admin');
    const told = await cloud.cellwise('plan', '--json');
    expect(told.out + told.err).not.toContain(key);
    expect(await cloud.on('sto1', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "')).not.toContain(key);
  });

  it('a client begins to write and read', async () => {
    await client.begin();
  });
});

describe('day two, with nobody noticing', () => {
  it('a fourth node with two disks joins, and apply waits until all data is in place', { timeout: 20 * minutes }, async () => {
    hosts([three, withTwoDisks('present')]);
    await cloud.up();
    expect(await cloud.apply()).toMatchObject({ code: 0, summary: { failed: 0 } });
    expect(await ceph('osd stat')).toMatch(/^5 osds: 5 up .*5 in/);
    await isClean();
    await client.goesOn();
  });

  it('a changed setting restarts all daemons, one host after the other', { timeout: 20 * minutes }, async () => {
    hosts([three, withTwoDisks('present')], 16777217);
    const { code, events } = await cloud.apply();
    expect(code).toBe(0);
    for (const role of ['ceph-mon', 'ceph-mgr', 'ceph-osd', 'ceph-rgw']) {
      const restarts = events.filter((event) => isService(event, role)).map((event) => `${event.host} ${event.type}`);
      expect(restarts.length).toBe(role === 'ceph-osd' ? 8 : 6);
      restarts.forEach((restart, i) => {
        if (i % 2 === 1) expect([restarts[i - 1], restart]).toEqual([`${restart.split(' ')[0]!} step-start`, restart]);
      });
    }
    await isClean();
    await client.goesOn();
  });

  it('one of the two disks leaves, and its host goes on with the other', { timeout: 10 * minutes }, async () => {
    hosts([three, withTwoDisks('absent')], 16777217);
    const plan = await cloud.cellwise('plan', '--json');
    const drain = plan.events.find((event) => event.type === 'step-planned' && event.stepType === 'ceph-drain');
    const told = expect.stringMatching(/^osd\.\d+, [\d.]+ MiB$/) as string;
    expect(drain).toMatchObject({ change: { differences: [{ key: 'sto4 /dev/sdc', before: told, after: 'gone' }] } });
    const { code, err, changed } = await cloud.apply();
    expect({ code, changed: changed.map((id) => id.replace(/ .*/, '')) }, err).toEqual({
      code: 0,
      changed: ['sto1/ceph-osd/ceph-drain', 'sto4/ceph-osd/ceph-osd'],
    });
    expect(await ceph('osd stat')).toMatch(/^4 osds: 4 up .*4 in/);
    expect(await cloud.on('sto4', 'ls -d /var/lib/ceph/osd/ceph-* | wc -l; systemctl --failed -q')).toBe('1');
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
    expect((await cloud.cellwise('verify')).code).toBe(0);
    await isClean();
    await client.goesOn();
  });

  it('two nodes cannot leave: the plan is refused with the figure, and nothing is touched', { timeout: 5 * minutes }, async () => {
    hosts([three.replace('[1-3]', '[1-2]'), gone('sto3', 33), gone('sto4', 34)], 16777217);
    const { code, err, changed } = await cloud.apply();
    expect(code).toBe(3);
    expect(err).toMatch(/keeps 3 copies on as many hosts, and 2 would be left/);
    expect(changed).toEqual([]);
    expect(await ceph('osd stat')).toMatch(/4 in/);
  });

  it('one can: its data is told, and a deployer that is killed meanwhile is no loss', { timeout: 20 * minutes }, async () => {
    hosts([three, gone('sto4', 34)], 16777217);
    const plan = await cloud.cellwise('plan', '--json');
    const drain = plan.events.find((event) => event.type === 'step-planned' && event.stepType === 'ceph-drain');
    expect(drain).toMatchObject({ change: { irreversible: true, differences: [{ key: 'sto4', after: 'gone' }] } });
    expect(JSON.stringify(drain)).toMatch(/osd\.\d+, [\d.]+ MiB/);
    const deployer = cloud.start('apply', '--yes');
    await expect.poll(() => ceph('osd stat'), { timeout: 2 * minutes, interval: 250 }).toMatch(/3 in/);
    deployer.kill('SIGKILL');
    expect(await cloud.apply()).toMatchObject({ code: 0, summary: { failed: 0 } });
    expect(await ceph('osd tree')).not.toContain('sto4');
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
    await client.goesOn();
  });

  it('a node is killed and comes back', { timeout: 10 * minutes }, async () => {
    await docker(['kill', cloud.container('sto2')]);
    await expect.poll(() => ceph('osd stat'), { timeout: 2 * minutes }).toMatch(/2 up/);
    await delay(10_000);
    await cloud.up();
    await expect.poll(() => cloud.cellwise('verify').then(({ code }) => code), { timeout: 5 * minutes, interval: 3000 }).toBe(0);
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
    await client.goesOn();
  });

  it('an empty machine with the old disk is made whole', { timeout: 20 * minutes }, async () => {
    const before = await ceph('osd dump -f json');
    await docker(['rm', '--force', cloud.container('sto3')]);
    await cloud.up();
    const { code, changed } = await cloud.apply();
    expect(code).toBe(0);
    expect(changed).toContain('sto3/ceph-osd/ceph-osd /dev/sdb');
    const uuids = (dump: string) => (JSON.parse(dump) as { osds: { uuid: string }[] }).osds.map(({ uuid }) => uuid);
    expect(uuids(await ceph('osd dump -f json'))).toEqual(uuids(before));
    await isClean();
    await client.goesOn();
  });

  it('a host that only vanishes from the file is left alone, and that is said', { timeout: 5 * minutes }, async () => {
    hosts([three], 16777217);
    const plan = await cloud.cellwise('plan', '--json', '--detailed-exitcode', '--only', 'role:ceph-osd');
    const notes = plan.events.flatMap((event) => (event.type === 'note' && event.host === 'sto4' ? [event.text] : []));
    expect(notes).toEqual([expect.stringContaining('no longer in the inventory, and left as it is')]);
  });

  it('the client has seen no error and read nothing wrong', { timeout: 5 * minutes }, async () => {
    await cloud.on('ctl1', 'systemctl stop proof');
    const all = await client.unharmed();
    process.stderr.write(`the client: ${JSON.stringify(all)}\n`);
    expect(all.ok).toBeGreaterThan(1000);
  });
});

function gone(name: string, last: number): string {
  return fourth.replace('sto4', name).replace('.34', `.${last}`).replace(' }] }', ' }], state: absent }');
}

function isService(event: Event, role: string): event is Extract<Event, { type: 'step-start' | 'step-changed' }> {
  return (event.type === 'step-start' || event.type === 'step-changed') && event.stepType === 'service' && event.role === role;
}

function ceph(words: string): Promise<string> {
  return client.ceph(words);
}

async function isClean(): Promise<void> {
  expect(await ceph('pg stat')).toMatch(/^(\d+) pgs: \1 active\+clean/);
}
