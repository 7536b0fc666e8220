import { nearest, type Problem } from '../base/problem.ts';
import { faultsOf, prepareSchema, type Checker } from '../document/check.ts';
import type { Fault } from '../document/document.ts';
import { allLevels } from '../inventory/inventory.ts';
import type { Inventory } from '../inventory/types.ts';
import type { Role } from '../roles/role.ts';

/** Checks the services that an inventory asks for: each is a role. */
export function checkServices(inventory: Inventory, roles: ReadonlyMap<string, Role>): Problem[] {
  return (inventory.cloud.services ?? []).flatMap((name, i) =>
    roles.has(name) ? [] : [inventory.document.problem({ ...unknownRole(name, ['cloud', 'services', i], roles), at: 'value' })],
  );
}

/** Checks all role params of an inventory, at every level: names of roles and params, types, secrets in clear text. */
export function checkParams(inventory: Inventory, roles: ReadonlyMap<string, Role>): Problem[] {
  return allLevels(inventory).flatMap(({ params, path }) =>
    Object.entries(params).flatMap(([name, given]) => {
      const role = roles.get(name);
      const faults = role ? paramFaults(inventory, role, given, [...path, name]) : [unknownRole(name, [...path, name], roles)];
      return faults.map((fault) => inventory.document.problem(fault));
    }),
  );
}

function unknownRole(name: string, path: Fault['path'], roles: ReadonlyMap<string, Role>): Fault {
  const near = nearest(name, roles.keys());
  const hint = near === undefined ? `Roles are ${[...roles.keys()].toSorted().join(', ')}.` : `Did you mean "${near}"?`;
  return { code: 'unknown-role', path, at: 'key', message: `There is no role "${name}"`, hint };
}

function paramFaults(inventory: Inventory, role: Role, given: Readonly<Record<string, unknown>>, path: Fault['path']): Fault[] {
  const clear = Object.entries(given).filter(([name, value]) => role.params[name]?.format === 'secret' && typeof value === 'string');
  const rest = Object.fromEntries(Object.entries(given).filter(([name]) => !clear.some(([secret]) => secret === name)));
  return [
    ...clear.map(([name]): Fault => ({
      code: 'secret-in-clear',
      path: [...path, name],
      message: `${role.name}.${name} is a secret, and it stands here in clear text`,
      hint: `Leave it out and one is made, or write {secret: NAME}; \`cellwise secrets\` keeps the value.`,
    })),
    ...faultsOf(checkerOf(role), inventory.document, path, rest),
  ];
}

const checkers = new WeakMap<Role, Checker>();

/** A role's params as an inventory may give them: none is required, and a secret is given by its name. */
function checkerOf(role: Role): Checker {
  let checker = checkers.get(role);
  if (!checker) {
    const byName = { type: 'object', required: ['secret'], additionalProperties: false, properties: { secret: { type: 'string' } } };
    const properties = Object.fromEntries(
      Object.entries(role.params).map(([name, schema]) => [
        name,
        schema.format === 'secret' ? { ...byName, description: schema.description } : schema,
      ]),
    );
    checkers.set(role, (checker = prepareSchema({ type: 'object', additionalProperties: false, properties })));
  }
  return checker;
}
