import { createHash } from 'node:crypto';
import { Secret, text } from '../../src/base/secret.ts';
import { authorityOf, type Authority } from '../../src/certificates/authority.ts';
import { issue, requestedKey } from '../../src/certificates/issue.ts';
import { otherRequest, request } from '../certificates/requests.ts';
import type { ApiCase, Case, Exchange } from './case.ts';

const discover = { cell: 'cell1', database: 'nova', address: '10.0.0.1', user: 'nova', password: Secret.of('db', 'hunter2') };
const cell = { cell: 'cell1', database: '{scheme}://{username}:{password}@db/nova?{query}', queue: 'rabbit://{username}:{password}@mq/' };
const password = Secret.of('mq', 'hunter2');
const ownCell = {
  cell: 'cell2',
  database: text`mysql+pymysql://nova:${password}@db/nova`,
  queue: text`rabbit://openstack:${password}@mq/`,
};
const cells = (...rows: readonly string[][]) => rows.map((row) => `${row.join('\t')}\n`).join('');
const cell0 = ['cell0', 'mysql+pymysql://x', 'none:///', '0'];
const down = { code: 1, err: "ERROR 2002 (HY000): Can't connect (2)\n" };
const noSwitch = { code: 127, err: 'Open vSwitch is not installed on this host\n' };
const sum = (text: string) => createHash('sha256').update(text).digest('hex');
const virt = {
  path: '/etc/nova/virt.conf',
  feature: 'kvm',
  with: { name: 'kvm', content: 'ä kvm\n' },
  without: { name: 'qemu', content: 'qemu\n' },
  owner: 'root:nova',
  mode: '0640',
};
const virtFile = (fitting: string, content: string) => `${fitting}\nroot:nova 640\n${sum(content)}  -\n`;

const certificate = {
  certificate: '/etc/pki/cert.pem',
  key: '/etc/pki/key.pem',
  authority: '/etc/pki/ca.pem',
  secret: Secret.of('authority', 'seed'),
  purpose: 'libvirt',
  name: 'cmp1',
  addresses: ['10.0.0.21'],
};
const authority = authorityOf('seed', 'libvirt');
const now = new Date('2026-03-01T00:00:00Z');
/** What a host answers: its request, what is in place, and its clock. */
const signed = ({ by = authority, of = request, ...said }: Signed = {}) => {
  const pem = issue(by, requestedKey(of), { name: 'cmp1', addresses: ['10.0.0.21'], days: 90, ...said }, now);
  return `${request}\0${pem}\0${by.certificate}\0${now.getTime() / 1000}\n`;
};
interface Signed {
  readonly by?: Authority;
  readonly of?: string;
  readonly days?: number;
  readonly addresses?: readonly string[];
}
const signedFor = { names: ['DNS:cmp1', 'IP:10.0.0.21'], authority: sum(authority.certificate), request };

