import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCloud } from '../cli/test-cloud.ts';
import { CephClient } from './ceph-client.ts';
import { belongings, OpenStackClient, type Machine } from './openstack-client.ts';

// A cloud of two Nova cells on three Ceph storage hosts is brought from 2025.1 to 2026.1 while machines run in it, somebody
// uses its APIs, and somebody else reads and writes Ceph. Takes most of an hour, much of it downloads: `npm run test:upgrade`.
const cloud = new TestCloud('upgrade', '10.104');
const user = new OpenStackClient(cloud);
const ceph = new CephClient(cloud);
const minutes = 60_000;
const run = ['--yes', '--accept-irreversible'];
const cells = 'cells:\n  cell1: {}\n  cell2: {}\n';
const computes = `  cmp1: { address: 10.104.0.21, addresses: { data: 10.104.1.21 }, kind: compute, cell: cell1 }
  cell2-1: { address: 10.104.0.41, addresses: { data: 10.104.1.41 }, kind: [cell, compute], cell: cell2 }
`;

function write(release: string): void {
  cloud.write(
    (text) =>
      text
        .replace(/ {2}services: .*\n/, '')
        .replace("release: '2025.1'", `release: '${release}'`)
        .replace('hosts:\n', `${cells}hosts:\n`)
        .replace(/ {2}cmp.*\n/, computes)
        .replace(/\/dev\/sdb/, '{ device: /dev/sdb, size: 6G }')
        // The mirror may be one that stands still.
        .replace('params:\n  mariadb', 'params:\n  base: { check_valid_until: false }\n  nova-cell: { conductor_workers: 1 }\n  mariadb')
        .replace('scheduler_workers: 1 }', 'scheduler_workers: 1, count_usage_from_placement: true, graceful_shutdown: 15 }') +
      `${belongings}upgrade: { cells: [cell2, cell1], wave: 1, max_unavailable: 1 }\n`,
  );
}

/** The process that is the machine, and since when: another one is another machine to whoever is in it. */
const process = (host: string) => cloud.on(host, 'for p in $(pgrep -x qemu-system-x86); do echo $p $(stat -c %Y /proc/$p); done');
const versions = (host: string, ...names: readonly string[]) =>
  cloud.on(
    host,
    `dpkg-query -W -f '\${Package} \${Version}\n' ${names.join(' ')} | sed -E 's/ [0-9]+:/ /; s/^([^ ]+) ([0-9]+).*/\\1 \\2/'`,
  );

/** Compute services that get no machines, and why: in the database of their cell. */
const disabled = (host: string) =>
  cloud.on(host, "mariadb -NBe 'SELECT host, disabled_reason FROM nova.services WHERE disabled AND deleted = 0'");
const taken = (lease: string) => cloud.facts().some((fact) => fact.type === 'lease-taken' && fact.take.includes(lease));
const done = (stage: string) => cloud.facts().some((fact) => fact.type === 'stage-done' && fact.stage === stage);

beforeAll(() => {
  write('2025.1');
  return cloud.up();
}, 3 * minutes);
afterAll(() => cloud.down(), 3 * minutes);

