import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCloud, type Ran } from '../cli/test-cloud.ts';
import { Client } from './client.ts';
import { knock } from './knock.ts';

// A cloud whose routers are on hosts of their own, and whose projects are kept apart by VXLAN. Each test builds on those before it.
const cloud = new TestCloud('net', '10.112', 'inventories/lab.yaml');
const minutes = 60_000;
const services = 'nova-compute, nova-scheduler, nova-zone, neutron-dhcp-agent, neutron-l3-agent, neutron-metadata-agent';
const host = (name: string, last: number, more = ''): string =>
  `${name}: { address: 10.112.0.${last}, addresses: { data: 10.112.1.${last}, provider: 10.112.2.${last} }, kind: network${more} }`;

/** The lab's inventory without storage, with these network hosts. */
function hosts(...networks: readonly string[]): void {
  cloud.write((text) =>
    text
      .replace(/^ {2}name: .*\n/m, `$&  services: [${services}]\n`)
      .replace(/addresses: \{ data: [^}]*\}, kind: controller/, 'kind: controller')
      .replace(/ {2}sto.*\n/, networks.map((line) => `  ${line}\n`).join(''))
      .replace('kinds:\n  controller:', 'kinds:\n  network:')
      .replace("tenant_network: vlan, vlan_range: '100:199'", 'tenant_network: vxlan')
      .replace('openvswitch: { data_interface: data }', 'openvswitch: { data_interface: data, tunnels_in_user_space: true }'),
  );
}

let client: Client;

beforeAll(() => {
  hosts(host('net1', 15));
  return cloud.up();
}, 3 * minutes);
afterAll(() => cloud.down(), 3 * minutes);

interface Agent {
  readonly id: string;
  readonly host: string;
  readonly binary: string;
}

const agents = async (): Promise<readonly Agent[]> => (await client.get<{ agents: Agent[] }>('network', '/v2.0/agents')).agents;
const tell = (all: readonly Agent[]) => all.map((agent) => `${agent.host} ${agent.binary.replace(/^neutron-|-agent$/g, '')}`).toSorted();
const named = async (list: 'routers' | 'networks', name: string): Promise<string> => {
  const all = (await client.get<Record<string, { id: string }[]>>('network', `/v2.0/${list}?name=${name}`))[list]!;
  return all[0]!.id;
};
/** Who carries the router edge, and who gives addresses on the network inner. */
const carriers = async (): Promise<readonly string[]> => [
  ...tell((await client.get<{ agents: Agent[] }>('network', `/v2.0/routers/${await named('routers', 'edge')}/l3-agents`)).agents),
  ...tell((await client.get<{ agents: Agent[] }>('network', `/v2.0/networks/${await named('networks', 'inner')}/dhcp-agents`)).agents),
];
const namespaces = async (on: string): Promise<readonly string[]> => {
  const [router, network] = [await named('routers', 'edge'), await named('networks', 'inner')];
  const all = await cloud.on(on, 'ip netns list');
  return [all.includes(`qrouter-${router}`) ? 'edge' : '', all.includes(`qdhcp-${network}`) ? 'inner' : ''].filter(Boolean);
};
const gateway = async (): Promise<string> => {
  const { routers } = await client.get<{ routers: { external_gateway_info: { external_fixed_ips: { ip_address: string }[] } }[] }>(
    'network',
    '/v2.0/routers?name=edge',
  );
  return routers[0]!.external_gateway_info.external_fixed_ips[0]!.ip_address;
};
const tunnels = async (on: string): Promise<readonly string[]> => {
  const out = await cloud.on(
    on,
    "ovs-vsctl -f csv -d bare --no-headings --columns=options find interface type=vxlan | grep -o 'remote_ip=[^ ]*'",
  );
  return out.trim().split('\n').toSorted();
};
const tried = ({ events }: Ran): string[] =>
  events.flatMap((event) => (event.type === 'trial-ok' ? [`${event.host} ${event.stepType}`] : []));
const wrong = ({ events }: Ran): string[] =>
  events.flatMap((event) => (event.type === 'step-failed' ? [`${event.step}: ${event.message}`] : []));

