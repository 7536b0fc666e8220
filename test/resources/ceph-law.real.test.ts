import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cephxKey } from '../../src/base/ceph.ts';
import { checkCeph } from '../../src/base/ceph-check.ts';
import { reveal, Secret } from '../../src/base/secret.ts';
import type { AnyParams } from '../../src/resources/define.ts';
import { attachDisks, detachDisks, diskLink } from '../../src/lab/disks.ts';
import { type Machine, startMachine } from '../machines.ts';
import { difference, mend, resource, type Run, runIn, type Send } from './converge.ts';
import type { Law } from './law.ts';
import { obey } from './obey.ts';

// A whole cluster on one machine: copies are on different disks instead of different hosts.
const directory = mkdtempSync(join(tmpdir(), 'cellwise-ceph-'));
const fsid = '8e6a9f0c-6f5b-4d4e-9f1e-0c2f5a3b7d11';
const key = Secret.of('law', `k'"$(touch /tmp/executed) ö`);
const other = Secret.of('other', 'another');
const secretKey = cephxKey(key, 'client.law');
const libvirt = 'qemu:///system';
const devices = ['/dev/sdb', '/dev/sdc', '/dev/sdd', '/dev/sde'];
let machine: Machine;
let run: Run;
const send: Send = () => Promise.reject(new Error('Nothing here is behind an API'));

beforeAll(async () => {
  await attachDisks(directory, [{ name: 'law', address: '', disks: devices.map((device) => ({ device, size: '2G' })) }]);
  machine = await startMachine({
    name: 'law',
    disks: Object.fromEntries(devices.map((device) => [device, diskLink(directory, 'law', device)])),
  });
  run = runIn(machine.container);
  await byHand(`printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq && apt-get install -y -qq --no-install-recommends ceph-mon ceph-mgr ceph-osd radosgw libvirt-daemon-system libvirt-clients
rm /usr/sbin/policy-rc.d
cat >/etc/ceph/ceph.conf <<'C'
[global]
fsid = ${fsid}
mon_host = [v2:${machine.address}:3300,v1:${machine.address}:6789]
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 2
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
[mon]
mgr_initial_modules = iostat
[osd]
bluestore_cache_autotune = false
bluestore_cache_size = 33554432
C
printf '[client.admin]\\n\\tkey = %s\\n' '${reveal(cephxKey(key, 'client.admin'))}' >/etc/ceph/ceph.client.admin.keyring`);
}, 400_000);

afterAll(async () => {
  await machine.stop();
  await detachDisks(directory);
  rmSync(directory, { recursive: true });
});

const store = (zone: string) => ({ name: 'law', zone, disks: devices });
const osds = { disks: ['/dev/sdb', '/dev/sdc', '/dev/sdd'], fsid, host: 'law' };

