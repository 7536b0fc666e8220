// What depends on a secret, in the inventories that come with Cellwise: the steps of a plan that are other ones when its value is.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readInventory } from '../../src/inventory/read.ts';
import { readRoles } from '../../src/roles/role.ts';
import { planOf, secretsOf, wantedOf } from './clouds.ts';

const { roles } = readRoles('roles');

/** By step: all that is wanted, secrets in the clear. */
function wanted(file: string, values: Readonly<Record<string, string>> = {}): ReadonlyMap<string, string> {
  const { inventory } = readInventory(file, readFileSync(file, 'utf8'));
  return wantedOf(planOf(inventory!, roles, secretsOf(values)));
}

/** The steps that the rotation of a secret changes. */
function rotated(file: string, secret: string): string[] {
  const [before, after] = [wanted(file), wanted(file, { [secret]: 'another value' })];
  expect([...after.keys()]).toEqual([...before.keys()]);
  return [...after].flatMap(([step, params]) => (before.get(step) === params ? [] : [step])).toSorted();
}

const [lab, twoCells, telemetry] = ['inventories/lab.yaml', 'inventories/two-cells.yaml', 'inventories/telemetry.yaml'];
const onController = [
  'ctl1/nova-api/service nova-api',
  'ctl1/nova-api/service nova-api-metadata',
  'ctl1/nova-conductor/service nova-conductor',
  'ctl1/nova-novncproxy/service nova-novncproxy',
  'ctl1/nova-scheduler/service nova-scheduler',
  'ctl1/nova/file /etc/nova/nova.conf',
  'ctl1/nova/rabbitmq-user nova',
];
const onCompute = (host: string): string[] => [
  `${host}/nova-compute/file /etc/nova/nova-compute.conf`,
  `${host}/nova-compute/service nova-compute`,
];

describe('a password of the message queue', () => {
  it('that is Nova’s changes Nova alone', () => {
    expect(rotated(lab, 'rabbitmq.nova')).toEqual([...onController, ...onCompute('cmp1'), ...onCompute('cmp2')].toSorted());
  });

  it('that is Nova’s of the cloud changes no other cell', () => {
    expect(rotated(twoCells, 'rabbitmq.nova')).toEqual([...onController, ...onCompute('cmp1')].toSorted());
  });

  it('that is a cell’s changes that cell, and what connects to it from the controllers', () => {
    expect(rotated(twoCells, 'rabbitmq.nova.cell2')).toEqual(
      [
        'cell2-1/nova-cell/file /etc/nova/nova.conf',
        'cell2-1/nova-cell/rabbitmq-user nova',
        'cell2-1/nova-conductor/service nova-conductor',
        'cell2-1/nova-novncproxy/service nova-novncproxy',
        ...onCompute('cell2-1'),
        'ctl1/nova-api/file /etc/nova/cells/cell2.conf',
        'ctl1/nova-api/nova-cell cell2',
        'ctl1/nova-api/service nova-api',
        'ctl1/nova-api/service nova-api-metadata',
        'ctl1/nova-conductor/service nova-conductor',
        'ctl1/nova-scheduler/service nova-scheduler',
      ].toSorted(),
    );
  });

  it.each([
    ['neutron', lab, ['ctl1', 'cmp1', 'cmp2']],
    ['cinder', lab, ['ctl1']],
    ['heat', lab, ['ctl1']],
    ['keystone', lab, ['ctl1']],
    ['ceilometer', telemetry, ['ctl1', 'cmp1']],
    ['ceilometer', lab, []],
  ])('that is %s’s changes its roles alone, in %s on %j', (service, file, hosts) => {
    const steps = rotated(file, `rabbitmq.${service}`).map((step) => step.split('/'));
    expect(steps.map(([, role]) => role)).toEqual(steps.map(() => expect.stringMatching(`^${service}(-|$)`) as string));
    expect(new Set(steps.map(([host]) => host))).toEqual(new Set(hosts));
  });
});

describe('the user that all services shared', () => {
  it.each([lab, twoCells])('is removed behind all that knew it, in %s', (file) => {
    const { inventory } = readInventory(file, readFileSync(file, 'utf8'));
    const plan = planOf(inventory!, roles);
    const removals = [...plan.nodes.keys()].filter((id) => id.includes('/rabbitmq-shared/rabbitmq-user '));
    expect(removals).toHaveLength(file === lab ? 1 : 2);
    for (const id of removals) {
      const cell = id.startsWith('ctl1/') ? '' : ' in cell2';
      const before = ['keystone', 'heat', 'cinder-scheduler', 'neutron-l3-agent', 'neutron-openvswitch-agent', 'nova-api'];
      const ofCell = ['nova-conductor', 'nova-compute', 'nova-novncproxy'].map((role) => `${role} ready${cell}`);
      for (const ready of [...before.map((role) => `${role} ready`), ...ofCell]) expect([...plan.graph.needs(id).keys()]).toContain(ready);
    }
  });

  it('is known to no step besides', () => {
    const known = [...wanted(lab)].filter(([, params]) => params.includes('rabbit://openstack')).map(([step]) => step);
    expect(known).toEqual([]);
  });
});
