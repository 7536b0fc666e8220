import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { secretsOfLeaving } from '../../src/plan/leaving.ts';
import { readRoles } from '../../src/roles/role.ts';
import { inventoryOf, rolesOf, secretsOf, small } from './clouds.ts';

const { roles } = readRoles(join(import.meta.dirname, '../../roles'));
const leaving = (hosts: string, cloud = ''): Record<string, readonly string[]> =>
  Object.fromEntries(secretsOfLeaving(inventoryOf(hosts, '', cloud), roles, secretsOf()));

describe('what a host that leaves can still use', () => {
  test('nothing leaves: nothing is worked out', () => {
    expect(leaving(small)).toEqual({});
  });

  test('a compute host: what its services log in with, and its certificates', () => {
    const hosts = `${small}  cmp3: {address: 10.77.0.23, kind: compute, state: absent}\n  sto1: {address: 10.77.0.31, kind: storage, disks: [/dev/vdb]}\n`;
    expect(leaving(hosts, ', storage: ceph')).toEqual({
      cmp3: [
        'libvirt.authority',
        'nova-migration.host_key',
        'nova-migration.key',
        'nova.service_password',
        'rabbitmq.neutron',
        'rabbitmq.nova',
        'rbd.cinder_key',
        'rbd.nova_key',
      ],
    });
  });

  test('the roles of the operator count, and what goes to an API does not', () => {
    const own = rolesOf({
      one: {
        on: ['compute'],
        params: { told: secret, hidden: secret, other: secret },
        steps: [
          { file: '/etc/one', content: 'a {{told}} b', mode: '0600' },
          { 'keystone-user': 'one', password: '{{hidden}}', roles: [] },
        ],
      },
      two: { on: ['controller'], params: { told: secret }, steps: [{ file: '/etc/two', content: '{{told}}' }] },
    });
    const inventory = inventoryOf(`${small}  cmp3: {address: 10.77.0.23, kind: compute, state: absent}\n`);
    expect(Object.fromEntries(secretsOfLeaving(inventory, own, secretsOf()))).toEqual({ cmp3: ['one.told'] });
  });
});

const secret = { type: 'string', format: 'secret', description: 'x' };
