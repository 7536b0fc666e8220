// The roles that come with Cellwise, upgraded on simulated hosts: their order, their leases, what they cannot take back.
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Role } from '../../src/roles/role.ts';
import { readRoles } from '../../src/roles/role.ts';
import { worksOf, type Journey } from '../../src/plan/journey.ts';
import { Deployer, fleetsOf, type CloudOptions } from './clouds.ts';
import { everyFault } from './every.ts';
import { arrived, lawful } from './laws.ts';

vi.setConfig({ testTimeout: 300_000 });

const finished = { kind: 'finished' };
let roles: ReadonlyMap<string, Role>;
let options: CloudOptions;

beforeAll(() => {
  const read = readRoles(join(import.meta.dirname, '../../roles'));
  expect(read.problems).toEqual([]);
  ({ roles } = read);
  options = { roles, computes: 26, cells: 1, others: 1, storage: false, sections: 'upgrade: {wave: 5, max_unavailable: 5}\n' };
});

/** Where a role stands in a journey: its stage among those of the control plane and the ends. */
function placeOf({ stages }: Journey, id: string): number {
  const place = stages.findIndex((stage) => stage.id === id);
  expect(place, `there is no stage ${id}`).toBeGreaterThanOrEqual(0);
  return place;
}

describe('the shipped roles', () => {
  it('come in the order of the projects', () => {
    const { journey } = fleetsOf(options)();
    expect(journey.disorder).toEqual([]);
    const order = [
      'control/base',
      'control/mariadb',
      'control/rabbitmq',
      'control/keystone',
      'control/glance',
      'control/placement',
      'control/neutron',
      'control/neutron-server',
      'control/neutron-l3-agent',
      'control/cinder',
      'control/cinder-scheduler',
      'control/cinder-api',
      'control/nova',
      'control/nova-conductor',
      'control/nova-scheduler',
      'control/nova-api',
      'control/heat',
      'control/horizon',
      'cells/cell1',
      'settle/nova-conductor',
      'settle/nova-api',
      'finish/keystone',
      'finish/nova',
    ];
    const places = order.map((id) => placeOf(journey, id));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    // Copies of all databases are there before anything is touched.
    const last = Math.max(...journey.stages.flatMap(({ id }, i) => (id.startsWith('backup/') ? [i] : [])));
    expect(last).toBeLessThan(placeOf(journey, 'control/base'));
    for (const name of ['mariadb', 'rabbitmq', 'keystone', 'glance', 'placement', 'neutron-server', 'cinder', 'nova', 'heat'])
      placeOf(journey, `backup/${name}`);
  });

  it('change databases of running services only by what is additive, and the rest at the end', () => {
    const { journey } = fleetsOf(options)();
    const grave = journey.stages.flatMap((stage) =>
      worksOf(stage)
        .flatMap(({ steps }) =>
          steps.filter((id) => {
            const node = journey.plan.nodes.get(id)!;
            return node.kind === 'step' && node.stepType === 'db-sync' && node.params['expand'] !== true;
          }),
        )
        .map((id) => `${stage.phase} ${id}`),
    );
    expect(grave.filter((each) => !each.startsWith('finish '))).toEqual([
      'control ctl1/neutron-server/db-sync neutron',
      'control ctl1/heat/db-sync heat',
    ]);
    expect(grave).toContain('finish ctl1/nova/contract: db-sync nova');
  });

  it('bring 27 hosts there; each compute host is disabled while its turn lasts, and given back', async () => {
    const deployer = new Deployer(fleetsOf(options)());
    expect(await deployer.run()).toEqual(finished);
    arrived(deployer);
    const taken = deployer.facts.flatMap((fact) => (fact.type === 'lease-taken' ? [fact.take] : []));
    expect(taken.length).toBe(26);
    expect(new Set(taken.map((take) => take.replace(/^[^/]*/, '')))).toEqual(new Set(['/nova-compute/drain: nova-service nova-compute']));
    // The whole control plane was there before the first of them was touched.
    const first = deployer.facts.findIndex((fact) => fact.type === 'lease-taken');
    expect(deployer.facts.findIndex((fact) => fact.type === 'stage-done' && fact.stage === 'control/nova-api')).toBeLessThan(first);
  });

  it('wait for machines, or move them, where the inventory says so', () => {
    const drains = (drain: string) => {
      const { journey } = fleetsOf({ ...options, sections: `upgrade: {drain: ${drain}}\n` })();
      const [work] = worksOf(journey.stages.find(({ id }) => id === 'cells/cell1')!);
      return work!.drain.map((id) => {
        const node = journey.plan.nodes.get(id)!;
        return node.kind === 'step' ? [node.stepType, node.params['by']].join(' ').trim() : id;
      });
    };
    expect(drains('none')).toEqual(['nova-service']);
    expect(drains('wait')).toEqual(['nova-service', 'nova-drain wait']);
    expect(drains('live-migrate')).toEqual(['nova-service', 'nova-drain live-migrate']);
  });

  it('that fail on a compute host give it back, and go on where they were', async () => {
    const deployer = new Deployer(
      fleetsOf({ ...options, computes: 8 })({ host: 'cell1-cmp1', step: 'service nova-compute', kind: 'fail' }),
    );
    expect(await deployer.run()).toMatchObject({ kind: 'paused', cause: 'failures' });
    lawful(deployer);
    deployer.fleet.heal();
    expect(await deployer.run()).toEqual(finished);
    arrived(deployer);
  });

  it('get there, or pause and get there, whatever fails on the controller or on a compute host', async () => {
    const fleets = fleetsOf({ ...options, computes: 3 });
    const tried = await everyFault(fleets, (host) => ['ctl1', 'cell1-cmp2'].includes(host));
    expect(tried).toBeGreaterThan(150);
  });

  describe('in two cells', () => {
    let two: CloudOptions;
    beforeAll(() => {
      two = { ...options, computes: 4, cells: 2, own: true };
    });

    it('upgrade what carries a cell with the cell, and its tables with those of the cloud', () => {
      const { journey } = fleetsOf(two)();
      expect(journey.disorder).toEqual([]);
      const order = [
        'backup/cell2/mariadb',
        'control/nova',
        'control/nova-api',
        'cells/cell1',
        'cells/cell2/mariadb',
        'cells/cell2/rabbitmq',
        'cells/cell2/nova-cell',
        'cells/cell2/nova-conductor',
        'cells/cell2/nova-novncproxy',
        'cells/cell2',
        'settle/nova-conductor',
        'settle/cell2/nova-conductor',
        'finish/nova',
        'finish/cell2/nova-cell',
      ];
      const places = order.map((id) => placeOf(journey, id));
      expect(places).toEqual(places.toSorted((a, b) => a - b));
      const stage = (id: string) => journey.stages[placeOf(journey, id)]!;
      const hosts = (id: string) => worksOf(stage(id)).map(({ host }) => host);
      expect(hosts('control/nova-conductor')).toEqual(['ctl1']);
      expect(hosts('cells/cell2/nova-conductor')).toEqual(['cell2-ctl1']);
      expect(worksOf(stage('control/nova')).flatMap(({ steps }) => steps)).toContain('ctl1/nova/expand: db-sync nova-cell2');
      // What the controllers do for several cells is done once.
      const all = journey.stages.flatMap((each) => worksOf(each).flatMap(({ steps }) => steps));
      expect(all.length).toBe(new Set(all).size);
    });

    it('get there, and a cell that fails holds up nobody else where the inventory says so', async () => {
      const deployer = new Deployer(
        fleetsOf({ ...two, sections: 'upgrade: {other_cells: go-on, cells: [cell2]}\n' })({
          host: 'cell2-ctl1',
          step: 'service nova-conductor',
          kind: 'fail',
        }),
      );
      expect(await deployer.run()).toMatchObject({ kind: 'paused' });
      lawful(deployer);
      expect(deployer.facts).toContainEqual(expect.objectContaining({ type: 'cell-failed', cell: 'cell2' }));
      expect(deployer.facts).toContainEqual(expect.objectContaining({ type: 'stage-done', stage: 'cells/cell1' }));
      deployer.fleet.heal();
      expect(await deployer.run()).toEqual(finished);
      arrived(deployer);
    });
  });
});
