import { describe, expect, it } from 'vitest';
import { journeyOf, worksOf } from '../../src/plan/journey.ts';
import { expandModels, expandUpgrade } from '../../src/plan/expand.ts';
import { fleetOf, linesOf, written } from '../fleet/clouds.ts';
import { inventoryOf, rolesOf, secretsOf } from './clouds.ts';

describe('a journey', () => {
  it('goes over backups, the control plane role by role, storage, the cells, and what ends it', () => {
    expect(linesOf(fleetOf({ computes: 6 }).journey)).toEqual([
      'backup/keystone: ctl1',
      ...['control/base', 'control/keystone', 'control/glance', 'control/placement', 'control/nova-conductor'].flatMap((stage) => [
        `${stage} canary: ctl1`,
        `${stage}: ctl2`,
        `${stage}: ctl3`,
      ]),
      ...['storage/base', 'storage/ceph-osd'].flatMap((stage) => [`${stage} canary: sto1`, `${stage}: sto2`, `${stage}: sto3`]),
      ...['cell1', 'cell2'].flatMap((cell) => [
        `cells/${cell} canary: ${cell}-cmp1`,
        `cells/${cell}: ${cell}-cmp2`,
        `cells/${cell}: ${cell}-cmp3`,
      ]),
      'finish/keystone: ctl1',
      'finish/nova-compute: cell1-cmp1',
    ]);
  });

  it('comes to every step of every host once, wherever it belongs', () => {
    for (const hosts of [
      '  one: {address: 10.0.0.1, kind: [controller, compute, storage]}\n',
      '  ctl1: {address: 10.0.0.1, kind: [controller, compute]}\n  cmp[1-3]: {address: 10.0.0.2, kind: compute}\n  sto1: {address: 10.0.0.9, kind: storage}\n',
    ]) {
      const inventory = inventoryOf(hosts);
      const roles = rolesOf(written);
      const { stages, disorder } = journeyOf(inventory, roles, secretsOf());
      const gone = stages.flatMap((stage) => [
        ...stage.before,
        ...stage.after,
        ...stage.leases.flatMap(({ take, give }) => [take, give]),
        ...worksOf(stage).flatMap((work) => [...work.gate, ...work.drain, ...work.steps, ...work.health, ...work.restore]),
      ]);
      const all = [...expandUpgrade(inventory, roles, secretsOf()).plan.nodes.values()].flatMap((node) =>
        node.kind === 'ready' || ('id' in node && node.id.includes('preflight')) ? [] : [node.kind === 'step' ? node.step : node.id],
      );
      expect(gone.toSorted()).toEqual(all.toSorted());
      expect(disorder).toEqual([]);
    }
  });

  it('is checked beside the apply, and what is the same in both is worked out once', () => {
    const inventory = inventoryOf('  ctl1: {address: 10.0.0.1, kind: controller}\n  cmp[1-3]: {address: 10.0.0.2, kind: compute}\n');
    const { deploy, upgrade } = expandModels(inventory, rolesOf(written), secretsOf());
    expect(upgrade.nodes.size).toBeGreaterThan(deploy.nodes.size);
    const params = [...deploy.nodes].flatMap(([id, node]) => {
      const other = upgrade.nodes.get(id);
      // A service has the digest of what it watches besides, and packages are put together.
      return node.kind === 'step' && other?.kind === 'step' && !['service', 'package'].includes(node.stepType)
        ? [[node.params, other.params] as const]
        : [];
    });
    expect(params.length).toBeGreaterThan(0);
    for (const [own, others] of params) expect(own).toBe(others);
  });

  it('of one machine for everything keeps the order: control plane, storage, machines', () => {
    const journey = journeyOf(
      inventoryOf('  one: {address: 10.0.0.1, kind: [controller, compute, storage]}\n'),
      rolesOf(written),
      secretsOf(),
    );
    expect(journey.stages.map(({ id }) => id)).toEqual([
      'backup/keystone',
      'control/base',
      'control/keystone',
      'control/glance',
      'control/placement',
      'control/nova-conductor',
      'storage/ceph-osd',
      'cells/cell1',
      'finish/keystone',
      'finish/nova-compute',
    ]);
  });

  it('lets the table of the control plane decide between roles that it names, whatever they need of each other', () => {
    const role = (needs: readonly string[]) => ({ on: ['controller'], needs, steps: [{ directory: '/x', once: true }] });
    const roles = rolesOf({ 'nova-api': role([]), 'nova-conductor': role(['nova-api']), nova: role([]), other: role(['nova-conductor']) });
    const { stages } = journeyOf(inventoryOf('  ctl1: {address: 10.0.0.1, kind: controller}\n'), roles, secretsOf());
    expect(stages.map(({ id }) => id)).toEqual(['control/nova', 'control/nova-conductor', 'control/nova-api', 'control/other']);
  });

  it('settles on each host before anything is contracted', () => {
    const upgrade = {
      settle: [{ command: 'restart', creates: '/settled' }],
      contract: [{ command: 'contract', creates: '/contracted' }],
    };
    const roles = rolesOf({ nova: { on: ['controller'], steps: [{ directory: '/x' }], upgrade } });
    const { stages } = journeyOf(inventoryOf('  ctl[1-3]: {address: 10.0.0.1, kind: controller}\n'), roles, secretsOf());
    const last = stages.slice(-2).map(
      (stage) =>
        `${stage.id}: ${worksOf(stage)
          .map(({ host }) => host)
          .join(' ')}`,
    );
    expect(last).toEqual(['settle/nova: ctl1 ctl2 ctl3', 'finish/nova: ctl1']);
  });

  it('says what would be done before something that it waits for', () => {
    // What nova-compute does once is done on its first host, which is in the cell that comes last.
    const roles = rolesOf({
      agent: { on: ['compute'], steps: [{ directory: '/once', once: true }, { directory: '/each' }] },
    });
    const hosts =
      '  ctl1: {address: 10.0.0.1, kind: controller}\n  a1: {address: 10.0.0.2, kind: compute, cell: a}\n  b1: {address: 10.0.0.3, kind: compute, cell: b}\n';
    const order = (cells: string) =>
      journeyOf(inventoryOf(hosts, `cells: {a: {}, b: {}}\nupgrade: {cells: [${cells}]}\n`), roles, secretsOf()).disorder;
    expect(order('a, b')).toEqual([]);
    expect(order('b, a')).toEqual(['b1/agent/directory /each would be done before a1/agent/directory /once, which it waits for']);
  });
});
