// The law of the step types behind Glance, Nova, Neutron and Cinder.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Secret } from '../../src/base/secret.ts';
import type { Law } from './law.ts';

const nasty = `'"$(touch /tmp/executed) \\ & <x> ä%s`;
const key = (letter: string): string => `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA${letter.repeat(43)}`;
export const ed25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7AhNdnR4fDVbJb3aRy3kKdJfQWAeT6Yc9Qd0sH1ReA';
const file = import.meta.filename;
const sha512 = createHash('sha512').update(readFileSync(file)).digest('hex');

export const cloud: readonly Law[] = [
  { type: 'keystone-project', params: { project: 'demo' } },
  { type: 'keystone-project', params: { project: 'other' } },
  {
    type: 'keystone-user',
    params: { user: 'alice', password: Secret.of('alice', nasty), roles: [{ role: 'member', project: 'demo' }] },
  },

  {
    type: 'flavor',
    params: {
      flavor: 'm1.tiny',
      vcpus: 1,
      ram: 128,
      disk: 1,
      swap: 64,
      extra_specs: { 'hw:cpu_policy': 'shared', 'hw_rng:allowed': 'True' },
    },
    tamper: `mariadb nova_api -e "UPDATE flavor_extra_specs SET value='dedicated' WHERE value='shared'; UPDATE flavor_extra_specs SET \\\`key\\\`='x' WHERE value='True'"`,
    mends: ['extra_specs'],
  },
  { type: 'flavor', params: { flavor: 'm1.tiny', vcpus: 1, ram: 256, disk: 1, swap: 64 }, first: 'differs', refuses: 'cannot change ram' },
  {
    type: 'flavor',
    params: { flavor: nasty, vcpus: 2, ram: 512, disk: 0, ephemeral: 1, public: false, projects: ['demo', 'other'] },
    tamper: `mariadb nova_api -e "DELETE FROM flavor_projects LIMIT 1"`,
    mends: ['projects'],
  },
  { type: 'flavor', params: { flavor: nasty, vcpus: 2, ram: 512, disk: 0, public: false, projects: [], ephemeral: 1 }, first: 'differs' },
  { type: 'flavor', params: { flavor: nasty, vcpus: 9, ram: 9, disk: 9, absent: true }, first: 'differs' },

  {
    type: 'aggregate',
    params: { aggregate: nasty, hosts: [], metadata: { gpu: 'true', ssd: nasty }, projects: ['demo', 'other'], flavors: ['m1.tiny'] },
    tamper: `mariadb nova_api -e "UPDATE aggregate_metadata SET value='x' WHERE value='true'; DELETE FROM aggregate_metadata WHERE value LIKE '%,%'"`,
    mends: ['metadata', 'projects'],
  },
  { type: 'aggregate', params: { aggregate: nasty, hosts: ['no-such'], metadata: {} }, first: 'differs', refuses: 'Nova answered 404' },
  { type: 'aggregate', params: { aggregate: nasty, hosts: [], absent: true }, first: 'differs' },

  {
    type: 'network',
    params: { network: 'public', external: true, network_type: 'flat', physical_network: 'ext', mtu: 1400, description: nasty },
    tamper: `mariadb neutron -e "UPDATE networks SET mtu=1300 WHERE name='public'; UPDATE standardattributes SET description='x' WHERE resource_type='networks'"`,
    mends: ['mtu', 'description'],
  },
  {
    type: 'network',
    params: { network: 'public', external: true, network_type: 'vlan', physical_network: 'data' },
    first: 'differs',
    refuses: 'network_type, physical_network of a network cannot change',
  },
  { type: 'network', params: { network: 'public', external: true, shared: true }, first: 'differs' },
  { type: 'network', params: { network: nasty, project: 'demo', port_security: false } },
  // The same name in two projects is two networks.
  { type: 'network', params: { network: 'inner', project: 'demo' } },
  { type: 'network', params: { network: 'inner', project: 'other', network_type: 'vlan', physical_network: 'data', segmentation_id: 120 } },
  { type: 'network', params: { network: 'lone', project: 'other' } },
  { type: 'network', params: { network: 'x', project: 'no-such' }, refuses: 'There is no project no-such' },

  {
    type: 'subnet',
    params: {
      subnet: 'public4',
      network: 'public',
      cidr: '10.94.9.0/24',
      gateway: '10.94.9.1',
      dhcp: false,
      pools: ['10.94.9.100-10.94.9.120'],
    },
    tamper: `mariadb neutron -e "UPDATE subnets SET enable_dhcp=1 WHERE name='public4'; UPDATE ipallocationpools SET last_ip='10.94.9.200'"`,
    mends: ['dhcp', 'pools'],
  },
  {
    type: 'subnet',
    params: {
      subnet: 'inner4',
      network: 'inner',
      project: 'demo',
      cidr: '192.168.10.0/24',
      dns: ['10.94.9.53', '10.94.9.52'],
      routes: { '10.0.0.0/8': '192.168.10.2' },
    },
    tamper: `mariadb neutron -e "DELETE FROM dnsnameservers WHERE address='10.94.9.53'; DELETE FROM subnetroutes"`,
    mends: ['dns', 'routes'],
  },
  {
    type: 'subnet',
    params: { subnet: 'inner6', network: 'inner', project: 'demo', cidr: 'fd00:94::/64', gateway: 'none', ipv6_mode: 'slaac' },
  },
  {
    type: 'subnet',
    params: { subnet: 'inner4', network: 'inner', project: 'demo', cidr: '192.168.11.0/24' },
    first: 'differs',
    refuses: 'Neutron cannot change cidr',
  },
  { type: 'subnet', params: { subnet: 'x', network: 'inner', project: 'other', cidr: '10.94.9.0/33' }, refuses: 'Neutron answered 400' },

  {
    type: 'router',
    params: {
      router: 'edge',
      project: 'demo',
      gateway: { network: 'public' },
      interfaces: [{ subnet: 'inner4', network: 'inner' }],
      routes: { '10.99.0.0/16': '192.168.10.9' },
    },
    tamper: `mariadb neutron -e "UPDATE routers SET enable_snat=0; DELETE FROM routerroutes"`,
    mends: ['snat', 'routes'],
  },
  {
    type: 'router',
    params: { router: 'edge', project: 'demo', gateway: { network: 'public', snat: false } },
    first: 'differs',
  },
  { type: 'router', params: { router: 'lone', gateway: { network: 'inner', project: 'demo' } }, refuses: 'Neutron answered 400' },

  { type: 'security-group', params: { 'security-group': 'bastion', project: 'demo', ingress: [] } },
  {
    type: 'security-group',
    params: {
      'security-group': 'web',
      project: 'demo',
      description: nasty,
      ingress: [
        { protocol: 'tcp', ports: 80 },
        { protocol: 'tcp', ports: '8000-8100', cidr: '10.0.0.0/8' },
        { protocol: 'tcp', ports: 22, group: 'bastion' },
        { protocol: 'icmp' },
        { protocol: 'tcp', ports: 443, ipv6: true },
      ],
      egress: [{}],
    },
    tamper: `mariadb neutron -e "DELETE FROM securitygrouprules WHERE port_range_min=80; UPDATE securitygrouprules SET remote_ip_prefix='0.0.0.0/0' WHERE port_range_min=8000"`,
    mends: ['ingress'],
  },
  {
    type: 'security-group',
    params: { 'security-group': 'default', project: 'demo', ingress: [{ protocol: 'tcp', ports: 22 }, { group: 'default' }] },
    first: 'differs',
  },
  { type: 'security-group', params: { 'security-group': 'web', project: 'demo', absent: true }, first: 'differs' },
  {
    type: 'security-group',
    params: { 'security-group': 'y', project: 'demo', ingress: [{ group: 'no-such' }] },
    refuses: 'There is no security group no-such',
  },

  { type: 'keypair', params: { keypair: 'alice', user: 'alice', public_key: `${ed25519} alice@laptop` } },
  {
    type: 'keypair',
    params: { keypair: 'alice', user: 'alice', public_key: key('B') },
    first: 'differs',
    refuses: 'Nova cannot change the key',
  },
  { type: 'keypair', params: { keypair: 'alice', user: 'alice', public_key: ed25519, absent: true }, first: 'differs' },
  { type: 'keypair', params: { keypair: 'bob', user: 'bob', public_key: ed25519 }, refuses: 'There is no user bob' },

  {
    type: 'quota',
    params: { project: 'demo', limits: { cores: 7, ram: 4096, networks: 3, floating_ips: -1, volumes: 2, gigabytes: 30 } },
    first: 'differs',
    tamper: `mariadb nova_api -e "UPDATE quotas SET hard_limit=1 WHERE resource='cores'"; mariadb neutron -e "DELETE FROM quotas WHERE resource='network'"; mariadb cinder -e "UPDATE quotas SET hard_limit=9 WHERE resource='volumes'"`,
    mends: ['cores', 'networks', 'volumes'],
  },
  { type: 'quota', params: { project: 'no-such', limits: { cores: 7 } }, refuses: 'There is no project no-such' },

  {
    type: 'image',
    prepare: `mkdir -p /srv/www && head -c 3000000 /dev/zero >/srv/www/zeros && cd /srv/www && { setsid python3 -m http.server --bind 127.0.0.1 8099 >/dev/null 2>&1 & } && sleep 1`,
    params: { image: 'zeros', url: 'http://127.0.0.1:8099/zeros', sha256: '0'.repeat(64), format: 'raw' },
    refuses: 'making its data ended with exit code 1',
    then: 'test -z "$(ls -d /var/tmp/cellwise.*)"',
  },
  // What is left of the attempt is an image without data.
  {
    type: 'image',
    params: {
      image: 'zeros',
      url: 'http://127.0.0.1:8099/zeros',
      sha256: createHash('sha256').update(Buffer.alloc(3_000_000)).digest('hex'),
      format: 'raw',
      min_ram: 64,
      properties: { hw_rng_model: 'virtio', 'with/slash~': nasty },
    },
    first: 'differs',
    tamper: `mariadb glance -e "UPDATE images SET min_ram=1 WHERE name='zeros'; UPDATE image_properties SET value='x' WHERE name='with/slash~'"`,
    mends: ['min_ram', 'property with/slash~'],
    then: 'rm /srv/www/zeros',
  },
  { type: 'image', params: { image: 'file', file, sha512, format: 'raw', visibility: 'private' } },
  {
    type: 'image',
    params: { image: 'file', file, sha512: '0'.repeat(128), format: 'raw' },
    first: 'differs',
    refuses: 'Glance cannot replace it',
  },
  {
    type: 'image',
    params: {
      image: 'made',
      project: 'demo',
      build: `printf '%s' "$(pwd)" >image; echo built >&2`,
      source: 'one',
      format: 'raw',
      visibility: 'private',
    },
    tamper: `mariadb glance -e "UPDATE images SET visibility='shared' WHERE name='made'"`,
    mends: ['visibility'],
    then: 'test -z "$(ls -d /var/tmp/cellwise.*)"',
  },
  {
    type: 'image',
    params: { image: 'made', project: 'demo', build: 'exit 9', source: 'two', format: 'raw' },
    first: 'differs',
    refuses: 'Glance cannot replace it',
  },
  {
    type: 'image',
    params: { image: 'made', project: 'demo', build: 'exit 9', source: 'one', format: 'raw', hidden: true, visibility: 'community' },
    first: 'differs',
  },
  {
    type: 'image',
    params: { image: 'broken', build: 'echo nothing left', source: 'x' },
    refuses: 'making its data ended with exit code 1',
  },
];
