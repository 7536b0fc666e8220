import { cephxKey, uuid5 } from '../../src/base/ceph.ts';
import { mapText, reveal, Secret, text } from '../../src/base/secret.ts';
import type { Case } from './case.ts';

const fsid = '8e6a9f0c-6f5b-4d4e-9f1e-0c2f5a3b7d11';
const key = Secret.of('ceph.key', 'any text at all');
const mute = { code: 1, err: 'Traceback\nCeph does not answer on this host: timed out\n' };
const unknown = { unknown: 'Ceph does not answer on this host: timed out' };

/** What a session with the cluster prints. */
function said(...outs: readonly unknown[]): string {
  return JSON.stringify(outs.map((out) => ({ code: 0, out: JSON.stringify(out), err: '' })));
}

const monitor = { id: 'sto1', fsid, monitors: [{ name: 'sto1', address: '10.0.0.1' }], key, admin_key: key };

const pool = {
  pool_name: 'vms',
  size: 3,
  min_size: 2,
  pg_num_target: 16,
  pg_autoscale_mode: 'off',
  application_metadata: { rbd: {} },
};
const vms = { pool: 'vms', application: 'rbd', pg_num: 16 };
const asIs = { size: 3, min_size: 2, application: ['rbd'], autoscale: 'off', pg_num: 16 };

const cinder = { entity: 'client.cinder', key, caps: { mon: 'profile rbd', osd: 'profile rbd pool=vms' } };
const cinderKey = reveal(cephxKey(key, 'client.cinder'));

const config = { who: 'osd/host:sto1', options: { osd_memory_target: 4294967296, bluestore_cache_autotune: false } };
const row = { section: 'osd', mask: 'host:sto1', name: 'osd_memory_target', value: '4294967296' };

const mine = uuid5(fsid, 'sto1/dev/sdb');
const osds = { disks: ['/dev/sdb'], fsid, host: 'sto1' };
const dump = { osds: [{ osd: 7, uuid: mine, up: 1, in: 1 }] };
function disk(kind: string, label: object | undefined, cluster: readonly unknown[], running = ''): string {
  const written = label === undefined ? '' : JSON.stringify({ '/dev/sdb': label });
  return `disk\t/dev/sdb\t${kind}\t${written}\n${running}${said(...cluster)}\n`;
}
const leaving = [
  { host: 'sto1', device: '/dev/sdc' },
  { host: 'sto2', device: '/dev/sdd' },
];
const label = { ceph_fsid: fsid, osd_uuid: mine, whoami: '7', ready: 'ready' };

const tree = (free: number, used = 1 << 20): object => ({
  nodes: [
    { id: -1, type: 'root', name: 'default', children: [-2, -3, -4, -5] },
    ...[1, 2, 3, 4].flatMap((n) => [
      { id: -1 - n, type: 'host', name: `sto${n}`, children: [n] },
      { id: n, type: 'osd', name: `osd.${n}`, kb: used + free, kb_used: used, reweight: 1 },
    ]),
  ],
});
/** Three hosts with two disks each, `free` KiB on each; of osd.1 that share is in. */
const twoDisks = (free: number, reweight = 1): object => ({
  nodes: [1, 3, 5].flatMap((n) => [
    { id: -n, type: 'host', name: `sto${(n + 1) / 2}`, children: [n, n + 1] },
    ...[n, n + 1].map((id) => ({
      id,
      type: 'osd',
      name: `osd.${id}`,
      kb: (1 << 20) + free,
      kb_used: 1 << 20,
      reweight: id === 1 ? reweight : 1,
    })),
  ]),
});
const drain = { hosts: ['sto4'], disks: [{ host: 'sto1', device: '/dev/sdc' }], fsid };
const meta = [{ id: 1, hostname: 'sto1', bluestore_bdev_partition_path: '/dev/sdc' }];