export const openstack: readonly Case[] = [
  {
    type: 'private-key',
    is: 'absent',
    params: { path: '/etc/pki/key.pem' },
    answer: '',
    found: null,
    differs: ['key', 'owner', 'mode'],
    runs: ['openssl genpkey -algorithm ed25519', 'chown -- root:root', 'chmod -- 0600'],
  },
  {
    type: 'private-key',
    is: 'the same',
    params: { path: '/etc/pki/key.pem', owner: 'root:nova', mode: '0640' },
    answer: 'root:nova 640\nED25519\n',
    found: { key: 'ED25519', owner: 'root:nova', mode: '640' },
    differs: null,
  },
  {
    type: 'private-key',
    is: 'one that all may read, of another kind',
    params: { path: '/etc/pki/key.pem' },
    answer: 'root:root 644\nRSA\n',
    found: { key: 'RSA', owner: 'root:root', mode: '644' },
    differs: ['key', 'mode'],
    runs: ['openssl genpkey'],
  },
  {
    type: 'private-key',
    is: 'no key at all',
    params: { path: '/etc/pki/key.pem' },
    answer: 'root:root 600\n',
    found: { key: 'unreadable', owner: 'root:root', mode: '600' },
    differs: ['key'],
  },
  {
    type: 'private-key',
    is: 'no openssl',
    params: { path: '/etc/pki/key.pem' },
    answer: { code: 127, err: 'openssl is not installed on this host\n' },
    found: { unknown: 'openssl is not installed on this host' },
  },
  {
    type: 'tls-certificate',
    is: 'absent, and so is its key',
    params: certificate,
    answer: '',
    found: null,
    differs: ['certificate', 'names', 'authority'],
    runs: ['There is no key'],
    leaves: ['CERTIFICATE'],
  },
  {
    type: 'tls-certificate',
    is: 'absent',
    params: certificate,
    answer: `${request}\0\0\0${now.getTime() / 1000}\n`,
    found: { certificate: 'none', names: [], authority: 'none', request },
    differs: ['certificate', 'names', 'authority'],
    runs: ['BEGIN CERTIFICATE-----', authority.certificate, '/etc/pki/cert.pem', '/etc/pki/ca.pem'],
    leaves: ['seed', 'PRIVATE', '/etc/pki/key.pem'],
  },
  {
    type: 'tls-certificate',
    is: 'the same',
    params: certificate,
    answer: signed(),
    found: { ...signedFor, certificate: 'good' },
    differs: null,
  },
  {
    type: 'tls-certificate',
    is: 'near its end, for another address',
    params: certificate,
    answer: signed({ days: 29, addresses: ['10.0.0.99'] }),
    found: { ...signedFor, certificate: 'near its end', names: ['DNS:cmp1', 'IP:10.0.0.99'] },
    differs: ['certificate', 'names'],
  },
  {
    type: 'tls-certificate',
    is: 'of another key',
    params: certificate,
    answer: signed({ of: otherRequest }),
    found: { ...signedFor, certificate: 'of another key' },
    differs: ['certificate'],
  },
  {
    type: 'tls-certificate',
    is: 'of another purpose’s authority',
    params: certificate,
    answer: signed({ by: authorityOf('seed', 'qemu') }),
    found: { ...signedFor, certificate: 'of another authority', authority: sum(authorityOf('seed', 'qemu').certificate) },
    differs: ['certificate', 'authority'],
  },
  {
    type: 'tls-certificate',
    is: 'of an authority whose secret was rotated',
    params: certificate,
    answer: signed({ by: authorityOf('old', 'libvirt') }),
    found: { ...signedFor, certificate: 'of another authority', authority: sum(authorityOf('old', 'libvirt').certificate) },
    differs: ['certificate', 'authority'],
  },
  {
    type: 'tls-certificate',
    is: 'no certificate at all',
    params: certificate,
    answer: `${request}\0nonsense\0${authority.certificate}\0${now.getTime() / 1000}\n`,
    found: { certificate: 'unreadable', names: [], authority: sum(authority.certificate), request },
    differs: ['certificate', 'names'],
  },
  {
    type: 'tls-certificate',
    is: 'a request that its key has not signed',
    params: certificate,
    answer: `${request.replace('MBGN0bDEw', 'MBGN0bDIw')}\0\0\0${now.getTime() / 1000}\n`,
    found: { unknown: 'the request for /etc/pki/key.pem cannot be used: its key has not signed it' },
  },
  {
    type: 'tls-certificate',
    is: 'no openssl',
    params: certificate,
    answer: { code: 127, err: 'openssl is not installed on this host\n' },
    found: { unknown: 'openssl is not installed on this host' },
  },
  {
    type: 'nova-cell',
    is: 'absent',
    params: cell,
    answer: cells(cell0),
    found: null,
    differs: ['database', 'queue', 'disabled'],
    runs: ['cell_v2 create_cell --name cell1 )'],
    leaves: ['update_cell', cell.queue],
    input: `--database_connection\n${cell.database}\n--transport-url\n${cell.queue}\n`,
  },
  {
    type: 'nova-cell',
    is: 'cell0, absent',
    params: { cell: 'cell0', database: 'd://', queue: 'none:///' },
    answer: '',
    found: null,
    differs: ['database', 'queue', 'disabled'],
    runs: ['cell_v2 map_cell0 )'],
    input: '--database_connection\nd://\n',
  },
  {
    type: 'nova-cell',
    is: 'cell0, another database',
    params: { cell: 'cell0', database: 'd://', queue: 'none:///' },
    answer: cells(cell0),
    found: { database: 'another', queue: 'none:///', disabled: '0' },
    differs: ['database'],
    runs: ['update_cell --cell_uuid', '--name cell0'],
    leaves: ['--enable'],
  },
  {
    type: 'nova-cell',
    is: 'the same',
    params: cell,
    answer: cells(cell0, ['cell1', cell.database, cell.queue, '0']),
    found: { database: cell.database, queue: cell.queue, disabled: '0' },
    differs: null,
  },
  {
    type: 'nova-cell',
    is: 'another queue, and closed',
    params: cell,
    answer: cells(['cell1', cell.database, 'rabbit://else', '1']),
    found: { database: cell.database, queue: 'another', disabled: '1' },
    differs: ['queue', 'disabled'],
    runs: ['update_cell --cell_uuid', '--name cell1 --enable'],
  },
  {
    type: 'nova-cell',
    is: 'another password',
    params: ownCell,
    answer: cells(['cell2', 'mysql+pymysql://nova:old@db/nova', 'rabbit://openstack:hunter2@mq/', '0']),
    found: { database: 'another', queue: 'rabbit://openstack:‹secret mq›@mq/', disabled: '0' },
    differs: ['database'],
    runs: ['update_cell --cell_uuid', '--name cell2 --enable'],
    leaves: ['hunter2', 'create_cell'],
  },
  { type: 'nova-cell', is: 'a server that is down', params: cell, answer: down, found: { unknown: down.err.trim() } },
  {
    type: 'nova-discover',
    is: 'none that is not mapped',
    params: discover,
    answer: 'runs\tcmp1\nmapped\tcmp1\nmapped\tcmp9\n',
    found: { unmapped: [] },
    differs: null,
  },
  {
    type: 'nova-discover',
    is: 'two new hosts',
    params: discover,
    answer: 'runs\tcmp2\nruns\tcmp3\nruns\tcmp1\nmapped\tcmp3\n',
    found: { unmapped: ['cmp1', 'cmp2'] },
    differs: ['unmapped'],
    runs: ['discover_hosts --by-service --cell_uuid "$uuid"'],
  },
  {
    type: 'nova-discover',
    is: 'a server that is down',
    params: discover,
    answer: down,
    found: { unknown: down.err.trim() },
  },
  {
    type: 'ovs-bridge',
    is: 'absent',
    params: { bridge: 'br-ex', interfaces: ['eth1'] },
    answer: 'netdev\0\0\0',
    found: null,
    differs: ['datapath', 'missing', 'down'],
    runs: ['bridge=br-ex datapath=auto', 'for port in eth1;'],
  },
  {
    type: 'ovs-bridge',
    is: 'the same, with ports of others',
    params: { bridge: 'br-ex', interfaces: ['eth1'] },
    answer: 'netdev\0netdev\n\0eth1 0x1103\nphy-br-ex \n\0',
    found: { datapath: 'auto', missing: [], down: [] },
    differs: null,
  },
  {
    type: 'ovs-bridge',
    is: 'of the kernel, which has no module; one interface is missing, the other is down',
    params: { bridge: 'br-ex', interfaces: ['eth1', 'eth2'] },
    answer: 'netdev\0""\n\0eth2 0x1002\n\0',
    found: { datapath: 'system', missing: ['eth1'], down: ['eth2'] },
    differs: ['datapath', 'missing', 'down'],
  },
  {
    type: 'ovs-bridge',
    is: 'of the kernel, as it was asked for',
    params: { bridge: 'br-ex', datapath: 'system' },
    answer: 'netdev\0system\n\0\0',
    found: { datapath: 'system', missing: [], down: [] },
    differs: null,
  },
  { type: 'ovs-bridge', is: 'no Open vSwitch', params: { bridge: 'br-ex' }, answer: noSwitch, found: { unknown: noSwitch.err.trim() } },
  { type: 'ovs-datapath', is: 'set', params: { datapath: 'auto' }, answer: 'netdev\n"true"\n', found: { set_for: 'auto' }, differs: null },
  {
    type: 'ovs-datapath',
    is: 'set, and the kernel has the module',
    params: { datapath: 'auto' },
    answer: 'system\n"true"\n',
    found: { set_for: 'netdev' },
    differs: ['set_for'],
  },
  {
    type: 'ovs-datapath',
    is: 'not set',
    params: { datapath: 'netdev' },
    answer: 'system\n\n',
    found: { set_for: 'system' },
    differs: ['set_for'],
    runs: ['datapath=netdev'],
  },
  { type: 'ovs-datapath', is: 'no Open vSwitch', params: { datapath: 'auto' }, answer: noSwitch, found: { unknown: noSwitch.err.trim() } },
  {
    type: 'feature-file',
    is: 'absent',
    params: virt,
    answer: 'without\n',
    found: null,
    differs: ['use', 'owner', 'mode'],
    runs: ['if perl -e', 'head -c 7; else tail -c 5'],
    input: 'ä kvm\nqemu\n',
  },
  {
    type: 'feature-file',
    is: 'the one that fits the host',
    params: virt,
    answer: virtFile('without', 'qemu\n'),
    found: { use: 'auto', owner: 'root:nova', mode: '640' },
    differs: null,
  },
  {
    type: 'feature-file',
    is: 'the one that does not fit',
    params: virt,
    answer: virtFile('with', 'qemu\n'),
    found: { use: 'qemu', owner: 'root:nova', mode: '640' },
    differs: ['use'],
  },
  {
    type: 'feature-file',
    is: 'the one that does not fit, and is asked for',
    params: { ...virt, use: 'qemu' },
    answer: virtFile('with', 'qemu\n'),
    found: { use: 'qemu', owner: 'root:nova', mode: '640' },
    differs: null,
  },
  {
    type: 'feature-file',
    is: 'for a feature that the host must have, and lacks',
    params: { ...virt, required: 'without it nothing works' },
    answer: virtFile('without', 'qemu\n'),
    found: { use: 'auto', owner: 'root:nova', mode: '640', feature: 'missing' },
    differs: ['feature'],
    refuses: 'without it nothing works',
  },
  {
    type: 'feature-file',
    is: 'absent, for a feature that the host must have, and lacks',
    params: { ...virt, required: 'without it nothing works' },
    answer: 'without\n',
    found: { feature: 'missing' },
    differs: ['use', 'owner', 'mode', 'feature'],
    refuses: 'without it nothing works',
  },
  {
    type: 'feature-file',
    is: 'for a feature that the host must have, and has',
    params: { ...virt, required: 'without it nothing works' },
    answer: virtFile('with', 'ä kvm\n'),
    found: { use: 'auto', owner: 'root:nova', mode: '640', feature: 'there' },
    differs: null,
  },
  {
    type: 'feature-file',
    is: 'neither',
    params: { ...virt, use: 'kvm' },
    answer: virtFile('without', 'mine\n'),
    found: { use: 'another content', owner: 'root:nova', mode: '640' },
    differs: ['use'],
    runs: ['if true; then head'],
  },
];