function laws(): readonly Law[] {
  const monitor = { id: 'law', fsid, monitors: [{ name: 'law', address: machine.address }], disks: devices, key, admin_key: key };
  return [
    {
      type: 'ceph-mon',
      params: monitor,
      tamper: 'rm /var/lib/ceph/mon/ceph-law/store.db/CURRENT',
      mends: ['cluster', 'key'],
      then: 'systemctl enable -q --now ceph-mon@law && timeout 60 ceph mon stat',
    },
    {
      type: 'ceph-auth',
      params: { entity: 'mgr.law', key, caps: { mon: 'allow profile mgr', osd: 'allow *', mds: 'allow *' } },
      then: `install -d -o ceph -g ceph /var/lib/ceph/mgr/ceph-law && ceph auth get mgr.law -o /var/lib/ceph/mgr/ceph-law/keyring &&
chown ceph:ceph /var/lib/ceph/mgr/ceph-law/keyring && systemctl enable -q --now ceph-mgr@law`,
    },
    {
      type: 'ceph-auth',
      params: { entity: 'client.law', key, caps: { mon: 'profile rbd', osd: 'profile rbd pool=law' } },
      tamper: "ceph auth caps client.law mon 'allow *'",
      mends: ['caps'],
      then: `test "$(ceph auth print-key client.law)" = '${reveal(cephxKey(key, 'client.law'))}'`,
    },
    {
      type: 'ceph-auth',
      params: { entity: 'client.law', key: other, caps: { mon: 'profile rbd', osd: 'profile rbd pool=law' } },
      first: 'differs',
      tamper:
        'printf "[client.law]\\nkey = $(ceph-authtool --gen-print-key)\\ncaps mon = \\"profile rbd\\"\\ncaps osd = \\"profile rbd pool=law\\"\\n" | ceph auth import -i -',
      mends: ['key'],
    },
    {
      type: 'ceph-auth',
      params: { entity: 'client.kept', caps: { mon: 'allow r' } },
      tamper: 'ceph auth print-key client.kept >/tmp/kept; ceph auth caps client.kept mon "allow rw"',
      mends: ['caps'],
      then: 'test "$(ceph auth print-key client.kept)" = "$(cat /tmp/kept)"',
    },
    {
      type: 'ceph-config',
      params: { who: 'osd/host:law', options: { osd_memory_target: 939524096, osd_op_num_shards: 2, bluestore_cache_autotune: false } },
      first: 'differs',
      tamper: 'ceph config set osd/host:law osd_op_num_shards 3',
      mends: ['osd_op_num_shards'],
    },
    {
      type: 'ceph-crush',
      params: { hosts: [store('a'), { ...store('b'), name: 'two' }], copies: 2 },
      first: 'differs',
      tamper: 'ceph osd crush move law root=default',
      mends: ['zone of law'],
      // And back: there is one host only, so copies are on different disks.
      then: `ceph osd crush rule dump replicated_rule -f json | grep -qF '"type":"zone"' && ceph osd crush rule rm replicated_rule &&
ceph osd crush rule create-simple replicated_rule default osd firstn && ceph osd crush rm two && ceph osd crush rm zone-b`,
    },
    {
      type: 'ceph-osd',
      params: osds,
      first: 'differs',
      tamper: 'systemctl disable -q --now ceph-osd@1 && rm -r /var/lib/ceph/osd/ceph-1',
      mends: ['/dev/sdc'],
      then: 'for i in $(seq 60); do ceph osd stat | grep -q "3 up.*3 in" && exit; sleep 1; done; exit 1',
    },
    {
      type: 'ceph-pool',
      params: { pool: 'law', application: 'rbd', size: 2, min_size: 1, pg_num: 8 },
      tamper: 'ceph osd pool set law min_size 2 && ceph osd pool application enable law rgw --yes-i-really-mean-it',
      mends: ['min_size', 'application'],
    },
    { type: 'ceph-flag', params: { flag: 'noout' }, tamper: 'ceph osd unset noout', mends: ['set'] },
    { type: 'ceph-flag', params: { flag: 'noout', absent: true }, first: 'differs', tamper: 'ceph osd set noout', mends: ['set'] },
    { type: 'ceph-flag', params: { flag: 'noautoscale' }, then: 'ceph osd unset noautoscale' },
    {
      type: 'ceph-backup',
      params: { directory: '/var/backups/before it' },
      tamper: "mv '/var/backups/before it' /tmp/backup",
      mends: ['made'],
      then: "cmp /tmp/backup/auth '/var/backups/before it/auth' && test $(stat -c %a /tmp/backup) = 700",
    },
    {
      type: 'rgw-user',
      // The first of all makes the gateway's pools, which takes its time.
      prepare: 'timeout 110 radosgw-admin user list',
      params: { uid: 'law', display_name: `L'aw`, access_key: 'LAW', secret_key: key, swift_key: other },
      tamper:
        'radosgw-admin user modify --uid law --display-name Changed && radosgw-admin key create --uid law --key-type s3 --gen-access-key',
      mends: ['display_name', 'keys'],
      then: 'radosgw-admin user info --access-key LAW',
    },
    {
      type: 'libvirt-secret',
      prepare: 'systemctl start libvirtd',
      params: { uuid: 'b1f1a0e6-3c0d-5f0e-8d53-0c2f5a3b7d11', usage: 'client.law', key: secretKey },
      tamper: `virsh -c ${libvirt} secret-undefine b1f1a0e6-3c0d-5f0e-8d53-0c2f5a3b7d11
echo "<secret ephemeral='no' private='yes'><uuid>b1f1a0e6-3c0d-5f0e-8d53-0c2f5a3b7d11</uuid><usage type='ceph'><name>x</name></usage></secret>" |
virsh -c ${libvirt} secret-define /dev/stdin`,
      mends: ['usage', 'private', 'key'],
      then: `test "$(virsh -q -c ${libvirt} secret-get-value b1f1a0e6-3c0d-5f0e-8d53-0c2f5a3b7d11)" = '${reveal(secretKey)}'`,
    },
    {
      type: 'libvirt-secret',
      params: { uuid: 'b1f1a0e6-3c0d-5f0e-8d53-0c2f5a3b7d11', usage: 'client.law', key: cephxKey(other, 'client.law') },
      first: 'differs',
      tamper: `echo AAAA | virsh -c ${libvirt} secret-set-value b1f1a0e6-3c0d-5f0e-8d53-0c2f5a3b7d11 --file /dev/stdin`,
      mends: ['key'],
    },
  ];
}

test('apply twice, the second run does nothing; what is changed by hand is mended, and nothing else', { timeout: 400_000 }, async () => {
  for (const law of laws()) await obey(law, run, send).catch((error: unknown) => expect.fail(`${law.type}: ${String(error)}`));
  await byHand('test ! -e /tmp/executed');
  const { type, params } = resource('ceph-quorum', { monitors: [{ name: 'law' }] });
  expect(await difference(type, params, run, send)).toBeNull();
});

