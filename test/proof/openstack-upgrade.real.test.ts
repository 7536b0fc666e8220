import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCloud } from '../cli/test-cloud.ts';

// A cloud of one controller and two compute hosts is brought from 2025.1 to 2026.1 while a machine runs in it and somebody
// uses its APIs. Takes half an hour and more, most of it downloads: `npm run test:upgrade`.
const cloud = new TestCloud('upgrade', '10.104');
const minutes = 60_000;
const run = ['--yes', '--accept-irreversible'];
const resources = `resources:
  images: { tiny: { build: tiny } }
  flavors: { m1.tiny: { vcpus: 1, ram: 128, disk: 1 } }
  networks:
    demo: { project: admin, subnets: { demo4: { cidr: 192.168.10.0/24 } } }
  security_groups:
    probe: { project: admin, ingress: [{ protocol: tcp, ports: 80 }, { protocol: icmp }] }
upgrade: { canary: [cmp1], wave: 1, max_unavailable: 1 }
`;

function write(release: string): void {
  cloud.write(
    (text) =>
      text
        .replace(/ {2}services: .*\n/, '')
        .replace("release: '2025.1'", `release: '${release}'`)
        .replace(/ {2}sto.*\n/, '')
        .replace('params:\n  mariadb', 'params:\n  base: { check_valid_until: false }\n  mariadb')
        .replace('scheduler_workers: 1 }', 'scheduler_workers: 1, graceful_shutdown: 15 }') + resources,
  );
}

interface Machine {
  readonly id: string;
  readonly address: string;
  readonly network: string;
}

interface Seen {
  readonly ok: number;
  readonly failed: number;
  /** Seconds. */
  readonly longest: number;
}

const seen = async () => JSON.parse(await cloud.on('ctl1', 'cat /root/client.json')) as Record<string, Seen>;
const give = (name: string) => cloud.on('ctl1', `echo ${readFileSync(`test/proof/${name}`).toString('base64')} | base64 -d >/root/${name}`);
const boot = async (name: string, host: string) =>
  JSON.parse(await cloud.on('ctl1', `python3 /root/openstack-machine.py ${name} ${host} demo ${cloud.name}`)) as Machine;
/** The process that is the machine, and since when: another one is another machine to whoever is in it. */
const process = (host: string) => cloud.on(host, 'for p in $(pgrep -x qemu-system-x86); do echo $p $(stat -c %Y /proc/$p); done');
const versions = (host: string, ...names: readonly string[]) =>
  cloud.on(
    host,
    `dpkg-query -W -f '\${Package} \${Version}\n' ${names.join(' ')} | sed -E 's/ [0-9]+:/ /; s/^([^ ]+) ([0-9]+).*/\\1 \\2/'`,
  );

/** Compute services that get no machines, and why. */
const disabled = () => cloud.on('ctl1', "mariadb -NBe 'SELECT host, disabled_reason FROM nova.services WHERE disabled AND deleted = 0'");
const reached = (type: 'stage-done' | 'lease-taken', stage?: string) =>
  cloud.facts().some((fact) => fact.type === type && (stage === undefined || ('stage' in fact && fact.stage === stage)));

beforeAll(() => {
  write('2025.1');
  return cloud.up();
}, 3 * minutes);
afterAll(() => cloud.down(), 3 * minutes);