const stores = ['a', 'b', 'c'].map((zone, i) => ({ name: `sto${i + 1}`, address: `10.0.0.${i + 1}`, zone, disks: ['/dev/sdb'] }));
const spread = { hosts: stores, copies: 3 };
const bucket = (id: number, type: string, name: string, ...items: number[]): object => ({
  id,
  name,
  type_name: type,
  items: items.map((item) => ({ id: item, weight: 65536 })),
});
const replicated = (type: string): object => ({
  rule_id: 0,
  rule_name: 'replicated_rule',
  steps: [{ op: 'take', item: -1, item_name: 'default' }, { op: 'chooseleaf_firstn', num: 0, type }, { op: 'emit' }],
});
const flat = {
  buckets: [bucket(-1, 'root', 'default', -2, -3), bucket(-2, 'host', 'sto1', 1), bucket(-3, 'host', 'sto2', 2)],
  rules: [replicated('host')],
};
const zoned = {
  buckets: [
    bucket(-1, 'root', 'default', -11, -12, -13),
    ...[1, 2, 3].flatMap((n) => [bucket(-10 - n, 'zone', `zone-${'abc'[n - 1]!}`, -1 - n), bucket(-1 - n, 'host', `sto${n}`, n)]),
  ],
  rules: [replicated('zone')],
};
const flatNames = flat.buckets.map((each) => (each as { name: string }).name);
const zonedNames = zoned.buckets.map((each) => (each as { name: string }).name);
const inZones = { 'copies apart by': 'zone', 'zone of sto1': 'a', 'zone of sto2': 'b', 'zone of sto3': 'c' };
const noZones = { 'copies apart by': 'host', 'zone of sto1': null, 'zone of sto2': null, 'zone of sto3': null };
const small = {
  nodes: [
    { id: -2, type: 'host', name: 'sto1', children: [1] },
    { id: 1, type: 'osd', name: 'osd.1', kb: 1 << 20, kb_used: 1 << 19 },
  ],
};

const demo = { uid: 'demo', display_name: 'Demo', access_key: 'DEMO', secret_key: key };
const user = { display_name: 'Demo', system: false, keys: [{ access_key: 'DEMO', secret_key: 'any text at all' }], swift_keys: [] };
const asUser = { display_name: 'Demo', keys: { DEMO: 'current' }, system: false, swift: null };

const uuid = '0b8b3c3a-6f5b-5d4e-9f1e-0c2f5a3b7d11';
const secret = { uuid, usage: 'client.cinder', key: cephxKey(key, 'client.cinder') };
const xml = (usage: string, isPrivate = 'no'): string =>
  `<secret ephemeral='no' private='${isPrivate}'>\n  <uuid>${uuid}</uuid>\n  <usage type='ceph'>\n    <name>${usage}</name>\n  </usage>\n</secret>\n\n`;