const zones = (status: number, ...aggregates: readonly object[]): Exchange => [
  { service: 'compute', method: 'GET', path: '/v2.1/os-aggregates' },
  status,
  { aggregates },
];
const act = (id: number, body: object): Exchange => [
  { service: 'compute', method: 'POST', path: `/v2.1/os-aggregates/${id}/action`, body },
  200,
];
const make: Exchange[0] = {
  service: 'compute',
  method: 'POST',
  path: '/v2.1/os-aggregates',
  body: { aggregate: { name: 'a', availability_zone: 'a' } },
};
const projects = (id: string): Exchange => [
  { method: 'GET', path: '/v3/projects', list: 'projects', where: { domain_id: 'default', name: 'demo' } },
  200,
  [{ id, name: 'demo' }],
];
const gpu = { id: 1, name: 'gpu', availability_zone: null, hosts: ['cmp1'] };
const zone = (id: number, name: string, ...hosts: readonly string[]) => ({ id, name, availability_zone: name, hosts });

const computeService = {
  service: 'compute',
  method: 'GET',
  path: '/v2.1/os-services',
  list: 'services',
  where: { binary: 'nova-compute', host: 'cmp1' },
  microversion: '2.53',
} as const;
const setService = (body: object) =>
  ({ service: 'compute', method: 'PUT', path: '/v2.1/os-services/u1', body, microversion: '2.53' }) as const;
