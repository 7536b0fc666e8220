import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Event } from '../../src/base/event.ts';
import { docker } from '../../src/lab/docker.ts';
import { TestCloud } from '../cli/test-cloud.ts';
import { Client, type Server } from './client.ts';

// A cloud after its first day, each test on what those before it left: compute hosts come and go, steps fail and are mended.
const cloud = new TestCloud('two', '10.111');
const minutes = 60_000;
const services = 'nova-compute, nova-scheduler, nova-zone, neutron-dhcp-agent, neutron-l3-agent, neutron-metadata-agent';
const compute1 = '{ address: 10.111.0.21, addresses: { data: 10.111.1.21 }, kind: compute }';
const compute2 = (more = ''): string => `cmp2: { address: 10.111.0.22, addresses: { data: 10.111.1.22 }, kind: compute${more} }`;
const resources = (more = ''): string => `
resources:
  images: { tiny: { build: tiny }${more} }
  flavors:
    t1: { vcpus: 1, ram: 128, disk: 1 }
    g1: { vcpus: 1, ram: 128, disk: 1, extra_specs: { 'aggregate_instance_extra_specs:gpu': true } }
  networks:
    inner: { subnets: { inner4: { cidr: 192.168.10.0/24 } } }
`;

let client: Client;
let [runs, stands]: (Server | undefined)[] = [];

/** The lab's inventory with cmp1, and these lines besides. */
function hosts(lines: readonly string[], declared = resources()): void {
  cloud.write(
    (text) =>
      text
        .replace('services: [keystone]', `services: [${services}]`)
        .replace(/ {2}cmp.*\n/, [`cmp1: ${compute1}`, ...lines].map((line) => `  ${line}\n`).join(''))
        .replace(/ {2}sto.*\n/, '') + declared,
  );
}

beforeAll(async () => {
  hosts([]);
  await cloud.up();
  const { code, err, summary } = await cloud.apply();
  expect({ code, failed: summary.failed }, err).toEqual({ code: 0, failed: 0 });
  const { out } = await cloud.cellwise('secrets', 'show', 'keystone.admin_password');
  client = await Client.login('http://10.111.0.11:5000', out.trim());
}, 40 * minutes);
afterAll(() => cloud.down(), 3 * minutes);

const compute = async (): Promise<string[]> => {
  const { services: all } = await client.get<{ services: { host: string; state: string; status: string }[] }>(
    'compute',
    '/os-services?binary=nova-compute',
  );
  return all.map(({ host, state, status }) => `${host} ${state} ${status}`).toSorted();
};
const planned = (events: readonly Event[], step: string) => events.find((event) => event.type === 'step-planned' && event.step === step);
const failed = (events: readonly Event[]) => events.filter((event) => event.type === 'step-failed');

