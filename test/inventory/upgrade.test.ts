import { describe, expect, it } from 'vitest';
import { policyOf, runOf } from '../../src/inventory/upgrade.ts';
import { readInventory } from '../../src/inventory/read.ts';
import { inventoryOf } from '../plan/clouds.ts';

const hosts = `  ctl[1-3]: {address: 10.77.0.11, kind: controller}
  cmp1: {address: 10.77.0.21, kind: compute, cell: cell1}
  cmp2: {address: 10.77.0.22, kind: compute, cell: cell2}
`;

/** What is wrong with an inventory of these hosts, as `code line:column message`. */
function wrong(sections: string): string[] {
  const text = `cloud: {name: lab, release: "2025.1"}
networks: {management: {cidr: 10.0.0.0/8}}
${sections}
hosts:
${hosts}`;
  return readInventory('/lab/inventory.yaml', text).problems.map(
    ({ code, place, message }) => `${code} ${place!.line}:${place!.column} ${message}`,
  );
}

const cells = 'cells: {cell1: {}, cell2: {}}\n';

describe('how hosts are upgraded', () => {
  it('is careful where nothing is written', () => {
    const inventory = inventoryOf(hosts, cells);
    expect(policyOf(inventory, 'compute', 'cell1')).toEqual({
      canary: 1,
      wave: '10%',
      maxUnavailable: '10%',
      failures: 0,
      pause: {},
      drain: 'none',
      gates: [],
      hooks: { beforeWave: [], afterWave: [] },
    });
    for (const kind of ['controller', 'storage'] as const) {
      expect(policyOf(inventory, kind)).toMatchObject({ canary: 0, wave: 1, maxUnavailable: 1, failures: 0 });
    }
    expect(runOf(inventory)).toEqual({ cells: ['cell1', 'cell2'], failures: 0, otherCells: 'wait' });
  });

  it('is what the cell says, else the kind, else the cloud', () => {
    const inventory = inventoryOf(
      hosts,
      `upgrade: {wave: 5, max_unavailable: 20%, failures: 2, drain: wait, pause: {canary: ask, wave: 2m}, cells: [cell2], all_failures: 5%, other_cells: go-on}
kinds: {compute: {upgrade: {wave: 7, drain: live-migrate}}}
cells: {cell1: {}, cell2: {upgrade: {wave: 9, pause: {wave: 1h}, gates: [{run: probe, on: ctl1, within: 5m}], hooks: {after_wave: [{run: tell}]}}}}
`,
    );
    expect(policyOf(inventory, 'compute', 'cell1')).toMatchObject({
      wave: 7,
      drain: 'live-migrate',
      failures: 2,
      pause: { canary: 'ask', wave: 120 },
    });
    expect(policyOf(inventory, 'compute', 'cell2')).toMatchObject({
      wave: 9,
      maxUnavailable: '20%',
      drain: 'live-migrate',
      pause: { canary: 'ask', wave: 3600 },
      gates: [{ run: 'probe', on: 'ctl1', within: 300 }],
      hooks: { beforeWave: [], afterWave: [{ run: 'tell', on: 'deployer', within: 60 }] },
    });
    expect(policyOf(inventory, 'controller')).toMatchObject({ wave: 1, maxUnavailable: 1, failures: 0, pause: {}, drain: 'none' });
    expect(runOf(inventory)).toEqual({ cells: ['cell2', 'cell1'], failures: '5%', otherCells: 'go-on' });
  });
});

describe('what is refused', () => {
  it.each<[string, string, string[]]>([
    [
      'a share of nothing',
      `upgrade: {wave: 0%}\n${cells}`,
      ['bad-value 3:17 upgrade.wave is "0%"; it must be a share of the hosts, such as 10%'],
    ],
    [
      'more than all',
      `upgrade: {max_unavailable: 101%}\n${cells}`,
      ['bad-value 3:28 upgrade.max_unavailable is "101%"; it must be a share of the hosts, such as 10%'],
    ],
    ['a wave of nobody', `upgrade: {wave: 0}\n${cells}`, ['bad-value 3:17 upgrade.wave is 0; it must be at least 1']],
    [
      'a pause that is no time',
      `upgrade: {pause: {wave: soon}}\n${cells}`,
      ['bad-value 3:25 upgrade.pause.wave is "soon"; it must be ask, or a time such as 90s, 10m or 2h'],
    ],
    ['a cell that is not there', `upgrade: {cells: [cell2, cel1]}\n${cells}`, ['unknown-cell 3:26 There is no cell cel1']],
    ['a canary that is not there', `upgrade: {canary: [cmp3]}\n${cells}`, ['unknown-host 3:20 There is no host cmp3']],
    [
      'a canary of another cell',
      'cells: {cell1: {upgrade: {canary: [cmp2]}}, cell2: {}}',
      ['upgrade-canary 3:36 cmp2 is not a compute host of cell1'],
    ],
    [
      'a canary of another kind',
      `kinds: {compute: {upgrade: {canary: [ctl1]}}}\n${cells}`,
      ['upgrade-canary 3:38 ctl1 is not a compute host'],
    ],
    ['a gate on a host that is not there', `upgrade: {gates: [{run: x, on: ctl4}]}\n${cells}`, ['unknown-host 3:32 There is no host ctl4']],
    [
      'no quorum',
      `kinds: {controller: {upgrade: {max_unavailable: 67%}}}\n${cells}`,
      ['no-quorum 3:49 With 2 of 3 controller hosts out of service there is no quorum'],
    ],
    [
      'the run’s budget in a cell',
      'cells: {cell1: {upgrade: {all_failures: 1}}, cell2: {}}',
      ['unknown-key 3:27 cells.cell1.upgrade has no key "all_failures"'],
    ],
  ])('%s', (_, sections, problems) => {
    expect(wrong(sections)).toEqual(problems);
  });
});
