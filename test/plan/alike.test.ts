// Hosts that are alike share what their steps are. Here each plan is made a second time with hosts of which no two are alike,
// so that each is worked out by itself: it must be the same plan.
import { globSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Invalid } from '../../src/base/problem.ts';
import { reveal, Secret } from '../../src/base/secret.ts';
import type { Inventory } from '../../src/inventory/types.ts';
import { readInventory } from '../../src/inventory/read.ts';
import { expand, expandUpgrade } from '../../src/plan/expand.ts';
import type { Plan, PlanNode } from '../../src/plan/plan.ts';
import { readRoles, type Role } from '../../src/roles/role.ts';
import { inventoryOf, rolesOf, secretsOf } from './clouds.ts';

type Roles = ReadonlyMap<string, Role>;

/** The same inventory, but that every host has a param of its own, which no role knows. */
function apart(inventory: Inventory): Inventory {
  const hosts = inventory.hosts.map((host, i) => ({ ...host, params: { ...host.params, nobody: { nth: i } } }));
  return Object.create(Object.prototype, {
    ...Object.getOwnPropertyDescriptors(inventory),
    hosts: { value: hosts, enumerable: true },
  }) as Inventory;
}

function plain(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (part instanceof Secret ? `secret ${reveal(part)}` : part));
}

function written(node: PlanNode): string {
  if (node.kind === 'ready') return plain(node);
  const { kind, host, role, cell } = node;
  if (node.kind === 'health') return plain([kind, host, role, cell, node.checks.map(({ name, params, within }) => [name, params, within])]);
  const { step, stepType, name, section, irreversible, place, params, watches, gate } = node;
  const asked = gate && [gate.health.id, gate.checks.map((check) => [check.name, check.params])];
  return plain([kind, host, role, cell, step, stepType, name, section, irreversible, place.line, params, watches, asked]);
}

/** All that a plan says, a line a node, in the order in which it is walked. */
function told({ graph, nodes }: Plan): string[] {
  const edges = (id: string) => plain([[...graph.needs(id)], [...graph.firm(id)], graph.neededBy(id)]);
  return [...graph.ids(), ...graph.order().map((id) => `${id} ${edges(id)} ${written(nodes.get(id)!)}`)];
}

function both(inventory: Inventory, roles: Roles): { readonly deploy: readonly string[]; readonly upgrade: readonly string[] } {
  const { plan, roles: around } = expandUpgrade(inventory, roles, secretsOf());
  const sections = around.map((each) => plain([...each.around].map(([section, byHost]) => [section, [...byHost.values()]])));
  return { deploy: told(expand(inventory, roles, secretsOf())), upgrade: [...told(plan), ...sections] };
}

/** Compares, and tells how many nodes there were; none where there can be no plan: then it says the same of both. */
function compare(inventory: Inventory, roles: Roles): number {
  let problems: unknown;
  try {
    const { deploy, upgrade } = both(inventory, roles);
    expect(both(apart(inventory), roles)).toEqual({ deploy, upgrade });
    return deploy.length;
  } catch (error) {
    if (!(error instanceof Invalid)) throw error;
    problems = error.problems;
  }
  expect(() => both(apart(inventory), roles)).toThrow(expect.objectContaining({ problems }) as Error);
  return 0;
}

describe('hosts that are alike', () => {
  const { roles: shipped } = readRoles('roles');

  it.each(globSync(['inventories/*.yaml', 'examples/*.yaml', 'examples/*/inventory.yaml']).filter((file) => !file.includes('production')))(
    '%s: each host by itself has the same steps',
    (file) => {
      const { inventory } = readInventory(file);
      const { roles } = readRoles('roles', ...inventory!.roles);
      expect(compare(inventory!, roles)).toBeGreaterThan(0);
    },
  );

  it('so in any cloud', () => {
    const some =
      (name: string, address: number, kind: string, more = '') =>
      (count: number) =>
        count === 0 ? '' : `  ${name}[1-${count}]: {address: 10.0.0.${address}, kind: ${kind}${more}}\n`;
    const counts = fc.record({
      ctl: fc.constantFrom(1, 3),
      net: fc.constantFrom(0, 2),
      cell: fc.constantFrom(0, 3),
      sto: fc.constantFrom(0, 2, 4),
      east: fc.integer({ min: 1, max: 4 }),
      west: fc.integer({ min: 1, max: 4 }),
      gone: fc.constantFrom(0, 2),
      zone: fc.constantFrom('', ', zone: a'),
      storage: fc.constantFrom('ceph', 'file', 'swift'),
    });
    const property = fc.property(counts, ({ ctl, net, cell, sto, east, west, gone, zone, storage }) => {
      const hosts = [
        some('ctl', 10, 'controller')(ctl),
        some('net', 20, 'network')(net),
        some('cell', 30, 'cell', ', cell: east')(cell),
        some('sto', 40, 'storage', ', disks: [/dev/vdb, {device: /dev/vdc, state: absent}]')(sto),
        some('east', 50, 'compute', `, cell: east${zone}`)(east),
        some('west', 60, '[compute, storage]', ', cell: west, addresses: {data: 192.168.0.60}, disks: [/dev/vdb]')(west),
        some('gone', 70, 'compute', ', cell: west, state: absent')(gone),
      ].join('');
      const inventory = inventoryOf(hosts, 'cells: {east: {}, west: {}}\n', `, storage: ${storage}`);
      // One that is none is drawn anew.
      fc.pre(compare(inventory, shipped) > 0);
    });
    fc.assert(property, { numRuns: 10 });
  });

  const all = ['controller', 'compute'];
  it.each([
    ['its name', { steps: [{ file: '/etc/{{host.name}}' }] }],
    ['its name inside a block', { steps: [{ file: '/etc/{{#with host}}{{name}}{{/with}}' }] }],
    ['an address', { steps: [{ file: '/etc/{{host.addresses.storage}}' }] }],
    ['its address as a role on it shows it', { needs: ['near'], steps: [{ file: '/etc/{{near.address}}' }] }],
    [
      'a list that is empty on others',
      { os: { debian: { lists: { cmp1: [], cmp2: [], cmp3: ['/b'] } } }, steps: [{ directory: '{{lookup os.lists host.name}}' }] },
    ],
    ['a name that makes it the second of its kind', { steps: [{ directory: '/{{host.name}}' }, { directory: '/cmp3' }] }],
  ])('differ in steps that are called after %s', (_, role) => {
    const roles = rolesOf({ near: { on: all, scope: 'host' }, role: { on: ['compute'], ...role } });
    // The first host of a role is like no other.
    const hosts = '  ctl1: {address: 10.0.0.1, kind: controller}\n  cmp[1-3]: {address: 10.0.0.2, kind: compute}\n';
    const inventory = inventoryOf(hosts);
    expect(compare(inventory, roles)).toBeGreaterThan(0);
    const steps = (host: string) => [...expand(inventory, roles, secretsOf()).nodes.keys()].filter((id) => id.startsWith(`${host}/role/`));
    expect(steps('cmp3')).not.toEqual(steps('cmp2').map((id) => id.replace('cmp2/', 'cmp3/')));
  });
});
