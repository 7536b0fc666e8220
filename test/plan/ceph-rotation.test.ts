// The secrets of Ceph's users, managers and gateways, rotated: what there is to change then, and in which order.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readRoles } from '../../src/roles/role.ts';
import { inventoryOf, planOf, secretsOf, step, waits, wantedOf } from './clouds.ts';

const { roles } = readRoles(join(import.meta.dirname, '../../roles'));
const inventory = inventoryOf(`  ctl[1-3]: {address: 10.77.0.11, kind: controller}
  cmp[1-2]: {address: 10.77.0.21, kind: compute}
  sto[1-4]: {address: 10.77.0.31, kind: storage, disks: [/dev/sdb]}
`);
const computes = ['cmp1', 'cmp2'];
const gateways = ['sto1', 'sto2', 'sto3'];

/** By secret: chains of steps, each of which waits for the one before it. */
const rotations: Readonly<Record<string, readonly (readonly string[])[]>> = {
  'rbd.glance_key': [['sto1/rbd/ceph-auth client.glance', 'ctl1/glance-rbd/file /etc/ceph/ceph.client.glance.keyring']],
  'rbd.cinder_key': [
    [
      'sto1/rbd/ceph-auth client.cinder',
      'ctl1/cinder-volume/file /etc/ceph/ceph.client.cinder.keyring',
      'ctl1/cinder-volume/service cinder-volume',
    ],
    ...computes.map((host) => ['sto1/rbd/ceph-auth client.cinder', `${host}/nova-rbd/libvirt-secret client.cinder`]),
  ],
  'rbd.nova_key': computes.map((host) => [
    'sto1/rbd/ceph-auth client.nova',
    `${host}/nova-rbd/file /etc/ceph/ceph.client.nova.keyring`,
    `${host}/nova-rbd/libvirt-secret client.nova`,
  ]),
  'ceph-rgw.key': gateways.map((host) => [
    `${host}/ceph-rgw/ceph-auth client.rgw.${host}`,
    `${host}/ceph-rgw/file /var/lib/ceph/radosgw/ceph-rgw.${host}/keyring`,
    `${host}/ceph-rgw/service ceph-radosgw@rgw.${host}`,
  ]),
  'rgw-keystone.password': gateways.map((host) => [
    `${host}/rgw-keystone/file /var/lib/ceph/radosgw/keystone-password`,
    `${host}/rgw-keystone/service ceph-radosgw.target`,
    'ctl1/object-store/keystone-user rgw',
  ]),
  'ceph-mgr.key': gateways.map((host) => [
    `${host}/ceph-mgr/ceph-auth mgr.${host}`,
    `${host}/ceph-mgr/file /var/lib/ceph/mgr/ceph-${host}/keyring`,
    `${host}/ceph-mgr/service ceph-mgr@${host}`,
  ]),
};

it.each(Object.entries(rotations))('%s', (secret, chains) => {
  const plan = planOf(inventory, roles, secretsOf({ [secret]: 'rotated' }));
  const before = wantedOf(planOf(inventory, roles));
  const changed = [...wantedOf(plan)].flatMap(([id, made]) => (made === before.get(id) ? [] : [id]));
  // A secret of libvirt's is called by its UUID.
  const named = new Map(changed.map((id) => [id.replace(/(?<=libvirt-secret ).*/, String(step(plan, id).params['usage'])), id]));
  expect([...named.keys()].toSorted()).toEqual([...new Set(chains.flat())].toSorted());
  for (const [first = '', ...others] of chains) {
    others.reduce((need, id) => {
      expect(waits(plan, named.get(id)!, named.get(need)!), `${id} waits for ${need}`).toBe(true);
      return id;
    }, first);
  }
});
