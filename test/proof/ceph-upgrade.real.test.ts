import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCloud } from '../cli/test-cloud.ts';
import { CephClient } from './ceph-client.ts';

// Ceph from one major version to the next but one, by packages, under a client that writes and reads all the time. Each
// test goes on where the one before it stopped. Most of its time are packages: `npm run test:upgrade`.
const cloud = new TestCloud('cephup', '10.103');
const client = new CephClient(cloud);
const minutes = 60_000;
const run = ['--yes', '--accept-irreversible'];

function release(name: string): void {
  cloud.write((text) =>
    text
      .replace('services: [keystone]', 'services: [ceph-rgw]')
      .replace(/release: .*/, `release: '${name}'`)
      .replace(/ {2}cmp.*\n/, '')
      .replace(/\/dev\/sdb/, '{ device: /dev/sdb, size: 4G }')
      // The mirror may be one that stands still.
      .replace('params:\n  mariadb', 'params:\n  base: { check_valid_until: false }\n  mariadb'),
  );
}

beforeAll(() => {
  release('2025.1');
  return cloud.up();
}, 3 * minutes);
afterAll(() => cloud.down(), 3 * minutes);

it('there is a cluster of the release before, and a client that writes and reads', { timeout: 15 * minutes }, async () => {
  const { code, err } = await cloud.apply();
  expect(code, err).toBe(0);
  expect(await versions()).toEqual(['18']);
  await client.begin();
});

it('an apply does not go to another release, and names the way', { timeout: 2 * minutes }, async () => {
  release('2026.1');
  const { code, err, changed } = await cloud.apply();
  expect({ code, changed }).toEqual({ code: 3, changed: [] });
  expect(err).toMatch(/ceph is of version 18\.2\.\S+ on sto1, sto2, sto3, and the release 2026\.1 has 20\.2/);
  expect(err).toContain('cellwise upgrade plan');
});

it('the whole way is shown before it is gone', { timeout: 4 * minutes }, async () => {
  // On a busy machine monitors hold an election now and then, and then it may not start.
  await expect.poll(() => cloud.cellwise('verify').then(({ code }) => code), { timeout: 2 * minutes, interval: 2000 }).toBe(0);
  const { code, events, err } = await cloud.cellwise('upgrade', 'plan', '--json');
  expect(code, err).toBe(0);
  const journey = events.find((event) => event.type === 'journey')!;
  const of = (id: string) => journey.stages.find((stage) => stage.id === id)!;
  expect(journey.stages.map(({ id }) => id).filter((id) => /mon|mgr|osd|rgw/.test(id))).toEqual([
    'backup/ceph-mon',
    ...['mon', 'mgr', 'osd', 'rgw'].map((daemon) => `storage/ceph-${daemon}`),
    ...['mgr', 'osd'].map((daemon) => `finish/ceph-${daemon}`),
  ]);
  expect(of('storage/ceph-osd').waves.map(({ hosts }) => hosts)).toEqual([['sto1'], ['sto2'], ['sto3']]);
  expect(of('storage/ceph-osd').taken).toEqual(['noout', 'nodeep-scrub', 'noautoscale'].map((flag) => `ceph-osd: ceph-flag ${flag}`));
  const packages = of('storage/ceph-node').changes.flatMap(({ change }) => change.differences);
  expect(packages.find(({ key }) => key === 'ceph-base')).toMatchObject({
    before: expect.stringMatching(/^18\.2\./) as string,
    after: '20.2*',
  });
  expect(of('finish/ceph-osd').changes.map(({ change }) => change.irreversible)).toEqual([true]);
});

it('it is paused among the monitors: a cluster of two versions that works', { timeout: 15 * minutes }, async () => {
  const walking = cloud.cellwise('upgrade', 'run', ...run);
  await expect.poll(() => reached('wave-done', 'storage/ceph-mon'), { timeout: 14 * minutes, interval: 500 }).toBe(true);
  expect((await cloud.cellwise('upgrade', 'pause')).code).toBe(0);
  const { code, err } = await walking;
  expect(code, err).toBe(1);
  expect(await versions()).toEqual(['18', '20']);
  expect(await flags()).not.toContain('noout');
  await client.goesOn();
});

it('it is resumed, the deployer is killed among the OSDs, and what it had taken is not lost', { timeout: 10 * minutes }, async () => {
  const deployer = cloud.start('upgrade', 'resume', ...run);
  await expect.poll(() => reached('host-done', 'storage/ceph-osd'), { timeout: 9 * minutes, interval: 200 }).toBe(true);
  deployer.kill('SIGKILL');
  expect(await flags()).toContain('noout');
  await client.goesOn();
});

it('it is resumed once more, and ends', { timeout: 10 * minutes }, async () => {
  const { code, err } = await cloud.cellwise('upgrade', 'resume', ...run);
  expect(code, err).toBe(0);
  // Of gateways the cluster knows the version from the manager, who forgets the old ones after a minute.
  await expect.poll(versions, { timeout: 2 * minutes, interval: 2000 }).toEqual(['20']);
  expect(await flags()).not.toMatch(/noout|nodeep-scrub|noautoscale/);
  expect(await ceph('osd dump')).toContain('require_osd_release tentacle');
  // What is left to say is that clients may still have keys of the old kind: those of Ceph 18 have no others.
  // Monitors look at what they complain of every five seconds.
  await expect.poll(() => ceph('health detail'), { timeout: 30_000, interval: 1000 }).not.toContain('HEALTH_ERR');
  const health = await ceph('health detail');
  expect([...health.matchAll(/\] (\w+):/g)].map(([, code]) => code).filter((code) => !code!.startsWith('AUTH_INSECURE_'))).toEqual([]);
  expect(await cloud.on('sto1', 'ls /usr/local/lib/ceph-mgr')).toBe('');
  expect(await cloud.on('sto1', 'ls /var/backups/ceph-before-2026.1')).toContain('monmap');
  await client.goesOn();
});

it('an apply has nothing to do', { timeout: 5 * minutes }, async () => {
  expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
  expect((await cloud.cellwise('verify')).code).toBe(0);
});

it('the client has seen no error and read nothing wrong', { timeout: minutes }, async () => {
  await cloud.on('ctl1', 'systemctl stop proof');
  const all = await client.unharmed();
  process.stderr.write(`the client: ${JSON.stringify(all)}\n${cloud.turns().join('\n')}\n`);
  expect(all.ok).toBeGreaterThan(1000);
});

function ceph(words: string): Promise<string> {
  return client.ceph(words);
}

/** The major versions that daemons run. */
async function versions(): Promise<string[]> {
  const { overall } = JSON.parse(await ceph('versions')) as { overall: Record<string, number> };
  return Object.keys(overall)
    .map((text) => /ceph version (\d+)/.exec(text)![1]!)
    .toSorted();
}

async function flags(): Promise<string> {
  const { flags_set: set } = JSON.parse(await ceph('osd dump -f json')) as { flags_set: string[] };
  return set.join(' ');
}

function reached(type: 'wave-done' | 'host-done', stage: string): boolean {
  return cloud.facts().some((fact) => fact.type === type && fact.stage === stage);
}