test('a disk that holds anything is refused and stays as it is', async () => {
  await byHand('mkswap -q /dev/sde; sha256sum /dev/sde >/tmp/before');
  expect(await refusal('ceph-osd', { ...osds, disks: ['/dev/sde'] })).toContain('/dev/sde holds something already (swap)');
  expect(await refusal('ceph-osd', { ...osds, disks: ['/dev/sdx'] })).toContain('/dev/sdx is not there');
  expect(await refusal('ceph-osd', { ...osds, fsid: 'aaaaaaaa-6f5b-4d4e-9f1e-0c2f5a3b7d11' })).toContain('belongs to another Ceph cluster');
  await byHand('sha256sum -c /tmp/before');
});

test('a monitor of another cluster is refused, and no second cluster is begun beside the data of the first', async () => {
  const monitor = { id: 'law', fsid, monitors: [{ name: 'law', address: machine.address }], disks: devices, key, admin_key: key };
  expect(await refusal('ceph-mon', { ...monitor, key: other })).toContain('cannot be changed');
  await byHand('systemctl stop ceph-mon@law && mv /var/lib/ceph/mon/ceph-law /root/kept');
  const { type, params } = resource('ceph-mon', monitor);
  const change = await difference(type, params, run, send);
  await expect(mend(type, params, change!, run, send)).rejects.toThrow('/dev/sdb holds data of this cluster');
  await byHand('mv /root/kept /var/lib/ceph/mon/ceph-law && systemctl start ceph-mon@law && timeout 60 ceph mon stat');
});

test('a disk leaves once its data is elsewhere, and can come back', { timeout: 200_000 }, async () => {
  await byHand('head -c 50M /dev/urandom >/tmp/data && rados -p law put object /tmp/data');
  const { type, params } = resource('ceph-drain', { hosts: [], disks: [{ host: 'law', device: '/dev/sdd' }], fsid });
  const here = resource('ceph-osd', { ...osds, disks: ['/dev/sdb', '/dev/sdc'], leaving: params['disks'] });
  const early = await difference(here.type, here.params, run, send);
  expect(early?.differences).toEqual([{ key: '/dev/sdd', before: 'osd.2 is set up', after: 'no OSD' }]);
  await expect(mend(here.type, here.params, early!, run, send)).rejects.toThrow('osd.2 is still in the cluster');
  const change = await difference(type, params, run, send);
  expect(change?.before?.['law /dev/sdd']).toMatch(/^osd\.2, \d+ MiB$/);
  // There is one host only, and copies are meant to be on several: by that measure there is no place.
  expect(await refusal('ceph-drain', params)).toContain('2 copies');
  const { obstacle, ...before } = change!.before!;
  expect(obstacle).toBeDefined();
  await mend(type, params, { ...change!, before }, run, send);
  expect(await difference(type, params, run, send)).toBeNull();
  await byHand('rados -p law get object /tmp/back && cmp /tmp/data /tmp/back');
  await byHand('! ceph osd find 2 2>/dev/null');
  // Whoever asks for the health of the host's OSDs would wait for this one for ever.
  await mend(here.type, here.params, early!, run, send);
  expect(await difference(here.type, here.params, run, send)).toBeNull();
  await byHand('test ! -e /var/lib/ceph/osd/ceph-2 && ! systemctl -q is-enabled ceph-osd@2 && systemctl is-active ceph-osd@1');
  await expect.poll(() => run(checkCeph(['osds', 'pgs'])).then(({ out }) => out.toString()), { timeout: 60_000 }).toBe('');
  const again = resource('ceph-osd', osds);
  const back = await difference(again.type, again.params, run, send);
  expect(back?.differences).toMatchObject([{ key: '/dev/sdd', before: 'was osd.2, drained' }]);
  await mend(again.type, again.params, back!, run, send);
  expect(await difference(again.type, again.params, run, send)).toBeNull();
});

test('a host is in the zone that it was given before it had disks, and moves to another with all that is on it', async () => {
  const { type, params } = resource('ceph-crush', { hosts: [store('b')], copies: 2 });
  const change = await difference(type, params, run, send);
  expect(change?.differences).toEqual([
    { key: 'copies apart by', before: 'osd', after: 'host' },
    { key: 'zone of law', before: 'a', after: 'b' },
  ]);
  await mend(type, params, change!, run, send);
  expect(await difference(type, params, run, send)).toBeNull();
  await byHand(`for id in 0 1; do ceph osd find $id -f json | grep -qF '"zone":"zone-b"' || exit; done
timeout 60 rados -p law get object /tmp/back && cmp /tmp/data /tmp/back`);
});

async function refusal(name: string, wanted: AnyParams): Promise<string | undefined> {
  const { type, params } = resource(name, wanted);
  const change = await difference(type, params, run, send);
  return change ? type.refuse?.(params, change) : undefined;
}

async function byHand(script: string): Promise<void> {
  const { code, out, err } = await run({ script, timeout: 300 });
  expect(code, `${script}\n${out.toString()}${err.toString()}`).toBe(0);
}
