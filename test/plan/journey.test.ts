import { describe, expect, it } from 'vitest';
import { fleetOf, linesOf } from '../fleet/clouds.ts';

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
});