describe('from 2025.1 to 2026.1', () => {
  const kept: Record<string, Machine> = {};
  const before: Record<string, string> = {};

  it('a cloud is made, and a machine runs in each of its cells', { timeout: 60 * minutes }, async () => {
    const { code, err, summary } = await cloud.apply();
    expect({ code, failed: summary.failed }, err).toEqual({ code: 0, failed: 0 });
    for (const host of ['cmp1', 'cell2-1']) {
      kept[host] = await user.boot(`kept-${host}`, host);
      before[host] = await process(host);
      expect(before[host]).toMatch(/^\d+ \d+$/);
    }
    await user.begin(kept['cmp1']!);
    await ceph.begin();
  });

  it('an apply at the new release is refused: it would bring all hosts there at once', { timeout: 5 * minutes }, async () => {
    write('2026.1');
    const { code, err, changed } = await cloud.apply();
    expect(code).toBe(3);
    expect(err).toContain('cellwise upgrade plan');
    expect(changed).toEqual([]);
  });

  it('the plan shows the whole way, and nothing forbids it', { timeout: 10 * minutes }, async () => {
    const { code, events } = await cloud.cellwise('upgrade', 'plan', '--json');
    expect(code).toBe(0);
    const journey = events.find((event) => event.type === 'journey');
    expect(journey).toMatchObject({ from: ['2025.1'], to: '2026.1', reasons: [] });
    const stages = journey?.type === 'journey' ? journey.stages : [];
    const order = [
      'backup/nova',
      ...['keystone', 'nova-conductor', 'nova-api'].map((role) => `control/${role}`),
      ...['mon', 'mgr', 'osd', 'rgw'].map((daemon) => `storage/ceph-${daemon}`),
      ...['cells/cell2', 'cells/cell1', 'finish/nova'],
    ];
    expect(stages.map(({ id }) => id).filter((id) => order.includes(id))).toEqual(order);
    expect(stages.find(({ id }) => id === 'cells/cell1')).toMatchObject({
      taken: ['nova-compute: nova-service nova-compute'],
      tried: ['nova-compute: server', 'nova-compute: console'],
    });
  });

  it('it is paused in the control plane: a cloud of two releases that works', { timeout: 40 * minutes }, async () => {
    const walking = cloud.cellwise('upgrade', 'run', ...run);
    let ended = false;
    void walking.then(() => (ended = true));
    await expect.poll(() => ended || done('control/placement'), { timeout: 20 * minutes, interval: 500 }).toBe(true);
    await cloud.cellwise('upgrade', 'pause');
    const { code, out, err } = await walking;
    expect({ code }, out + err).toEqual({ code: 1 });
    expect(cloud.facts().at(-1), out + err).toMatchObject({ type: 'paused', cause: 'operator' });
    expect(await versions('ctl1', 'python3-placement', 'python3-nova')).toBe('python3-nova 31\npython3-placement 15');
    expect(await user.boot('meanwhile', 'cell2-1')).toHaveProperty('address');
    await ceph.goesOn();
  });

  it('it is resumed, and the deployer is killed with a compute host in its hands', { timeout: 60 * minutes }, async () => {
    const deployer = cloud.start('upgrade', 'resume', ...run);
    const ended = new Promise((resolve) => deployer.once('exit', resolve));
    await expect.poll(() => deployer.exitCode !== null || taken('nova-service'), { timeout: 55 * minutes, interval: 200 }).toBe(true);
    expect(cloud.facts().filter(({ type }) => type === 'paused')).toHaveLength(1);
    deployer.kill('SIGKILL');
    await ended;
    expect(await disabled('cell2-1')).toBe('cell2-1\tCellwise upgrades this host to 2026.1.');
    expect(await disabled('ctl1')).toBe('');
  });

  it('it is resumed once more, gives back what was taken, and ends', { timeout: 60 * minutes }, async () => {
    const { code, out, err } = await cloud.cellwise('upgrade', 'resume', ...run);
    expect({ code }, out + err).toEqual({ code: 0 });
    expect(cloud.facts().flatMap((fact) => (fact.type === 'host-trying' ? [fact.host] : []))).toEqual(['cell2-1', 'cmp1']);
    expect(
      await versions('ctl1', 'python3-keystone', 'python3-placement', 'python3-neutron', 'python3-cinder', 'python3-nova', 'python3-heat'),
    ).toBe(
      ['python3-cinder 28', 'python3-heat 26', 'python3-keystone 30', 'python3-neutron 28', 'python3-nova 33', 'python3-placement 15'].join(
        '\n',
      ),
    );
    for (const host of ['cmp1', 'cell2-1']) {
      expect(await versions(host, 'python3-nova', 'python3-neutron')).toBe('python3-neutron 28\npython3-nova 33');
    }
    for (const host of ['ctl1', 'cell2-1']) {
      expect(await disabled(host)).toBe('');
      expect(await cloud.on(host, "mariadb -NBe 'SELECT DISTINCT version FROM nova.services WHERE deleted = 0'")).toBe('72');
    }
    const { overall } = JSON.parse(await ceph.ceph('versions')) as { overall: Record<string, number> };
    expect(Object.keys(overall)).toEqual([expect.stringContaining('ceph version 20.2')]);
  });

  it('no machine was restarted; who used the cloud saw it go away for moments only', { timeout: 5 * minutes }, async () => {
    for (const [host, machine] of Object.entries(before)) expect((await process(host)).split('\n')).toContain(machine);
    const all = await user.seen();
    globalThis.process.stderr.write(`the client: ${JSON.stringify(all)}\n${cloud.turns().join('\n')}\n`);
    expect(all['ping']!.failed).toBeLessThanOrEqual(1);
    for (const [name, { ok, longest }] of Object.entries(all)) {
      expect(ok, name).toBeGreaterThan(100);
      expect(longest, name).toBeLessThan(120);
    }
  });

  it('the client of Ceph has seen no error, and read nothing wrong', { timeout: minutes }, async () => {
    const all = await ceph.unharmed();
    globalThis.process.stderr.write(`the client of Ceph: ${JSON.stringify(all)}\n`);
    expect(all.ok).toBeGreaterThan(1000);
  });

  it('there are backups of before that can be read', { timeout: 5 * minutes }, async () => {
    for (const host of ['ctl1', 'cell2-1']) {
      const dump = await cloud.on(host, 'gzip -cd /var/backups/cellwise/nova-before-2026.1/nova.sql.gz | grep -c "^CREATE TABLE"');
      expect(Number(dump), host).toBeGreaterThan(20);
    }
    expect(await cloud.on('ctl1', 'tar -tzf /var/backups/cellwise/keystone-before-2026.1/files.tar.gz')).toContain(
      'etc/keystone/fernet-keys/',
    );
  });

  it('new machines come up in both cells', { timeout: 10 * minutes }, async () => {
    for (const host of ['cmp1', 'cell2-1']) expect(await user.boot(`new-${host}`, host)).toHaveProperty('address');
  });

  it('nothing is left to do', { timeout: 20 * minutes }, async () => {
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
    const again = await cloud.cellwise('upgrade', 'run', ...run, '--json');
    expect(again.code).toBe(0);
    expect(again.events.flatMap((event) => (event.type === 'step-changed' ? [event.step] : []))).toEqual([]);
  });
});
