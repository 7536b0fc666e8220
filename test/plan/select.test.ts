import { describe, expect, it } from 'vitest';
import { Invalid } from '../../src/base/problem.ts';
import { select } from '../../src/plan/select.ts';
import { inventoryOf, planOf, rolesOf, waits } from './clouds.ts';

const roles = rolesOf({
  base: { on: ['controller', 'compute'], scope: 'host' },
  db: { needs: ['base'], steps: [{ package: 'db' }, { directory: '/db' }] },
  nova: { on: ['compute'], needs: ['base', 'db'], steps: [{ package: 'nova' }, { directory: '/nova' }] },
  web: { needs: ['base'] },
  // Named like a host and like a cell.
  east: { needs: ['base'] },
});
const hosts = `  ctl1: {address: 10.77.0.11, kind: controller}
  east: {address: 10.77.0.21, kind: compute, cell: east}
  cmp2: {address: 10.77.0.22, kind: compute, cell: west}
  gone: {address: 10.77.0.29, kind: compute, cell: west, state: absent}
`;
const plan = planOf(inventoryOf(hosts, 'cells: {east: {}, west: {}}\n'), roles);

/** The nodes that a selector itself means: those that nothing else selected needs. */
function meant(selector: string): string[] {
  const chosen = select(plan, selector);
  return [...chosen].filter((id) => ![...chosen].some((other) => waits(plan, other, id))).toSorted();
}

describe('a selector', () => {
  it.each([
    ['host:ctl1', ['ctl1/db/health', 'ctl1/east/health', 'ctl1/web/health']],
    ['ctl1', ['ctl1/db/health', 'ctl1/east/health', 'ctl1/web/health']],
    ['role:nova', ['nova ready']],
    ['nova', ['nova ready']],
    ['role:east', ['east ready']],
    ['host:east', ['east/nova/health']],
    ['cell:east', ['east/nova/health']],
    ['west', ['cmp2/nova/health']],
    ['kind:compute', ['cmp2/nova/health', 'east/nova/health']],
    ['controller', ['ctl1/db/health', 'ctl1/east/health', 'ctl1/web/health']],
    ['role:web,cmp2', ['cmp2/nova/health', 'web ready']],
    [' role:web , role:db ', ['db ready', 'web ready']],
    ['role:web,role:web', ['web ready']],
    ['host:gone', []],
  ])('%s', (selector, expected) => {
    expect(meant(selector)).toEqual(expected);
  });

  it.each(['host:ctl1', 'role:nova', 'cell:west', 'kind:compute', 'role:web,cmp2'])(
    '%s takes along all that it needs, and no more',
    (selector) => {
      const chosen = select(plan, selector);
      for (const id of chosen) for (const need of plan.graph.needs(id).keys()) expect(chosen.has(need), `${id} needs ${need}`).toBe(true);
      expect(chosen).toEqual(plan.graph.closure(meant(selector)));
      expect(chosen.size).toBeLessThan(plan.nodes.size);
      const part = plan.graph.only(chosen);
      expect(part.order()).toHaveLength(chosen.size);
    },
  );

  it('of a compute host goes over to the controller for the database, and leaves its other roles alone', () => {
    const chosen = select(plan, 'host:cmp2');
    expect(chosen.has('ctl1/db/directory /db')).toBe(true);
    expect(chosen.has('ctl1/packages')).toBe(true);
    expect(chosen.has('ctl1/web/directory /web')).toBe(false);
    expect([...chosen].some((id) => id.startsWith('east/'))).toBe(false);
  });
});

describe('a selector that is refused', () => {
  it.each([
    ['cmp1', 'Nothing in this cloud is called "cmp1"', 'Did you mean "cmp2"?'],
    ['host:nova', 'Nothing in this cloud is called "host:nova"', undefined],
    ['role:novva', 'Nothing in this cloud is called "role:novva"', 'Did you mean "nova"?'],
    ['cell:wst', 'Nothing in this cloud is called "cell:wst"', 'Did you mean "west"?'],
    ['kind:storage', 'Nothing in this cloud is called "kind:storage"', undefined],
    ['rack:5', '"rack:5" is no selector', 'Selectors are host:NAME, role:NAME, cell:NAME, kind:NAME, or a name alone.'],
    ['east', '"east" means host and role and cell', 'Say which: host:east or role:east or cell:east.'],
    ['', 'Nothing in this cloud is called ""', undefined],
    ['nova,', 'Nothing in this cloud is called ""', undefined],
    ['host:', 'Nothing in this cloud is called "host:"', undefined],
    ['host:ctl1:nova', 'Nothing in this cloud is called "host:ctl1:nova"', undefined],
    ['__proto__', 'Nothing in this cloud is called "__proto__"', undefined],
  ])('%j', (selector, message, hint) => {
    try {
      select(plan, selector);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(Invalid);
      const [problem, ...others] = (error as Invalid).problems;
      expect(others).toEqual([]);
      expect(problem).toMatchObject({ code: 'selector', message, ...(hint === undefined ? {} : { hint }) });
      expect(problem!.hint).toBeDefined();
    }
  });
});