describe('a network host', () => {
  it('is made in one apply, and the second changes nothing', { timeout: 40 * minutes }, async () => {
    const first = await cloud.apply();
    expect(wrong(first), first.err).toEqual([]);
    expect(first).toMatchObject({ code: 0, summary: { failed: 0, blocked: 0, hosts: 4 } });
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
  });

  it('carries routers and DHCP servers, and the controller no agent at all', { timeout: 5 * minutes }, async () => {
    const { out } = await cloud.cellwise('secrets', 'show', 'keystone.admin_password');
    client = await Client.login('http://10.112.0.11:5000', out.trim());
    expect(tell(await agents())).toEqual([
      'cmp1 openvswitch',
      'cmp2 openvswitch',
      'net1 dhcp',
      'net1 l3',
      'net1 metadata',
      'net1 openvswitch',
    ]);
    expect(await cloud.on('ctl1', 'systemctl is-active ovs-vswitchd || true')).toMatch(/^inactive/);
    await expect.poll(carriers, { timeout: 3 * minutes, interval: 2000 }).toEqual(['net1 l3', 'net1 dhcp']);
    await expect.poll(async () => knock(await gateway()), { timeout: 2 * minutes, interval: 2000 }).toBe('ECONNREFUSED');
  });

  it('reaches machines on both compute hosts, and they each other, by VXLAN', { timeout: 30 * minutes }, async () => {
    const { networks } = await client.get<{ networks: Record<string, unknown>[] }>('network', '/v2.0/networks?name=inner');
    // What a tunnel needs is taken off the 1500 bytes of the network data.
    expect(networks).toMatchObject([{ 'provider:network_type': 'vxlan', mtu: 1450 }]);
    expect(await tunnels('cmp1')).toEqual(['remote_ip=10.112.1.15', 'remote_ip=10.112.1.22']);
    const ran = await cloud.cellwise('verify', '--json');
    expect(wrong(ran)).toEqual([]);
    expect(ran.code).toBe(0);
    const everywhere = ['server', 'console', 'closed-port', 'login'].flatMap((type) => [`cmp1 ${type}`, `cmp2 ${type}`]);
    expect(tried(ran)).toEqual(expect.arrayContaining([...everywhere, 'net1 network', 'net1 router', 'cmp1 neighbours']));
  });
});

describe('network hosts come and go', () => {
  it('a second one joins by the next apply, which touches nothing else', { timeout: 20 * minutes }, async () => {
    hosts(host('net1', 15), host('net2', 16));
    await cloud.up();
    const { code, err, changed } = await cloud.apply();
    expect(code, err).toBe(0);
    expect(changed.filter((step) => !step.startsWith('net2/')).toSorted()).toEqual(
      ['cmp1', 'cmp2', 'ctl1', 'net1'].map((name) => `${name}/base/hosts-file`),
    );
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
    expect(await carriers()).toEqual(['net1 l3', 'net1 dhcp']);
    expect(tell(await agents()).filter((agent) => agent.startsWith('net2'))).toHaveLength(4);
  });

  it('one that leaves hands over what it carries, and is forgotten', { timeout: 20 * minutes }, async () => {
    hosts(host('net1', 15, ', state: absent'), host('net2', 16));
    const plan = await cloud.cellwise('plan', '--json');
    expect(plan.code, plan.err).toBe(0);
    const planned = plan.events.find((event) => event.type === 'step-planned' && event.step === 'ctl1/neutron-drain/network-drain net1');
    expect(JSON.stringify(planned)).toMatch(/network inner.*router edge/);
    const { code, err, changed } = await cloud.apply();
    expect(code, err).toBe(0);
    expect(changed).toContain('ctl1/neutron-drain/network-drain net1');
    expect(changed.at(-1)).toBe('ctl1/neutron-gone/network-drain net1');
    expect(changed.filter((step) => !/^ctl1\/neutron-(drain|gone)\/|^net1\/neutron-leaving\//.test(step))).toEqual([]);
    expect(await carriers()).toEqual(['net2 l3', 'net2 dhcp']);
    expect(tell(await agents()).filter((agent) => agent.startsWith('net1'))).toEqual([]);
    // Two hosts that answer for one address would be worse than none.
    expect(await namespaces('net1')).toEqual([]);
    await expect.poll(() => namespaces('net2'), { timeout: 2 * minutes, interval: 2000 }).toEqual(['edge', 'inner']);
    await expect.poll(async () => knock(await gateway()), { timeout: 2 * minutes, interval: 2000 }).toBe('ECONNREFUSED');
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
    const ran = await cloud.cellwise('verify', '--quick', '--json');
    expect(wrong(ran)).toEqual([]);
    expect(ran.code).toBe(0);
  });

  it('the last one cannot leave as long as it carries something', { timeout: 10 * minutes }, async () => {
    hosts(host('net1', 15, ', state: absent'), host('net2', 16, ', state: absent'));
    const { code, err, changed } = await cloud.apply();
    expect({ code, changed }).toEqual({ code: 3, changed: [] });
    expect(err).toMatch(/nobody can take over from net1, net2: no other host runs neutron-dhcp-agent and neutron-l3-agent yet/);
    expect(await carriers()).toEqual(['net2 l3', 'net2 dhcp']);
  });

  it('one that had left comes back', { timeout: 15 * minutes }, async () => {
    hosts(host('net1', 15), host('net2', 16));
    const { code, err, changed } = await cloud.apply();
    expect(code, err).toBe(0);
    expect(changed.filter((step) => !step.startsWith('net1/'))).toEqual([]);
    expect(tell(await agents()).filter((agent) => agent.startsWith('net1'))).toHaveLength(4);
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
  });
});
