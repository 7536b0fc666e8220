import { ask, defineTrial, type Handed } from './define.ts';
import { running } from './servers.ts';

interface Flavor {
  readonly id: string;
  readonly name: string;
  readonly vcpus: number;
  readonly ram: number;
  readonly disk: number;
}

export const server = defineTrial({
  type: 'server',
  summary: 'A server starts on a compute host. Its security group lets nothing in but ping.',
  nameParam: 'host',
  params: {
    type: 'object',
    required: ['host', 'flavor'],
    additionalProperties: false,
    properties: {
      host: { type: 'string', description: 'The compute host, as Nova knows it.' },
      flavor: { type: 'string', description: 'Name of its flavor; empty: the smallest that the image fits.' },
    },
  },
  needs: ['image', 'network'],
  suspects: [
    'neutron-openvswitch-agent',
    'libvirt',
    'nova-scheduler',
    'nova-conductor',
    'nova-api',
    'placement',
    'neutron-server',
    'glance',
  ],
  *attempt({ host, flavor: wanted }, stage) {
    const name = `${stage.name}-${host.replaceAll(/[^a-z0-9-]/gi, '-')}`;
    const image = stage.of('image');
    const path = '/v2.1/flavors/detail';
    const all = yield* ask<readonly Flavor[]>(stage, { service: 'compute', method: 'GET', path, list: 'flavors' });
    const flavor = chosen(all, wanted, image);

    const network = { service: 'network', method: 'POST' } as const;
    const group = { security_group: { name, description: 'Nothing but ping.' } };
    const made = yield* ask<{ security_group: { id: string } }>(stage, { ...network, path: '/v2.0/security-groups', body: group });
    const security_group_id = made.security_group.id;
    const rule = { security_group_rule: { security_group_id, direction: 'ingress', ethertype: 'IPv4', protocol: 'icmp' } };
    yield* ask(stage, { ...network, path: '/v2.0/security-group-rules', body: rule });
    const port = { port: { name, network_id: stage.of('network').id, security_groups: [security_group_id] } };
    const joined = yield* ask<{ port: { id: string; fixed_ips: readonly [{ ip_address: string }] } }>(stage, {
      ...network,
      path: '/v2.0/ports',
      body: port,
    });

    const { id: portId, fixed_ips } = joined.port;
    const about = { name, imageRef: image.id, flavorRef: flavor.id, networks: [{ port: portId }], key_name: stage.name, host };
    const begun = yield* ask<{ server: { id: string } }>(stage, {
      service: 'compute',
      method: 'POST',
      path: '/v2.1/servers',
      // To name the host is the administrator's right; since 2.74 the scheduler has its say all the same.
      auth: stage.admin,
      microversion: '2.74',
      body: { server: about },
    });
    const { id } = begun.server;
    const shown = yield* running(stage, id);
    const on = shown['OS-EXT-SRV-ATTR:host'];
    if (on !== host) throw new Error(`It was asked for on ${host} and is on ${on ?? 'no host'}`);
    const address = fixed_ips[0].ip_address;
    return { said: `${flavor.name}, ${address}`, id, name, address, port: portId, group: security_group_id, flavor: flavor.id };
  },
});

function chosen(flavors: readonly Flavor[], wanted: string, { min_disk, min_ram }: Handed['image']): Flavor {
  const fitting = flavors.filter(({ name, disk, ram }) =>
    wanted === '' ? (disk === 0 || disk >= min_disk) && ram >= min_ram : name === wanted,
  );
  const [smallest] = fitting.toSorted((a, b) => a.ram - b.ram || a.vcpus - b.vcpus || a.disk - b.disk);
  if (smallest) return smallest;
  throw new Error(
    wanted === ''
      ? `None of the ${flavors.length} flavors that a user sees fits the image (${min_ram} MiB, ${min_disk} GiB): declare one under resources.flavors`
      : `A user sees no flavor called ${wanted}`,
  );
}