describe('compute hosts come and go', () => {
  it('one more joins by the next apply, which touches nothing else', { timeout: 20 * minutes }, async () => {
    hosts([compute2()]);
    await cloud.up();
    const { code, err, changed } = await cloud.apply();
    expect(code, err).toBe(0);
    expect(changed.filter((step) => !step.startsWith('cmp2/')).toSorted()).toEqual([
      'cmp1/base/hosts-file',
      'ctl1/base/hosts-file',
      'ctl1/nova-hosts/nova-discover cell1',
    ]);
    expect(await compute()).toEqual(['cmp1 up enabled', 'cmp2 up enabled']);
    expect((await cloud.apply()).changed).toEqual([]);
  });

  it('plan shows the machines of one that is to leave, and refuses when they have nowhere to go', { timeout: 20 * minutes }, async () => {
    const options = { flavor: 't1', network: 'inner', host: 'cmp2' };
    [runs, stands] = await Promise.all([client.boot('runs', options), client.boot('stands', options)]);
    await client.act(stands.id, { 'os-stop': null });
    await client.until(stands.id, 'SHUTOFF');
    hosts([compute2(', state: absent')]);
    const plan = await cloud.cellwise('plan', '--json');
    expect(plan.code, plan.err).toBe(0);
    const text = JSON.stringify(planned(plan.events, 'ctl1/nova-drain/compute-drain'));
    expect(text).toMatch(/runs \(ACTIVE\)/);
    expect(text).toMatch(/stands \(SHUTOFF\)/);

    await cloud.on('cmp1', 'systemctl stop nova-compute');
    await expect.poll(compute, { timeout: 3 * minutes, interval: 2000 }).toContain('cmp1 down enabled');
    const refused = await cloud.apply();
    expect(refused.code).toBe(3);
    expect(refused.err).toMatch(/runs on cmp2 fits nowhere: no other compute host of its cell is up/);
    expect(refused.err).toMatch(/stands on cmp2 fits nowhere/);
    expect(refused.changed).toEqual([]);
    expect(await compute()).toContain('cmp2 up enabled');
    await cloud.on('cmp1', 'systemctl start nova-compute');
    await expect.poll(compute, { timeout: 3 * minutes, interval: 2000 }).toContain('cmp1 up enabled');
  });

  it('apply moves them, the running one while it runs, and deletes all that is known of the host', { timeout: 30 * minutes }, async () => {
    const { code, err, changed } = await cloud.apply();
    expect(code, err).toBe(0);
    expect(changed.toSorted()).toEqual([
      'cmp2/neutron-leaving/service neutron-openvswitch-agent',
      'cmp2/nova-leaving/service nova-compute',
      'ctl1/nova-drain/compute-drain',
      'ctl1/nova-gone/compute-gone',
    ]);
    expect(await client.server(runs!.id)).toMatchObject({ status: 'ACTIVE', 'OS-EXT-SRV-ATTR:host': 'cmp1' });
    expect(await client.server(stands!.id)).toMatchObject({ status: 'SHUTOFF', 'OS-EXT-SRV-ATTR:host': 'cmp1' });
    const migrations = await client.get<{ migrations: { instance_uuid: string; migration_type: string }[] }>('compute', '/os-migrations');
    expect(migrations.migrations.map(({ instance_uuid: id, migration_type: type }) => [id, type])).toEqual(
      expect.arrayContaining([
        [runs!.id, 'live-migration'],
        [stands!.id, 'migration'],
      ]),
    );
    expect(await compute()).toEqual(['cmp1 up enabled']);
    const { agents } = await client.get<{ agents: { host: string }[] }>('network', '/v2.0/agents');
    expect(agents.map(({ host }) => host)).not.toContain('cmp2');
    const { resource_providers: providers } = await client.get<{ resource_providers: { name: string }[] }>(
      'placement',
      '/resource_providers',
    );
    expect(providers.map(({ name }) => name.split('.')[0])).toEqual(['cmp1']);
    expect(await cloud.on('ctl1', 'mariadb -NB nova_api -e "SELECT host FROM host_mappings"')).toBe('cmp1');
    expect(await cloud.on('cmp2', 'systemctl is-enabled nova-compute; systemctl is-active nova-compute || true')).toBe(
      'disabled\ninactive',
    );
    expect((await cloud.apply()).changed).toEqual([]);
    // A stopped machine that has moved still starts.
    await client.act(stands!.id, { 'os-start': null });
    await client.until(stands!.id, 'ACTIVE');
    await client.remove(stands!.id);
  });

  it('one that only vanishes from the file is left alone, and that is said', { timeout: 10 * minutes }, async () => {
    hosts([]);
    const { code, events } = await cloud.apply();
    expect(code).toBe(0);
    const notes = events.flatMap((event) => (event.type === 'note' && event.host === 'cmp2' ? [event.text] : []));
    expect(notes.join()).toMatch(/no longer in the inventory, and left as it is/);
  });

  it('one that had left comes back, into an aggregate, and machines for it go there', { timeout: 20 * minutes }, async () => {
    hosts([compute2()], `${resources()}  aggregates: { cards: { hosts: [cmp2], metadata: { gpu: true }, flavors: [g1] } }\n`);
    const { code, err } = await cloud.apply();
    expect(code, err).toBe(0);
    expect(await compute()).toEqual(['cmp1 up enabled', 'cmp2 up enabled']);
    const g1 = await client.boot('graphics', { flavor: 'g1', network: 'inner' });
    expect(g1['OS-EXT-SRV-ATTR:host']).toBe('cmp2');
    // It has room, and is kept from others.
    const t1 = await client.boot('plain', { flavor: 't1', network: 'inner' });
    expect(t1['OS-EXT-SRV-ATTR:host']).toBe('cmp1');
    await Promise.all([client.remove(g1.id), client.remove(t1.id)]);
    expect((await cloud.apply()).changed).toEqual([]);
  });
});

