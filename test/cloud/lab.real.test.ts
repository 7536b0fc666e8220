import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { docker } from '../../src/lab/docker.ts';
import { TestCloud, type Ran } from '../cli/test-cloud.ts';
import { knock } from './knock.ts';
import { strangers } from './ports.ts';

// inventories/lab.yaml, as the demo goes it: from bare machines to servers that answer, and back again after every machine was
// restarted. Each test builds on those before it.
const cloud = new TestCloud('lab', '10.107', 'inventories/lab.yaml');
const minutes = 60_000;
const computes = ['cmp1', 'cmp2'];
const hosts = ['ctl1', ...computes, 'sto1', 'sto2', 'sto3'];

beforeAll(() => cloud.up(), 10 * minutes);
afterAll(() => cloud.down(), 3 * minutes);

const tried = ({ events }: Ran): string[] =>
  events.flatMap((event) => (event.type === 'trial-ok' ? [`${event.host} ${event.stepType}`] : []));
const wrong = ({ events }: Ran): string[] =>
  events.flatMap((event) => (event.type === 'step-failed' ? [`${event.step}: ${event.message}`] : []));
const openstack = (words: string): Promise<string> => cloud.on('ctl1', `. /root/admin-openrc && openstack ${words}`);
/** What a guest would leave: the names of projects, and ids of all that others can see of it. */
const left = (): Promise<string> =>
  openstack(
    'project list -f value -c Name; openstack server list --all-projects -f value; openstack keypair list -f value; openstack network list -f value -c Name',
  );

describe('the lab', () => {
  it('is made in one apply, and the second changes nothing in ten seconds', { timeout: 60 * minutes }, async () => {
    const first = await cloud.apply();
    expect(wrong(first), first.err).toEqual([]);
    expect(first.code).toBe(0);
    expect(first.summary.seconds).toBeLessThan(1.25 * longestChain(first));
    const second = await cloud.apply();
    expect({ code: second.code, changed: second.changed }).toEqual({ code: 0, changed: [] });
    expect(second.summary.seconds).toBeLessThan(10);
    const held = await Promise.all(hosts.map(memoryOf));
    process.stderr.write(`the lab: ${first.summary.seconds} s, GiB: ${held.map((each) => each.toFixed(2)).join(' ')}\n`);
    expect(held.reduce((sum, each) => sum + each, 0)).toBeLessThan(12);
  });

  it('listens where its roles say, and nowhere else', { timeout: 5 * minutes }, async () => {
    expect(await strangers(cloud)).toEqual([]);
    await cloud.on('ctl1', 'systemd-run -q --unit stranger python3 -m http.server 7777');
    await expect.poll(() => strangers(cloud), { timeout: minutes }).toEqual(['ctl1 tcp 0.0.0.0:7777 python3']);
    await cloud.on('ctl1', 'systemctl stop stranger');
  });

  it('can be used: servers on every compute host, and nothing of it stays', { timeout: 30 * minutes }, async () => {
    const before = await left();
    const ran = await cloud.cellwise('verify', '--json');
    expect(wrong(ran)).toEqual([]);
    expect(ran.code).toBe(0);
    const everywhere = ['server', 'console', 'closed-port', 'login'].flatMap((type) => computes.map((host) => `${host} ${type}`));
    const once = ['token', 'image', 'network', 'router', 'neighbours', 'stack', 'dashboard', 'screen'].map((type) => `ctl1 ${type}`);
    expect(tried(ran)).toEqual(expect.arrayContaining([...everywhere, ...once, 'cmp1 snapshot']));
    expect(await left()).toBe(before);
  });

  it('a user is told what is wrong, in the words of the service; what was made is removed', { timeout: 30 * minutes }, async () => {
    const before = await left();
    await cloud.on('ctl1', 'systemctl stop nova-scheduler');
    const ran = await cloud.cellwise('verify', '--only', 'role:nova-compute', '--quick', '--json');
    await cloud.on('ctl1', 'systemctl start nova-scheduler');
    expect(ran.code).toBe(1);
    expect(wrong(ran)).toContainEqual(expect.stringContaining('cmp1/nova-compute/verify: server'));
    expect(ran.events.flatMap((event) => (event.type === 'step-blocked' ? [event.step] : []))).toContain(
      'cmp1/nova-compute/verify: console',
    );
    expect(await left()).toBe(before);
  });

  it('what a verify leaves that was killed, the next one removes', { timeout: 30 * minutes }, async () => {
    const killed = cloud.start('verify', '--only', 'role:neutron-l3-agent');
    await expect
      .poll(() => openstack('router list -f value -c Name'), { timeout: 10 * minutes, interval: 2000 })
      .toContain('cellwise-verify-');
    killed.kill('SIGKILL');
    // Its lock ends with its connection.
    const again = await cloud.cellwise('verify', '--only', 'role:keystone', '--json');
    expect(again.code, JSON.stringify(again.events.at(-1))).toBe(0);
    expect(again.events).toContainEqual(
      expect.objectContaining({ type: 'note', text: expect.stringContaining('left by a run that was cut off') as string }),
    );
    expect(await left()).not.toContain('cellwise-verify-');
  });

  it(
    'has its routers again when Open vSwitch is restarted, which in user space kills their interfaces',
    { timeout: 20 * minutes },
    async () => {
      const gateway = JSON.parse(await openstack('router show edge -f json -c external_gateway_info')) as {
        external_gateway_info: { external_fixed_ips: [{ ip_address: string }] };
      };
      const [{ ip_address }] = gateway.external_gateway_info.external_fixed_ips;
      expect(await knock(ip_address)).toBe('ECONNREFUSED');
      await cloud.on('ctl1', 'systemctl restart ovs-vswitchd');
      await expect.poll(() => knock(ip_address), { timeout: 10 * minutes, interval: 2000 }).toBe('ECONNREFUSED');
      expect((await cloud.apply()).changed).toEqual([]);
    },
  );

  it('comes back by itself when every machine is restarted', { timeout: 60 * minutes }, async () => {
    await docker(['restart', '-t', '10', ...hosts.map((host) => cloud.container(host))]);
    await expect
      .poll(() => cloud.cellwise('verify', '--health').then(({ code }) => code), { timeout: 15 * minutes, interval: 5000 })
      .toBe(0);
    const third = await cloud.apply();
    expect({ code: third.code, changed: third.changed }).toEqual({ code: 0, changed: [] });
    const ran = await cloud.cellwise('verify', '--json');
    expect(wrong(ran)).toEqual([]);
    expect(ran.code).toBe(0);
  });
});

/** Seconds that the steps of a run's longest chain took. */
function longestChain({ events }: Ran): number {
  const path = events.find((event) => event.type === 'critical-path');
  return path!.steps.reduce((sum, { seconds }) => sum + seconds, 0);
}

/** GiB that the programs of a machine hold; what several of them share is counted once. */
async function memoryOf(host: string): Promise<number> {
  const pss = await cloud.on(host, 'grep -h ^Pss: /proc/[0-9]*/smaps_rollup 2>/dev/null || true');
  return [...pss.matchAll(/\d+/g)].reduce((sum, [kib]) => sum + Number(kib), 0) / 1024 ** 2;
}