describe('from 2025.1 to 2026.1', () => {
  let machine: Machine;
  let before: string;

  it('a cloud is made, and a machine runs in it', { timeout: 40 * minutes }, async () => {
    const { code, err, summary } = await cloud.apply();
    expect({ code, failed: summary.failed }, err).toEqual({ code: 0, failed: 0 });
    await give('openstack-machine.py');
    await give('openstack-client.py');
    machine = await boot('kept', 'cmp1');
    before = await process('cmp1');
    expect(before).toMatch(/^\d+ \d+$/m);
    await cloud.on('ctl1', `systemd-run -q --unit client python3 /root/openstack-client.py qdhcp-${machine.network} ${machine.address}`);
    await expect.poll(() => seen().then((all) => Object.keys(all).toSorted()), { timeout: minutes }).toContain('ping');
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
    const order = ['backup/nova', 'control/keystone', 'control/nova-conductor', 'control/nova-api', 'cells/cell1', 'finish/nova'];
    expect(stages.map(({ id }) => id).filter((id) => order.includes(id))).toEqual(order);
    expect(stages.find(({ id }) => id === 'cells/cell1')).toMatchObject({
      taken: ['nova-compute: nova-service nova-compute'],
      tried: ['nova-compute: server', 'nova-compute: console'],
    });
  });

  it('it is paused in the control plane: a cloud of two releases that works', { timeout: 40 * minutes }, async () => {
    const walking = cloud.cellwise('upgrade', 'run', ...run);
    await expect.poll(() => reached('stage-done', 'control/placement'), { timeout: 20 * minutes, interval: 500 }).toBe(true);
    expect((await cloud.cellwise('upgrade', 'pause')).code).toBe(0);
    const { code, out, err } = await walking;
    expect({ code }, out + err).toEqual({ code: 1 });
    expect(cloud.facts().at(-1)).toMatchObject({ type: 'paused', cause: 'operator' });
    expect(await versions('ctl1', 'python3-placement', 'python3-nova')).toBe('python3-nova 31\npython3-placement 15');
    expect(await boot('meanwhile', 'cmp2')).toHaveProperty('address');
  });

  it('it is resumed, and the deployer is killed with a compute host in its hands', { timeout: 60 * minutes }, async () => {
    const deployer = cloud.start('upgrade', 'resume', ...run);
    const ended = new Promise((resolve) => deployer.once('exit', resolve));
    await expect.poll(() => deployer.exitCode ?? reached('lease-taken'), { timeout: 55 * minutes, interval: 200 }).toBe(true);
    deployer.kill('SIGKILL');
    await ended;
    expect(await disabled()).toBe('cmp1\tCellwise upgrades this host to 2026.1.');
  });

  it('it is resumed once more, gives back what was taken, and ends', { timeout: 60 * minutes }, async () => {
    const { code, out, err } = await cloud.cellwise('upgrade', 'resume', ...run);
    expect({ code }, out + err).toEqual({ code: 0 });
    expect(await disabled()).toBe('');
    expect(cloud.facts().flatMap((fact) => (fact.type === 'host-trying' ? [fact.host] : []))).toEqual(['cmp1']);
    expect(
      await versions('ctl1', 'python3-keystone', 'python3-placement', 'python3-neutron', 'python3-cinder', 'python3-nova', 'python3-heat'),
    ).toBe(
      ['python3-cinder 28', 'python3-heat 26', 'python3-keystone 30', 'python3-neutron 28', 'python3-nova 33', 'python3-placement 15'].join(
        '\n',
      ),
    );
    for (const host of ['cmp1', 'cmp2']) {
      expect(await versions(host, 'python3-nova', 'python3-neutron')).toBe('python3-neutron 28\npython3-nova 33');
    }
    const rows = await cloud.on('ctl1', "mariadb -NB -e 'SELECT DISTINCT version, disabled FROM nova.services WHERE deleted = 0'");
    expect(rows).toBe('72\t0');
  });

  it('the machine was not restarted; who used the cloud saw it go away for moments only', { timeout: 5 * minutes }, async () => {
    expect(await process('cmp1')).toBe(before);
    const all = await seen();
    globalThis.process.stderr.write(`the client: ${JSON.stringify(all)}\n${cloud.turns().join('\n')}\n`);
    expect(all['ping']!.failed).toBeLessThanOrEqual(1);
    for (const [name, { ok, longest }] of Object.entries(all)) {
      expect(ok, name).toBeGreaterThan(100);
      expect(longest, name).toBeLessThan(120);
    }
  });

  it('there are backups of before that can be read', { timeout: 5 * minutes }, async () => {
    const dump = await cloud.on('ctl1', 'gzip -cd /var/backups/cellwise/nova-before-2026.1/nova.sql.gz | grep -c "^CREATE TABLE"');
    expect(Number(dump)).toBeGreaterThan(20);
    expect(await cloud.on('ctl1', 'tar -tzf /var/backups/cellwise/keystone-before-2026.1/files.tar.gz')).toContain(
      'etc/keystone/fernet-keys/',
    );
  });

  it('new machines come up on both hosts', { timeout: 10 * minutes }, async () => {
    for (const host of ['cmp1', 'cmp2']) expect(await boot(`new-${host}`, host)).toHaveProperty('address');
  });

  it('nothing is left to do', { timeout: 20 * minutes }, async () => {
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
    const again = await cloud.cellwise('upgrade', 'run', ...run, '--json');
    expect(again.code).toBe(0);
    expect(again.events.flatMap((event) => (event.type === 'step-changed' ? [event.step] : []))).toEqual([]);
  });
});