describe('what fails says what to do, and the next apply finishes', () => {
  const all = `${resources()}  aggregates: { cards: { hosts: [cmp2], metadata: { gpu: true }, flavors: [g1] } }\n`;

  it('an image that cannot be had', { timeout: 10 * minutes }, async () => {
    hosts([compute2()], all.replace('{ tiny: { build: tiny } }', '{ tiny: { build: tiny }, lost: { file: lost.img } }'));
    const missing = await cloud.apply();
    expect(missing.code).toBe(3);
    expect(missing.err).toMatch(/cloud\.yaml:\d+:\d+.*There is no file .*lost\.img/);
    hosts(
      [compute2()],
      all.replace(
        '{ tiny: { build: tiny } }',
        `{ tiny: { build: tiny }, lost: { url: "http://10.111.0.11:5000/lost.img", sha256: ${'0'.repeat(64)} } }`,
      ),
    );
    const { code, events } = await cloud.apply();
    expect(code).toBe(1);
    expect(failed(events)).toMatchObject([
      {
        host: 'ctl1',
        role: 'resources',
        stepType: 'image',
        name: 'lost',
        hint: expect.stringContaining('resources.images, entry lost') as string,
      },
    ]);
    hosts([compute2()], all);
    expect(await cloud.apply()).toMatchObject({ code: 0 });
  });

  it('MariaDB that is stopped is started; one that cannot start is told of, with its last words', { timeout: 15 * minutes }, async () => {
    await cloud.on('ctl1', 'systemctl stop mariadb');
    const started = await cloud.apply();
    expect(started.code, started.err).toBe(0);
    expect(started.changed).toEqual(['ctl1/mariadb/service mariadb']);
    await cloud.on('ctl1', 'printf "[mariadbd]\\nno_such_option = 1\\n" >/etc/mysql/mariadb.conf.d/zz-broken.cnf; systemctl stop mariadb');
    const { code, events } = await cloud.apply();
    expect(code).toBe(1);
    expect(failed(events)).toMatchObject([
      {
        host: 'ctl1',
        role: 'mariadb',
        stepType: 'service',
        name: 'mariadb',
        hint: expect.stringContaining('journalctl -u mariadb') as string,
      },
    ]);
    expect(JSON.stringify(failed(events))).toContain('no_such_option');
    await cloud.on('ctl1', 'rm /etc/mysql/mariadb.conf.d/zz-broken.cnf');
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: ['ctl1/mariadb/service mariadb'] });
  });

  it('a compute host without /dev/net/tun', { timeout: 10 * minutes }, async () => {
    await cloud.on('cmp2', 'mv /dev/net/tun /dev/net/tun.kept');
    const { code, events } = await cloud.apply();
    await cloud.on('cmp2', 'mv /dev/net/tun.kept /dev/net/tun');
    expect(code).toBe(1);
    expect(failed(events)).toMatchObject([
      {
        host: 'cmp2',
        role: 'libvirt',
        message: expect.stringContaining('/dev/net/tun') as string,
        hint: expect.stringContaining('no machine of cmp2 has a network') as string,
      },
    ]);
    expect(await cloud.apply()).toMatchObject({ code: 0 });
  });

  it('a full disk', { timeout: 10 * minutes }, async () => {
    await cloud.on(
      'cmp2',
      'cp -a /etc/nova /root/nova; mount -t tmpfs -o size=8m tmpfs /etc/nova; cp -a /root/nova/. /etc/nova/; echo "# mine" >>/etc/nova/nova-compute.conf; dd if=/dev/zero of=/etc/nova/full bs=1k 2>/dev/null || true',
    );
    const { code, events } = await cloud.apply();
    expect(code).toBe(1);
    expect(failed(events)).toMatchObject([
      {
        host: 'cmp2',
        role: 'nova-compute',
        stepType: 'file',
        name: '/etc/nova/nova-compute.conf',
        hint: expect.stringContaining('A disk of cmp2 is full') as string,
      },
    ]);
    await cloud.on('cmp2', 'rm /etc/nova/full');
    const { code: then, changed } = await cloud.apply();
    expect({ then, changed: changed.toSorted() }).toEqual({
      then: 0,
      // What it would have been restarted for is not recorded before it is done.
      changed: ['cmp2/nova-compute/file /etc/nova/nova-compute.conf', 'cmp2/nova-compute/service nova-compute'],
    });
    await docker(['exec', cloud.container('cmp2'), 'umount', '/etc/nova']);
  });

  it('a rotated secret changes exactly what depends on it', { timeout: 15 * minutes }, async () => {
    expect((await cloud.cellwise('secrets', 'rotate', 'rabbitmq.nova')).code).toBe(0);
    const { code, err, changed } = await cloud.apply();
    expect(code, err).toBe(0);
    // The user on the message queue, and who logs in as it.
    expect(changed.toSorted()).toEqual(
      [
        'ctl1/nova/file /etc/nova/nova.conf',
        'ctl1/nova/rabbitmq-user nova',
        'ctl1/nova-api/service nova-api',
        'ctl1/nova-api/service nova-api-metadata',
        'ctl1/nova-conductor/service nova-conductor',
        'ctl1/nova-novncproxy/service nova-novncproxy',
        'ctl1/nova-scheduler/service nova-scheduler',
        ...['cmp1', 'cmp2'].flatMap((host) => [
          `${host}/nova-compute/file /etc/nova/nova-compute.conf`,
          `${host}/nova-compute/service nova-compute`,
        ]),
      ].toSorted(),
    );
    expect((await cloud.apply()).changed).toEqual([]);
    expect((await client.boot('after', { flavor: 't1', network: 'inner' })).status).toBe('ACTIVE');
  });
});