export const ceph: readonly Case[] = [
  {
    type: 'libvirt-secret',
    is: 'as wanted',
    params: secret,
    answer: `${xml('client.cinder')}current\n`,
    found: { usage: 'client.cinder', private: 'no', key: 'current' },
    differs: null,
  },
  {
    type: 'libvirt-secret',
    is: 'missing',
    params: secret,
    answer: { code: 1, err: `error: failed to get secret '${uuid}'\nerror: Secret not found: no secret with matching uuid '${uuid}'\n` },
    found: null,
    differs: ['usage', 'private', 'key'],
    runs: ['secret-define', 'secret-set-value'],
    leaves: ['secret-undefine', cinderKey],
    input: text`${secret.key}\n`,
  },
  {
    type: 'libvirt-secret',
    is: 'of another key',
    params: secret,
    answer: xml('client.cinder'),
    found: { usage: 'client.cinder', private: 'no', key: 'other' },
    differs: ['key'],
    runs: ['secret-set-value'],
    leaves: ['secret-define', 'secret-undefine'],
  },
  {
    type: 'libvirt-secret',
    is: 'for something else, and not to be read',
    params: secret,
    answer: xml('other', 'yes'),
    found: { usage: 'other', private: 'yes', key: 'other' },
    differs: ['usage', 'private', 'key'],
    runs: ['secret-undefine', 'secret-define', 'secret-set-value'],
  },
  {
    type: 'libvirt-secret',
    is: 'not answered',
    params: secret,
    answer: { code: 1, err: 'error: failed to connect to the hypervisor\nerror: Failed to connect socket\n' },
    found: { unknown: 'error: Failed to connect socket' },
  },
  {
    type: 'ceph-mon',
    is: 'no store',
    params: monitor,
    answer: '',
    found: null,
    differs: ['cluster', 'key'],
    runs: ['--addv sto1', 'v2:10.0.0.1:3300', 'ceph-mon --setuser ceph'],
  },
  {
    type: 'ceph-mon',
    is: 'there',
    params: monitor,
    answer: `${fsid} current`,
    found: { cluster: fsid, key: 'current' },
    differs: null,
  },
  {
    type: 'ceph-mon',
    is: "another cluster's",
    params: monitor,
    answer: 'unknown',
    found: { cluster: 'unknown', key: 'other' },
    differs: ['cluster', 'key'],
    refuses: 'of another cluster',
  },
  {
    type: 'ceph-mon',
    is: 'of another key',
    params: monitor,
    answer: fsid,
    found: { cluster: fsid, key: 'other' },
    differs: ['key'],
    refuses: 'cannot be changed',
  },
  {
    type: 'ceph-quorum',
    is: 'one too many',
    params: { monitors: [{ name: 'b' }, { name: 'a' }] },
    answer: said({ monmap: { mons: [{ name: 'c' }, { name: 'a' }, { name: 'b' }] } }),
    found: { monitors: ['a', 'b', 'c'] },
    differs: ['monitors'],
    input:
      '{"strict":true,"calls":[{"command":{"format":"json","prefix":"mon ok-to-rm","id":"c"},"to":"mon","input":""},{"command":{"format":"json","prefix":"mon rm","name":"c"},"to":"mon","input":""}]}',
  },
  {
    type: 'ceph-quorum',
    is: 'as it should be',
    params: { monitors: [{ name: 'a' }] },
    answer: said({ monmap: { mons: [{ name: 'a' }] } }),
    found: { monitors: ['a'] },
    differs: null,
  },
  { type: 'ceph-quorum', is: 'not answered', params: { monitors: [{ name: 'a' }] }, answer: mute, found: unknown },
  {
    type: 'ceph-auth',
    is: 'not known',
    params: cinder,
    answer: JSON.stringify([{ code: -2, out: '', err: 'failed to find client.cinder in keyring' }]),
    found: null,
    differs: ['caps', 'key'],
    leaves: [cinderKey],
    input: text`{"strict":true,"calls":[{"command":{"format":"json","prefix":"auth import"},"to":"mon","input":${mapText(
      text`[client.cinder]\n\tkey = ${cephxKey(key, 'client.cinder')}\n\tcaps mon = "profile rbd"\n\tcaps osd = "profile rbd pool=vms"\n`,
      (plain) => JSON.stringify(plain),
    )}}]}`,
  },
  {
    type: 'ceph-auth',
    is: 'as it should be',
    params: cinder,
    answer: said([{ key: cinderKey, caps: cinder.caps }]),
    found: { caps: cinder.caps, key: 'current' },
    differs: null,
  },
  {
    type: 'ceph-auth',
    is: 'may too much: the key is kept',
    params: cinder,
    answer: said([{ key: cinderKey, caps: { mon: 'allow *' } }]),
    found: { caps: { mon: 'allow *' }, key: 'current' },
    differs: ['caps'],
    input:
      '{"strict":true,"calls":[{"command":{"format":"json","prefix":"auth caps","entity":"client.cinder","caps":["mon","profile rbd","osd","profile rbd pool=vms"]},"to":"mon","input":""}]}',
  },
  { type: 'ceph-auth', is: 'not answered', params: cinder, answer: mute, found: unknown },
  {
    type: 'ceph-config',
    is: 'set for others only',
    params: config,
    answer: said([{ ...row, mask: '' }]),
    found: { osd_memory_target: null, bluestore_cache_autotune: null },
    differs: ['osd_memory_target', 'bluestore_cache_autotune'],
  },
  {
    type: 'ceph-config',
    is: 'as it should be',
    params: config,
    answer: said([row, { ...row, name: 'bluestore_cache_autotune', value: 'false' }]),
    found: { osd_memory_target: '4294967296', bluestore_cache_autotune: 'false' },
    differs: null,
  },
  { type: 'ceph-config', is: 'not answered', params: config, answer: mute, found: unknown },
  {
    type: 'ceph-pool',
    is: 'not there',
    params: vms,
    answer: said([{ ...pool, pool_name: 'images' }]),
    found: null,
    differs: ['size', 'min_size', 'application', 'autoscale', 'pg_num'],
  },
  { type: 'ceph-pool', is: 'as it should be', params: vms, answer: said([pool]), found: asIs, differs: null },
  {
    type: 'ceph-pool',
    is: 'with a copy too few',
    params: vms,
    answer: said([{ ...pool, size: 2 }]),
    found: { ...asIs, size: 2 },
    differs: ['size'],
    input:
      '{"strict":true,"calls":[{"command":{"format":"json","prefix":"osd pool set","pool":"vms","var":"size","val":"3"},"to":"mon","input":""}]}',
  },
  { type: 'ceph-pool', is: 'not answered', params: vms, answer: mute, found: unknown },
  {
    type: 'ceph-osd',
    is: 'an empty disk',
    params: osds,
    answer: disk('', undefined, [{ osds: [] }, {}]),
    found: { '/dev/sdb': 'is empty' },
    differs: ['/dev/sdb'],
    runs: ['--mkfs', mine],
    leaves: ['prime-osd-dir', 'dd if='],
  },
  {
    type: 'ceph-osd',
    is: 'running',
    params: osds,
    answer: disk('ceph_bluestore ', label, [dump, {}], 'unit\t7\n'),
    found: { '/dev/sdb': 'OSD' },
    differs: null,
  },
  {
    type: 'ceph-osd',
    is: 'a good disk in a new machine',
    params: osds,
    answer: disk('ceph_bluestore ', label, [dump, {}]),
    found: { '/dev/sdb': 'osd.7 does not run' },
    differs: ['/dev/sdb'],
    runs: ['prime-osd-dir', 'id=7'],
    leaves: ['--mkfs', 'dd if='],
  },
  {
    type: 'ceph-osd',
    is: 'begun and not finished',
    params: osds,
    answer: disk('ceph_bluestore ', { osd_uuid: mine }, [dump, {}]),
    found: { '/dev/sdb': 'was begun and not finished' },
    differs: ['/dev/sdb'],
    runs: ['--mkfs'],
    leaves: ['dd if='],
  },
  {
    type: 'ceph-osd',
    is: "somebody else's, not finished",
    params: osds,
    answer: disk('ceph_bluestore ', { osd_uuid: 'other' }, [dump, {}]),
    found: { '/dev/sdb': 'holds an OSD that was never finished: wipe it by hand' },
    differs: ['/dev/sdb'],
    refuses: 'never finished',
  },
  {
    type: 'ceph-osd',
    is: 'drained earlier',
    params: osds,
    answer: disk('ceph_bluestore ', label, [{ osds: [] }, { [`cellwise/drained/${mine}`]: 'then' }]),
    found: { '/dev/sdb': 'was osd.7, drained' },
    differs: ['/dev/sdb'],
    runs: ['dd if=/dev/zero of=/dev/sdb', '--mkfs'],
  },
  {
    type: 'ceph-osd',
    is: 'of a disk that leaves',
    params: { ...osds, leaving },
    answer: `directory\t/dev/sdc\t/var/lib/ceph/osd/ceph-12\n${disk('ceph_bluestore ', label, [dump, {}], 'unit\t7\n')}`,
    found: { '/dev/sdb': 'OSD', '/dev/sdc': 'osd.12 is set up' },
    differs: ['/dev/sdc'],
    runs: ['id=12', 'systemctl disable -q --now "ceph-osd@$id"', 'step "/var/lib/ceph/osd/ceph-$id" && rm -rf', 'is still in the cluster'],
    leaves: ['--mkfs', 'dd if=', '/dev/sdb'],
  },
  {
    type: 'ceph-osd',
    is: 'of a disk that has left',
    params: { disks: [], fsid, host: 'sto1', leaving },
    answer: `directory\t/dev/sdb\t/var/lib/ceph/osd/ceph-7\n${said(dump, {})}\n`,
    found: { '/dev/sdc': 'no OSD' },
    differs: null,
  },
  {
    type: 'ceph-osd',
    is: 'unknown to its own cluster',
    params: osds,
    answer: disk('ceph_bluestore ', label, [{ osds: [] }, {}]),
    found: { '/dev/sdb': 'is osd.7, which the cluster has forgotten: wipe it by hand if nothing of it is needed' },
    differs: ['/dev/sdb'],
    refuses: '/dev/sdb is osd.7, which the cluster has forgotten',
  },
  {
    type: 'ceph-osd',
    is: "another cluster's",
    params: osds,
    answer: disk('ceph_bluestore ', { ...label, ceph_fsid: 'other' }, [dump, {}]),
    found: { '/dev/sdb': 'belongs to another Ceph cluster (other)' },
    differs: ['/dev/sdb'],
    refuses: 'another Ceph cluster',
  },
  {
    type: 'ceph-osd',
    is: 'with a file system',
    params: osds,
    answer: disk('ext4 ', undefined, [dump, {}]),
    found: { '/dev/sdb': 'holds something already (ext4): wipe it by hand if nothing of it is needed' },
    differs: ['/dev/sdb'],
    refuses: '(ext4)',
  },
  {
    type: 'ceph-osd',
    is: 'with two signatures, of which blkid names none',
    params: osds,
    answer: disk('ambivalent', undefined, [dump, {}]),
    found: { '/dev/sdb': 'holds more than one thing: `wipefs` shows what, and wipes it if nothing of it is needed' },
    differs: ['/dev/sdb'],
    refuses: 'more than one thing',
  },
  ...['a partition, not a whole disk', 'mounted on /srv', 'held by dm-0 ', 'swap space'].map((use): Case => ({
    type: 'ceph-osd',
    is: `an empty disk that is ${use.trim()}`,
    params: osds,
    answer: `disk\t/dev/sdb\t\t\t8:16\t${use}\n${said({ osds: [] }, {})}\n`,
    found: { '/dev/sdb': `is ${use.trim()}` },
    differs: ['/dev/sdb'],
    refuses: use.trim(),
  })),
  {
    type: 'ceph-osd',
    is: 'one disk under two names',
    params: { ...osds, disks: ['/dev/sdb', '/dev/disk/by-id/wwn-0x5'] },
    answer: `disk\t/dev/sdb\t\t\t8:16\t\ndisk\t/dev/disk/by-id/wwn-0x5\t\t\t8:16\t\n${said({ osds: [] }, {})}\n`,
    found: { '/dev/sdb': 'is empty', '/dev/disk/by-id/wwn-0x5': 'is the same disk as /dev/sdb: name it once' },
    differs: ['/dev/sdb', '/dev/disk/by-id/wwn-0x5'],
    refuses: 'same disk',
  },
  {
    type: 'ceph-osd',
    is: 'missing',
    params: osds,
    answer: disk('missing', undefined, [dump, {}]),
    found: { '/dev/sdb': 'is not there' },
    differs: ['/dev/sdb'],
    refuses: 'is not there',
  },
  { type: 'ceph-osd', is: 'not answered', params: osds, answer: mute, found: unknown },
  { type: 'ceph-drain', is: 'nothing leaves', params: { hosts: [], disks: [], fsid }, answer: 'nothing\n', found: {}, differs: null },
  {
    type: 'ceph-drain',
    is: 'a host and a disk leave',
    params: drain,
    answer: said(tree(1 << 22), [{ pool_name: 'vms', size: 2 }], dump, meta, [replicated('host')]),
    found: { sto4: 'osd.4, 1.0 GiB', 'sto1 /dev/sdc': 'osd.1, 1.0 GiB', osds: { sto4: [4], 'sto1 /dev/sdc': [1] } },
    differs: ['sto4', 'sto1 /dev/sdc'],
    input: '{"osds":[4,1],"hosts":["sto4"],"daemons":["mgr.sto4","client.rgw.sto4"]}',
  },
  {
    type: 'ceph-drain',
    is: 'too few hosts would be left',
    params: drain,
    answer: said(tree(1 << 22), [{ pool_name: 'vms', size: 3 }], dump, meta, [replicated('host')]),
    found: {
      sto4: 'osd.4, 1.0 GiB',
      'sto1 /dev/sdc': 'osd.1, 1.0 GiB',
      osds: { sto4: [4], 'sto1 /dev/sdc': [1] },
      obstacle: 'the pool vms keeps 3 copies on as many hosts, and 2 would be left',
    },
    differs: ['sto4', 'sto1 /dev/sdc'],
    refuses: '3 copies',
  },
  {
    type: 'ceph-drain',
    is: 'there is no room',
    params: { ...drain, disks: [] },
    answer: said(tree(1 << 18, 1 << 22), [{ pool_name: 'vms', size: 2 }], dump, meta, [replicated('host')]),
    found: { sto4: 'osd.4, 4.0 GiB', osds: { sto4: [4] }, obstacle: '4.0 GiB would have to go where there is room for 0 KiB' },
    differs: ['sto4'],
    refuses: '4.0 GiB',
  },
  {
    type: 'ceph-drain',
    is: 'with as many hosts left as copies, and no room for a whole copy on one of them',
    params: { ...drain, disks: [] },
    answer: said(tree(1 << 18), [{ pool_name: 'vms', size: 3 }], dump, meta, [replicated('host')]),
    found: {
      sto4: 'osd.4, 1.0 GiB',
      osds: { sto4: [4] },
      obstacle: '341 MiB would have to go to sto1, where there is room for 64 MiB',
    },
    differs: ['sto4'],
    refuses: '341 MiB',
  },
  {
    type: 'ceph-drain',
    is: 'one disk of two, whose data has to stay on its host',
    params: { hosts: [], disks: drain.disks, fsid },
    answer: said(twoDisks(1 << 20), [{ pool_name: 'vms', size: 3 }], dump, meta, [replicated('host')]),
    found: {
      'sto1 /dev/sdc': 'osd.1, 1.0 GiB',
      osds: { 'sto1 /dev/sdc': [1] },
      obstacle: '1.0 GiB would have to go to sto1, where there is room for 717 MiB',
    },
    differs: ['sto1 /dev/sdc'],
    refuses: 'to sto1',
  },
  {
    type: 'ceph-drain',
    is: 'one disk of two, with room on the other',
    params: { hosts: [], disks: drain.disks, fsid },
    answer: said(twoDisks(1 << 22), [{ pool_name: 'vms', size: 3 }], dump, meta, [replicated('host')]),
    found: { 'sto1 /dev/sdc': 'osd.1, 1.0 GiB', osds: { 'sto1 /dev/sdc': [1] } },
    differs: ['sto1 /dev/sdc'],
    input: '{"osds":[1],"hosts":[],"daemons":[]}',
  },
  {
    type: 'ceph-drain',
    is: 'one disk that is out already: what is left of its data moves whatever is said',
    params: { hosts: [], disks: drain.disks, fsid },
    answer: said(twoDisks(1 << 20, 0), [{ pool_name: 'vms', size: 3 }], dump, meta, [replicated('host')]),
    found: { 'sto1 /dev/sdc': 'osd.1, 1.0 GiB', osds: { 'sto1 /dev/sdc': [1] } },
    differs: ['sto1 /dev/sdc'],
  },
  {
    type: 'ceph-drain',
    is: 'gone',
    params: { hosts: ['sto9'], disks: [{ host: 'sto2', device: '/dev/sdx' }], fsid },
    answer: said(tree(1 << 22), [], dump, meta, [replicated('host')]),
    found: { sto9: 'gone', 'sto2 /dev/sdx': 'gone', osds: { sto9: [], 'sto2 /dev/sdx': [] } },
    differs: null,
  },
  { type: 'ceph-drain', is: 'not answered', params: drain, answer: mute, found: unknown },
  {
    type: 'ceph-drain',
    is: 'too few zones would be left',
    params: { hosts: ['sto3'], disks: [], fsid },
    answer: said(
      {
        nodes: [1, 2, 3].flatMap((n) => [
          { id: -10 - n, type: 'zone', name: `zone-${n}`, children: n === 1 ? [-2, -5] : [-1 - n] },
          { id: -1 - n, type: 'host', name: `sto${n}`, children: [n] },
          { id: n, type: 'osd', name: `osd.${n}`, kb: 1 << 22, kb_used: 1 << 20, reweight: 1 },
          ...(n === 1
            ? [
                { id: -5, type: 'host', name: 'sto4', children: [4] },
                { id: 4, type: 'osd', name: 'osd.4', kb: 1 << 22, reweight: 1 },
              ]
            : []),
        ]),
      },
      [{ pool_name: 'vms', size: 3 }],
      dump,
      meta,
      [replicated('zone')],
    ),
    found: {
      sto3: 'osd.3, 1.0 GiB',
      osds: { sto3: [3] },
      obstacle: 'the pool vms keeps 3 copies in as many zones, and 2 would be left',
    },
    differs: ['sto3'],
    refuses: 'as many zones',
  },
  {
    type: 'ceph-crush',
    is: 'a host without a zone: nothing is asked for',
    params: { ...spread, hosts: [...stores, { name: 'sto4', disks: ['/dev/sdb'] }] },
    answer: 'nothing\n',
    found: {},
    differs: null,
  },
  {
    type: 'ceph-crush',
    is: 'without zones so far, and a host that is not there yet',
    params: spread,
    answer: said(flat, tree(1 << 22), []),
    found: { ...noZones, buckets: flatNames },
    differs: ['copies apart by', 'zone of sto1', 'zone of sto2', 'zone of sto3'],
    runs: [
      'edit --remove-rule replicated_rule',
      'edit --create-replicated-rule replicated_rule default zone',
      'edit --add-bucket zone-a zone --loc root default',
      'edit --move sto1 --loc zone zone-a',
      'edit --add-bucket sto3 host --loc zone zone-c',
      'ceph osd setcrushmap "$version" -i',
    ],
  },
  {
    type: 'ceph-crush',
    is: 'as it should be',
    params: spread,
    answer: said(zoned, tree(1 << 22), [{ pool_name: 'vms', size: 3 }]),
    found: { ...inZones, buckets: zonedNames },
    differs: null,
  },
  {
    type: 'ceph-crush',
    is: 'with a host in another zone: it moves to one that is there',
    params: { ...spread, hosts: stores.map((each) => (each.name === 'sto3' ? { ...each, zone: 'b' } : each)), copies: 2 },
    answer: said(zoned, tree(1 << 22), [{ pool_name: 'vms', size: 2 }]),
    found: { ...inZones, buckets: zonedNames },
    differs: ['zone of sto3'],
    runs: ['edit --move sto3 --loc zone zone-b'],
    leaves: ['--add-bucket', '-rule'],
  },
  {
    type: 'ceph-crush',
    is: 'with fewer zones than copies: on different hosts',
    params: { ...spread, copies: 4 },
    answer: said(zoned, tree(1 << 22), [{ pool_name: 'vms', size: 4 }]),
    found: { ...inZones, buckets: zonedNames },
    differs: ['copies apart by'],
    runs: ['edit --create-replicated-rule replicated_rule default host'],
  },
  {
    type: 'ceph-crush',
    is: 'with a pool of more copies than zones',
    params: spread,
    answer: said(flat, tree(1 << 22), [{ pool_name: 'vms', size: 4 }]),
    found: { ...noZones, buckets: flatNames, obstacle: 'the pool vms keeps 4 copies, and there are 3 zones' },
    differs: ['copies apart by', 'zone of sto1', 'zone of sto2', 'zone of sto3'],
    refuses: '4 copies',
  },
  {
    type: 'ceph-crush',
    is: 'with a zone that has no room for a copy of everything',
    params: spread,
    answer: said(flat, small, [{ pool_name: 'vms', size: 3 }]),
    found: {
      ...noZones,
      buckets: flatNames,
      obstacle: 'a copy of all data, 171 MiB, would have to be in the zone b, which has room for 0 KiB',
    },
    differs: ['copies apart by', 'zone of sto1', 'zone of sto2', 'zone of sto3'],
    refuses: 'in the zone b',
  },
  { type: 'ceph-crush', is: 'not answered', params: spread, answer: mute, found: unknown },
  {
    type: 'rgw-user',
    is: 'not there',
    params: demo,
    answer: { code: 22, err: 'could not fetch user info: no user info saved\n' },
    found: null,
    differs: ['display_name', 'keys', 'system'],
    runs: ['radosgw-admin user create --uid demo'],
    leaves: ['any text at all'],
    input: text`{"secret_key":${mapText(key, (plain) => JSON.stringify(plain))},"swift_key":""}`,
  },
  { type: 'rgw-user', is: 'as it should be', params: demo, answer: JSON.stringify(user), found: asUser, differs: null },
  {
    type: 'rgw-user',
    is: 'with a key that nobody gave it',
    params: demo,
    answer: JSON.stringify({ ...user, keys: [...user.keys, { access_key: 'MORE', secret_key: 'x' }] }),
    found: { ...asUser, keys: { DEMO: 'current', MORE: 'other' } },
    differs: ['keys'],
  },
  { type: 'rgw-user', is: 'not answered', params: demo, answer: { code: 5, err: 'no' }, found: { unknown: 'no' } },
  {
    type: 'ceph-flag',
    is: 'not set',
    params: { flag: 'noout' },
    answer: said({ flags_set: ['sortbitwise'] }),
    found: null,
    differs: ['set'],
    input: '{"strict":true,"calls":[{"command":{"format":"json","prefix":"osd set","key":"noout"},"to":"mon","input":""}]}',
  },
  { type: 'ceph-flag', is: 'set', params: { flag: 'noout' }, answer: said({ flags_set: ['noout'] }), found: { set: true }, differs: null },
  {
    type: 'ceph-flag',
    is: 'to be given back',
    params: { flag: 'noout', absent: true },
    answer: said({ flags_set: ['noout'] }),
    found: { set: true },
    differs: ['set'],
    input: '{"strict":true,"calls":[{"command":{"format":"json","prefix":"osd unset","key":"noout"},"to":"mon","input":""}]}',
  },
  { type: 'ceph-flag', is: 'not answered', params: { flag: 'noout' }, answer: mute, found: unknown },
  {
    type: 'ceph-cipher',
    is: 'an older one for tickets',
    params: { cipher: 'aes256k' },
    answer: said({ auth_service_cipher: { name: 'aes', type: 1 } }),
    found: { service: 'aes' },
    differs: ['service'],
    input:
      '{"strict":true,"calls":[{"command":{"format":"json","prefix":"mon set","name":"auth_service_cipher","value":"aes256k"},"to":"mon","input":""}]}',
  },
  {
    type: 'ceph-cipher',
    is: 'the same',
    params: { cipher: 'aes256k' },
    answer: said({ auth_service_cipher: { name: 'aes256k', type: 2 } }),
    found: { service: 'aes256k' },
    differs: null,
  },
  { type: 'ceph-cipher', is: 'not answered', params: { cipher: 'aes256k' }, answer: mute, found: unknown },
  {
    type: 'ceph-osd-key',
    is: 'of an older cipher',
    params: { cipher: 'aes256k' },
    answer: '/var/lib/ceph/osd/ceph-1/keyring /var/lib/ceph/osd/ceph-12/keyring \naes256k',
    found: { others: 'osd.1 osd.12', cipher: 'aes256k' },
    differs: ['others'],
    runs: ['for osd in osd.1 osd.12', '--key_type aes256k'],
  },
  {
    type: 'ceph-osd-key',
    is: 'as it should be',
    params: { cipher: 'aes256k' },
    answer: '\naes256k',
    found: { others: '', cipher: 'aes256k' },
    differs: null,
  },
  {
    type: 'ceph-backup',
    is: 'not made',
    params: { directory: '/var/backups/ceph' },
    answer: '',
    found: null,
    differs: ['made'],
    runs: ['deepen /var/backups\n', 'ceph auth export', 'monmaptool --print', 'step /var/backups/ceph && aside'],
  },
  { type: 'ceph-backup', is: 'made', params: { directory: '/var/backups/ceph' }, answer: 'made\n', found: { made: true }, differs: null },
];
