// Small clouds for tests: hosts and roles in a few lines, expanded.
import { reveal, Secret } from '../../src/base/secret.ts';
import type { Inventory } from '../../src/inventory/types.ts';
import { readInventory } from '../../src/inventory/read.ts';
import { check } from '../../src/plan/check.ts';
import { expand } from '../../src/plan/expand.ts';
import type { Plan, Step } from '../../src/plan/plan.ts';
import { readRoles, type Role } from '../../src/roles/role.ts';
import { writeRoles, type WrittenRole } from '../roles/directories.ts';

/** One controller, two compute hosts. */
export const small = `  ctl1: {address: 10.77.0.11, kind: controller}
  cmp[1-2]: {address: 10.77.0.21, kind: compute}
`;

/** An inventory of these hosts; `more` is other sections of it, `cloud` more of its first. */
export function inventoryOf(hosts: string, more = '', cloud = ''): Inventory {
  const text = `cloud: {name: lab, release: "2025.1"${cloud}}
networks: {management: {cidr: 10.0.0.0/8}, data: {cidr: 192.168.0.0/16}, provider: {cidr: 172.16.0.0/16}}
${more}hosts:
${hosts}`;
  // Files of tests are wherever they are.
  const { inventory, problems } = readInventory('/lab/inventory.yaml', text, ['/']);
  if (!inventory) throw new Error(JSON.stringify(problems, null, 2));
  return inventory;
}

export function rolesOf(roles: Readonly<Record<string, WrittenRole>>): ReadonlyMap<string, Role> {
  const read = readRoles(writeRoles(roles));
  if (read.problems.length > 0) throw new Error(JSON.stringify(read.problems, null, 2));
  return read.roles;
}

/** Secrets whose values are told, or else made of their names. */
export function secretsOf(values: Readonly<Record<string, string>> = {}): (name: string) => Secret {
  return (name) => Secret.of(name, values[name] ?? `value of ${name}`);
}

export function planOf(inventory: Inventory, roles: ReadonlyMap<string, Role>, secretOf = secretsOf()): Plan {
  return expand(inventory, roles, secretOf);
}

/** A plan of some roles on the small cloud. */
export function planned(roles: Readonly<Record<string, WrittenRole>>, hosts = small, more = ''): Plan {
  return planOf(inventoryOf(hosts, more), rolesOf(roles));
}

export function step(plan: Plan, id: string): Step {
  const node = plan.nodes.get(id);
  if (node?.kind !== 'step') throw new Error(`${id} is no step; there are ${[...plan.nodes.keys()].join(', ')}`);
  return node;
}

/** What a node waits for, as `need: why`. */
export function needs(plan: Plan, id: string): string[] {
  return [...plan.graph.needs(id)].map(([need, why]) => `${need}: ${why}`);
}

/** All that a check of the plan says, as `code line:column`. */
export function complaints(plan: Plan): string[] {
  return check(plan).map(({ code, place }) => (place ? `${code} ${place.line}:${place.column}` : code));
}

/** Whether `id` waits for `need`, directly or not. */
export function waits(plan: Plan, id: string, need: string): boolean {
  return id !== need && plan.graph.closure([id]).has(need);
}

/** By step: all that is wanted of it as JSON, secrets in the clear. */
export function wantedOf({ nodes }: Plan): ReadonlyMap<string, string> {
  return new Map([...nodes].flatMap(([id, node]) => (node.kind === 'step' ? [[id, JSON.stringify(clear(node.params))] as const] : [])));
}

function clear(value: unknown): unknown {
  if (value instanceof Secret) return reveal(value);
  if (Array.isArray(value)) return value.map(clear);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, clear(each)]));
}
