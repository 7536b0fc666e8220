// The Ceph roles that come with Cellwise, upgraded on simulated hosts: their order, what is held meanwhile, what is last.
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { Fleet, type Fault } from '../../src/fleet/fleet.ts';
import { readInventory } from '../../src/inventory/read.ts';
import type { Inventory } from '../../src/inventory/types.ts';
import { expand } from '../../src/plan/expand.ts';
import { journeyOf } from '../../src/plan/journey.ts';
import { readRoles } from '../../src/roles/role.ts';
import { secretsOf } from '../plan/clouds.ts';
import { Deployer, linesOf } from './clouds.ts';
import { everyFault } from './every.ts';
import { arrived } from './laws.ts';

vi.setConfig({ testTimeout: 300_000 });

const { roles } = readRoles(join(import.meta.dirname, '../../roles'));

function inventoryOf(release: string, services = '[ceph-rgw]', more = ''): Inventory {
  const text = `cloud: {name: lab, services: ${services}, release: "${release}"}
networks: {management: {cidr: 10.0.0.0/8}}
hosts:
  ctl1: {address: 10.0.0.11, kind: controller}
${more}  sto[1-3]: {address: 10.0.0.31, kind: storage, disks: [/dev/sdb]}
`;
  const { inventory, problems } = readInventory('/lab/inventory.yaml', text);
  if (!inventory) throw new Error(JSON.stringify(problems, null, 2));
  return inventory;
}

const journey = journeyOf(inventoryOf('2026.1'), roles, secretsOf());
const before = expand(inventoryOf('2025.1'), roles, secretsOf());
const fleetOf = (...faults: readonly Fault[]) => new Fleet({ journey, before, faults });

it('packages, then monitors, managers, OSDs and gateways, host by host; what cannot be undone is last', () => {
  expect(journey.disorder).toEqual([]);
  const hosts = ['sto1', 'sto2', 'sto3'];
  const inTurn = (role: string) => hosts.map((host) => `storage/${role}${host === 'sto1' ? ' canary' : ''}: ${host}`);
  const lines = linesOf(journey).filter((line) => !/base|ceph-client/.test(line));
  expect(lines).toEqual([
    'backup/ceph-mon: sto1',
    ...['ceph-node', 'ceph-mon', 'ceph-mgr', 'ceph-osd', 'ceph-rgw'].flatMap(inTurn),
    'finish/ceph-mgr: sto1',
    'finish/ceph-osd: sto1',
  ]);
});

it('three hosts get there; flags are set while OSDs restart, and at no other time', async () => {
  const deployer = new Deployer(fleetOf());
  expect(await deployer.run()).toEqual({ kind: 'finished' });
  arrived(deployer);
  const told = deployer.facts.flatMap((fact) => {
    if (fact.type === 'lease-taken' || fact.type === 'lease-given') return [`${fact.type} ${fact.take.split(' ').at(-1)!}`];
    return fact.type === 'stage-done' && fact.stage.startsWith('storage/ceph-') ? [fact.stage] : [];
  });
  expect(told).toEqual([
    ...['client', 'node', 'mon', 'mgr'].map((role) => `storage/ceph-${role}`),
    ...['noout', 'nodeep-scrub', 'noautoscale'].map((flag) => `lease-taken ${flag}`),
    ...['noautoscale', 'nodeep-scrub', 'noout'].map((flag) => `lease-given ${flag}`),
    ...['osd', 'rgw'].map((role) => `storage/ceph-${role}`),
  ]);
});

describe('with OpenStack on it', () => {
  const services = '[cinder-volume, cinder-scheduler, nova-compute, nova-scheduler, object-store]';
  const of = (release: string) => inventoryOf(release, services, '  cmp[1-2]: {address: 10.0.0.21, kind: compute}\n');
  const whole = journeyOf(of('2026.1'), roles, secretsOf());
  const running = expand(of('2025.1'), roles, secretsOf());

  it('Glance and the service of volumes have their places among the projects', () => {
    expect(whole.disorder).toEqual([]);
    const ids = whole.stages.map(({ id }) => id);
    const order = [
      ...['keystone', 'glance-rbd', 'glance', 'placement', 'neutron', 'cinder', 'cinder-scheduler', 'cinder-volume', 'cinder-api', 'nova'],
      ...['nova-api', 'object-store'],
    ].map((role) => `control/${role}`);
    const ends = ['storage/ceph-rgw', 'storage/rbd', 'storage/rgw-keystone', 'cells/cell1'];
    const settled = ['cinder-scheduler', 'cinder-volume', 'cinder-api'].map((role) => `settle/${role}`);
    const all = [...order, ...ends, ...settled, 'finish/cinder'];
    expect(ids.filter((id) => all.includes(id))).toEqual(all);
  });

  it('it gets there; a service of volumes that does not answer stops it until it does', async () => {
    const fault = { host: 'ctl1', step: 'cinder-volume/health: checks', kind: 'fail' } as const;
    const deployer = new Deployer(new Fleet({ journey: whole, before: running, faults: [fault] }));
    expect(await deployer.run()).toMatchObject({ kind: 'paused' });
    expect(deployer.facts).not.toContainEqual(expect.objectContaining({ type: 'stage-done', stage: 'control/cinder-volume' }));
    deployer.fleet.heal();
    expect(await deployer.run()).toEqual({ kind: 'finished' });
    arrived(deployer);
  });
});

it('whatever fails on the first host, it gets there, or pauses with the flags given back and gets there', async () => {
  expect(await everyFault(fleetOf, (host) => host === 'sto1')).toBeGreaterThan(60);
});