const machine = (name: string, status: string, task: string | null = null) => ({
  id: `id-${name}`,
  name,
  status,
  'OS-EXT-SRV-ATTR:host': 'cmp1',
  'OS-EXT-STS:task_state': task,
});
const machines = (wait?: number) =>
  ({
    service: 'compute',
    method: 'GET',
    path: '/v2.1/servers/detail?all_tenants=1&host=cmp1',
    list: 'servers',
    ...(wait === undefined ? {} : { wait }),
  }) as const;
const migrations = { service: 'compute', method: 'GET', path: '/v2.1/os-migrations?source_compute=cmp1', microversion: '2.59' } as const;
const moved = (name: string, status: string) => ({
  uuid: `m-${name}`,
  instance_uuid: `id-${name}`,
  status,
  migration_type: 'live-migration',
});
const migrate = (name: string) =>
  ({
    service: 'compute',
    method: 'POST',
    path: `/v2.1/servers/id-${name}/action`,
    body: { 'os-migrateLive': { host: null, block_migration: 'auto' } },
    microversion: '2.30',
  }) as const;

export const compute: readonly ApiCase[] = [
  {
    type: 'compute-zone',
    is: 'in no zone, and there is none',
    params: { host: 'cmp1', zone: 'a' },
    look: [zones(200, gpu)],
    found: { zone: null },
    differs: ['zone'],
    apply: [zones(200, gpu), [make, 200, { aggregate: zone(7, 'a') }], act(7, { add_host: { host: 'cmp1' } })],
  },
  {
    type: 'compute-zone',
    is: 'in another zone; another host makes the right one at the same time',
    params: { host: 'cmp1', zone: 'a' },
    look: [zones(200, gpu, zone(2, 'b', 'cmp1'))],
    found: { zone: 'b' },
    differs: ['zone'],
    apply: [
      zones(200, gpu, zone(2, 'b', 'cmp1')),
      act(2, { remove_host: { host: 'cmp1' } }),
      [make, 500],
      zones(200, zone(2, 'b'), zone(7, 'a')),
      act(7, { add_host: { host: 'cmp1' } }),
    ],
  },
  {
    type: 'compute-zone',
    is: 'in its zone',
    params: { host: 'cmp1', zone: 'a' },
    look: [zones(200, gpu, zone(2, 'a', 'cmp2', 'cmp1'))],
    found: { zone: 'a' },
    differs: null,
  },
  {
    type: 'compute-zone',
    is: 'in some zone, and the inventory names none',
    params: { host: 'cmp1' },
    look: [zones(200, zone(2, 'a', 'cmp1'))],
    found: { zone: 'a' },
    differs: null,
  },
  {
    type: 'compute-zone',
    is: 'an API in trouble',
    params: { host: 'cmp1', zone: 'a' },
    look: [zones(503)],
    found: { unknown: 'Nova answered 503' },
  },
  {
    type: 'nova-service',
    is: 'enabled, and to be disabled',
    params: { service: 'nova-compute', host: 'cmp1', disabled: 'why' },
    look: [[computeService, 200, [{ id: 'u1', status: 'enabled', disabled_reason: null }]]],
    found: { status: 'enabled', reason: null },
    differs: ['status', 'reason'],
    apply: [
      [computeService, 200, [{ id: 'u1', status: 'enabled', disabled_reason: null }]],
      [setService({ status: 'disabled', disabled_reason: 'why' }), 200],
    ],
  },
  {
    type: 'nova-service',
    is: 'disabled, and to be enabled',
    params: { service: 'nova-compute', host: 'cmp1' },
    look: [[computeService, 200, [{ id: 'u1', status: 'disabled', disabled_reason: 'other' }]]],
    found: { status: 'disabled', reason: 'other' },
    differs: ['status'],
    apply: [
      [computeService, 200, [{ id: 'u1', status: 'disabled', disabled_reason: 'other' }]],
      [setService({ status: 'enabled' }), 200],
    ],
  },
  {
    type: 'nova-service',
    is: 'disabled for that reason',
    params: { service: 'nova-compute', host: 'cmp1', disabled: 'why' },
    look: [[computeService, 200, [{ id: 'u1', status: 'disabled', disabled_reason: 'why' }]]],
    found: { status: 'disabled', reason: 'why' },
    differs: null,
  },
  {
    type: 'nova-service',
    is: 'not known to Nova',
    params: { service: 'nova-compute', host: 'cmp1' },
    look: [[computeService, 200, []]],
    found: { unknown: 'Nova knows no nova-compute on cmp1' },
  },
  {
    type: 'nova-drain',
    is: 'empty but for what does not run',
    params: { host: 'cmp1' },
    look: [[machines(), 200, [machine('a', 'SHUTOFF'), { ...machine('b', 'ACTIVE'), 'OS-EXT-SRV-ATTR:host': 'cmp10' }]]],
    found: { machines: [] },
    differs: null,
  },
  {
    type: 'nova-drain',
    is: 'to be emptied: each machine is asked for once',
    params: { host: 'cmp1' },
    look: [[machines(), 200, [machine('b', 'ACTIVE'), machine('a', 'PAUSED')]]],
    found: { machines: ['a', 'b'] },
    differs: ['machines'],
    apply: [
      [machines(), 200, [machine('a', 'ACTIVE'), machine('b', 'BUILD', 'spawning')]],
      [migrate('a'), 202],
      [machines(3), 200, [machine('a', 'MIGRATING', 'migrating'), machine('b', 'ACTIVE')]],
      [migrate('b'), 202],
      [machines(3), 200, [machine('b', 'MIGRATING', 'migrating')]],
      [machines(3), 200, []],
      // The host is not done with one of them yet, and with somebody else's it was not for long.
      [migrations, 200, { migrations: [moved('a', 'completed'), moved('b', 'running'), moved('z', 'running')] }],
      [machines(3), 200, []],
      [migrations, 200, { migrations: [moved('a', 'completed'), moved('b', 'completed'), moved('z', 'running')] }],
    ],
  },
  {
    type: 'nova-drain',
    is: 'waited for',
    params: { host: 'cmp1', by: 'wait' },
    look: [[machines(), 200, [machine('a', 'ACTIVE')]]],
    found: { machines: ['a'] },
    differs: ['machines'],
    apply: [
      [machines(), 200, [machine('a', 'ACTIVE')]],
      [machines(3), 200, [machine('a', 'ACTIVE')]],
      [machines(3), 200, []],
      [migrations, 200, { migrations: [] }],
    ],
  },
  {
    type: 'nova-drain',
    is: 'left in time, but Nova was not told so',
    params: { host: 'cmp1', within: 3 },
    look: [[machines(), 200, [machine('a', 'ACTIVE')]]],
    found: { machines: ['a'] },
    differs: ['machines'],
    apply: [
      [machines(), 200, [machine('a', 'ACTIVE')]],
      [migrate('a'), 202],
      [machines(3), 200, []],
      [migrations, 200, { migrations: [moved('a', 'running')] }],
    ],
    throws: 'on their way from there as Nova counts: a',
  },
  {
    type: 'nova-drain',
    is: 'not left in time',
    params: { host: 'cmp1', within: 3 },
    look: [[machines(), 200, [machine('a', 'ACTIVE')]]],
    found: { machines: ['a'] },
    differs: ['machines'],
    apply: [
      [machines(), 200, [machine('a', 'ACTIVE')]],
      [migrate('a'), 202],
      [machines(3), 200, [machine('a', 'MIGRATING', 'migrating')]],
    ],
    throws: 'After 3 s there are still machines on cmp1, or on their way from there as Nova counts: a',
  },
  {
    type: 'nova-drain',
    is: 'an API in trouble',
    params: { host: 'cmp1' },
    look: [[machines(), 503]],
    found: { unknown: 'Nova answered 503' },
  },
  {
    type: 'aggregate',
    is: 'not there',
    params: { aggregate: 'gpu', hosts: ['cmp2'], metadata: { gpu: 'true' }, projects: ['demo'], flavors: ['g1', 'g2'] },
    look: [zones(200)],
    found: null,
    differs: ['hosts', 'metadata', 'projects', 'flavors'],
    apply: [
      zones(200),
      [{ ...make, body: { aggregate: { name: 'gpu' } } }, 200, { aggregate: { id: 4, name: 'gpu', availability_zone: null } }],
      projects('p1'),
      act(4, { set_metadata: { metadata: { gpu: 'true', filter_tenant_id: 'p1', instance_type: 'g1,g2' } } }),
      act(4, { add_host: { host: 'cmp2' } }),
    ],
  },
  {
    type: 'aggregate',
    is: 'as it should be',
    params: { aggregate: 'gpu', hosts: ['cmp2', 'cmp1'], metadata: { gpu: 'true' }, projects: ['demo'] },
    look: [zones(200, { ...gpu, hosts: ['cmp1', 'cmp2'], metadata: { gpu: 'true', filter_tenant_id: 'p1' } }), projects('p1')],
    found: { hosts: ['cmp1', 'cmp2'], metadata: { gpu: 'true' }, projects: ['demo'], flavors: [] },
    differs: null,
  },
  {
    type: 'aggregate',
    is: 'with a host and metadata that nobody wants, and somebody else’s project',
    params: { aggregate: 'gpu', hosts: ['cmp2'] },
    look: [zones(200, { ...gpu, metadata: { old: '1', filter_tenant_id: 'p9' } })],
    found: { hosts: ['cmp1'], metadata: { old: '1' }, projects: ['p9'], flavors: [] },
    differs: ['hosts', 'metadata', 'projects'],
    apply: [
      zones(200, { ...gpu, metadata: { old: '1', filter_tenant_id: 'p9' } }),
      act(1, { set_metadata: { metadata: { old: null, filter_tenant_id: null } } }),
      act(1, { remove_host: { host: 'cmp1' } }),
      act(1, { add_host: { host: 'cmp2' } }),
    ],
  },
  {
    type: 'aggregate',
    is: 'to be removed',
    params: { aggregate: 'gpu', hosts: ['cmp1'], absent: true },
    look: [zones(200, { ...gpu, metadata: {} })],
    found: { hosts: ['cmp1'], metadata: {}, projects: [], flavors: [] },
    differs: ['hosts', 'metadata', 'projects', 'flavors'],
    apply: [
      zones(200, { ...gpu, metadata: {} }),
      act(1, { remove_host: { host: 'cmp1' } }),
      [{ service: 'compute', method: 'DELETE', path: '/v2.1/os-aggregates/1' }, 200],
    ],
  },
  {
    type: 'aggregate',
    is: 'called like a zone',
    params: { aggregate: 'a', hosts: ['cmp1'] },
    look: [zones(200, { ...zone(2, 'a'), metadata: { availability_zone: 'a' } })],
    found: { hosts: [], metadata: {}, projects: [], flavors: [], zone: 'a' },
    differs: ['hosts'],
    refuses: 'a is an availability zone',
  },
  {
    type: 'aggregate',
    is: 'an API in trouble',
    params: { aggregate: 'a', hosts: [] },
    look: [zones(503)],
    found: { unknown: 'Nova answered 503: {"aggregates":[]}' },
  },
];
