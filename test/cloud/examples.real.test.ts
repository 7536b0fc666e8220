import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCloud, type Ran } from '../cli/test-cloud.ts';

// The examples as their README.md goes through them. That of adding-a-compute is in day-two.real.test.ts, with all that may go wrong.
const minutes = 60_000;
const wrong = ({ events }: Ran): string[] =>
  events.flatMap((event) => (event.type === 'step-failed' ? [`${event.step}: ${event.message}`] : []));

describe('own-role', () => {
  const cloud = new TestCloud('own', '10.115', 'examples/own-role/inventory.yaml');
  const role = ['--only', 'role:node-exporter'];
  /** Collectors: those that are on besides the usual ones. */
  const write = (collectors: string): void => {
    cloud.write((text) =>
      text.replace('roles: [roles]', `roles: [${resolve('examples/own-role/roles')}]`).replace('[systemd]', `[${collectors}]`),
    );
  };
  const metrics = (host: string): Promise<string> => fetch(`http://${host}:9100/metrics`).then((answer) => answer.text());

  beforeAll(() => {
    write('systemd');
    return cloud.up();
  }, 3 * minutes);
  afterAll(() => cloud.down(), 3 * minutes);

  it('puts a role of your own on every host, with what it needs and no more', { timeout: 10 * minutes }, async () => {
    const { code, err, events } = await cloud.apply(...role);
    expect(code, err).toBe(0);
    expect(new Set(events.flatMap((event) => (event.type === 'step-changed' ? [event.role] : [])))).toEqual(
      new Set(['host', 'base', 'node-exporter']),
    );
    expect(await cloud.apply(...role)).toMatchObject({ code: 0, changed: [] });
    expect((await cloud.cellwise('verify', ...role)).code).toBe(0);
    for (const host of ['10.115.0.11', '10.115.0.21']) expect(await metrics(host)).toContain('node_systemd_unit_state{name="ssh.service"');
    // It listens where the role says, and nowhere else.
    expect(await cloud.on('ctl1', 'ss -Hltn sport = 9100')).toContain('10.115.0.11:9100');
  });

  it('restarts the exporter for another param, and does nothing else', { timeout: 5 * minutes }, async () => {
    write('systemd, processes');
    const { code, err, changed } = await cloud.apply(...role);
    expect(code, err).toBe(0);
    expect(changed.toSorted()).toEqual(
      ['cmp1', 'ctl1'].flatMap((host) => [
        `${host}/node-exporter/file /etc/default/prometheus-node-exporter`,
        `${host}/node-exporter/service prometheus-node-exporter`,
      ]),
    );
    expect(await metrics('10.115.0.21')).toContain('node_processes_pids');
  });
});

describe('first-cloud', () => {
  const cloud = new TestCloud('first', '10.114', 'examples/first-cloud/inventory.yaml');
  const key = join(cloud.directory, 'alice');
  let alice: string;

  beforeAll(async () => {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    cloud.write((text) => text.replace('keys/alice.pub', 'alice.pub'));
    await cloud.up();
  }, 3 * minutes);
  afterAll(() => cloud.down(), 3 * minutes);

  /** What Alice's client says on the controller. */
  const openstack = (words: string): Promise<string> =>
    cloud.on('ctl1', `. /root/admin-openrc; export OS_USERNAME=alice OS_PROJECT_NAME=demo OS_PASSWORD='${alice}'; openstack ${words}`);

  it('is made in one apply, the image of Debian too', { timeout: 60 * minutes }, async () => {
    const first = await cloud.apply();
    expect(wrong(first), first.err).toEqual([]);
    expect(first.code).toBe(0);
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
  });

  it('is fit for use', { timeout: 30 * minutes }, async () => {
    const ran = await cloud.cellwise('verify', '--json');
    expect(wrong(ran)).toEqual([]);
    expect(ran.code).toBe(0);
  });

  it('has all that Alice needs for her first server', { timeout: 20 * minutes }, async () => {
    alice = (await cloud.cellwise('secrets', 'show', 'resources.users.alice')).out.trim();
    const created = await openstack(
      'server create --image tiny --flavor m1.tiny --network inner --security-group ssh --key-name alice --wait first -f value -c status',
    );
    expect(created.trim()).toBe('ACTIVE');
    const address = (await openstack('floating ip create public -f value -c floating_ip_address')).trim();
    await openstack(`server add floating ip first ${address}`);
    const options = [
      '-i',
      key,
      ...['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'].flatMap((each) => ['-o', each]),
    ];
    const login = (): string => {
      try {
        return execFileSync('ssh', [...options, '-o', 'ConnectTimeout=5', `root@${address}`, 'hostname'], { encoding: 'utf8' }).trim();
      } catch (error) {
        return String(error);
      }
    };
    await expect.poll(login, { timeout: 5 * minutes, interval: 5000 }).toBe('first');
    expect(await openstack('image list -f value -c Name')).toBe('debian-13\ntiny');
    expect(await openstack('flavor list -f value -c Name')).toContain('big');
  });

  it('plans one step for one line more', { timeout: 5 * minutes }, async () => {
    const text = readFileSync(cloud.inventory, 'utf8');
    cloud.write(() => text.replace('    m1.tiny:', '    m1.medium: { vcpus: 2, ram: 2048, disk: 10 }\n    m1.tiny:'));
    const plan = await cloud.cellwise('plan', '--json');
    expect(plan.events.flatMap((event) => (event.type === 'step-planned' ? [event.step] : []))).toEqual([
      'ctl1/resources/flavor m1.medium',
    ]);
  });
});

describe('dedicated-zone', () => {
  const cloud = new TestCloud('zone', '10.116', 'examples/dedicated-zone/inventory.yaml');

  beforeAll(() => cloud.up(), 3 * minutes);
  afterAll(() => cloud.down(), 3 * minutes);

  /** Where a server of the administrator's in a project comes to be, and in which zone. */
  const boot = async (project: string, flavor: string, name: string): Promise<string> => {
    const words = `server create --image tiny --flavor ${flavor} --network inner --wait ${name} -f value -c OS-EXT-SRV-ATTR:host -c OS-EXT-AZ:availability_zone`;
    const out = await cloud.on('ctl1', `. /root/admin-openrc; export OS_PROJECT_NAME=${project}; openstack ${words}`);
    return out.trim().split('\n').toSorted().join(' ');
  };

  it('is made in one apply', { timeout: 40 * minutes }, async () => {
    const first = await cloud.apply();
    expect(wrong(first), first.err).toEqual([]);
    expect(first.code).toBe(0);
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
  });

  it('puts servers where they belong, and no others there', { timeout: 20 * minutes }, async () => {
    await cloud.on('ctl1', '. /root/admin-openrc; openstack role add --user admin --project acme admin');
    expect(await boot('admin', 'g1.tiny', 'graphics')).toBe('cmp2 gpu');
    expect(await boot('acme', 'acme.tiny', 'acme')).toBe('cmp3 nova');
    for (const name of ['one', 'two', 'three']) expect(await boot('admin', 'm1.tiny', name)).toBe('cmp1 nova');
  });
});