describe('the configuration that roles write', () => {
  it('is what oslo’s own validator takes', { timeout: 20 * minutes }, async () => {
    expect(await cloud.on('ctl1', validator)).toBe('');
  });
});

// Names of options that each service reads, by file; what all of them have besides.
const common =
  'keystonemiddleware.auth_token oslo.cache oslo.concurrency oslo.db oslo.log oslo.messaging oslo.middleware oslo.policy oslo.privsep oslo.reports oslo.service.periodic_task oslo.service.service oslo.service.sslutils oslo.service.wsgi osprofiler';
const files: Readonly<Record<string, string>> = {
  '/etc/keystone/keystone.conf': 'keystone',
  '/etc/glance/glance-api.conf': 'glance.api glance.store glance.multi_store',
  '/etc/placement/placement.conf': 'placement.conf placement.auth',
  '/etc/nova/nova.conf': 'nova.conf nova.auth os_vif os_brick',
  '/etc/neutron/neutron.conf': 'neutron neutron.base.agent neutron.agent neutron.db neutron.extensions neutron.dhcp.agent',
  '/etc/neutron/server.conf.d/server.conf': 'neutron neutron.db nova.auth placement.auth',
  '/etc/neutron/plugins/ml2/ml2_conf.ini': 'neutron neutron.ml2',
  '/etc/neutron/plugins/ml2/openvswitch_agent.ini': 'neutron neutron.ml2.ovs.agent neutron.ml2',
  '/etc/neutron/l3_agent.ini': 'neutron.l3.agent neutron.base.agent',
  '/etc/neutron/dhcp_agent.ini': 'neutron.dhcp.agent neutron.base.agent',
  '/etc/neutron/metadata_agent.ini': 'neutron.metadata.agent neutron.base.agent',
};
const validator = Object.entries(files)
  .map(([file, names]) => {
    const namespaces = `${names} ${common}`
      .split(' ')
      .map((name) => `--namespace ${name}`)
      .join(' ');
    return `oslo-config-validator --input-file ${file} ${namespaces} 2>&1 | grep ERROR | sed 's|^|${file}: |'`;
  })
  .join('\n')
  .concat('\ntrue');
