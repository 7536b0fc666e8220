import { nearest, type Problem } from '../base/problem.ts';
import { faultsOf, prepareSchema, type Checker } from '../document/check.ts';
import type { Fault } from '../document/document.ts';
import { allLevels, paramLevels } from '../inventory/inventory.ts';
import type { Inventory } from '../inventory/types.ts';
import type { Role } from '../roles/role.ts';
import { hostsOf, wantedRoles } from './context.ts';

/** Checks the services that an inventory asks for: each is a role, and none that is removed is needed after all. */
export function checkServices(inventory: Inventory, roles: ReadonlyMap<string, Role>): Problem[] {
  const { services = [] } = inventory.cloud;
  const path = ['cloud', 'services'];
  const lists = 'add' in services || 'remove' in services ? services : { '': services as readonly string[] };
  const unknown = Object.entries(lists).flatMap(([key, names]) =>
    names.flatMap((name, i): Fault[] =>
      roles.has(name) ? [] : [{ ...unknownRole(name, [...path, ...(key === '' ? [] : [key]), i], roles), at: 'value' }],
    ),
  );
  const wanted = wantedRoles(inventory, roles);
  const kept = ('remove' in services ? (services.remove ?? []) : []).flatMap((name, i): Fault[] => {
    if (!wanted.some((role) => role.name === name)) return [];
    const by = wanted.find(({ needs }) => needs.includes(name));
    const message = `${name} cannot be removed: ${by ? `${by.name} needs it` : 'it is added as well'}`;
    return [{ code: 'service-needed', path: [...path, 'remove', i], message, hint: 'Leave it out here, or what needs it out of `add`' }];
  });
  return [...unknown, ...kept].map((fault) => inventory.document.problem(fault));
}

/**
 * Checks all role params of an inventory, at every level: names of roles and params, types, secrets in clear text; and
 * whether the hosts are there that params name or count, given or by default.
 */
export function checkParams(inventory: Inventory, roles: ReadonlyMap<string, Role>): Problem[] {
  const given = allLevels(inventory).flatMap(({ params, path }) =>
    Object.entries(params).flatMap(([name, of]) => {
      const role = roles.get(name);
      return role ? paramFaults(inventory, role, of, [...path, name]) : [unknownRole(name, [...path, name], roles)];
    }),
  );
  const counted = [...roles.values()].flatMap((role) => hostFaults(inventory, role));
  return [...given, ...counted, ...idleParams(inventory, roles)].map((fault) => inventory.document.problem(fault));
}

/** Params of a kind, cell or host that carries no such role. Those of the whole cloud are for whatever host will carry it. */
function idleParams(inventory: Inventory, roles: ReadonlyMap<string, Role>): Fault[] {
  const levels = allLevels(inventory).filter(({ path }) => path.length > 1);
  if (levels.length === 0) return [];
  const present = inventory.hosts.filter(({ state }) => state === 'present');
  const concerned = Map.groupBy(
    present.flatMap((host) => paramLevels(inventory, host).map(({ path }) => ({ level: path.join('\n'), host }))),
    ({ level }) => level,
  );
  return levels.flatMap(({ level, params, path }) => {
    const hosts = (concerned.get(path.join('\n')) ?? []).map(({ host }) => host);
    return Object.keys(params).flatMap((name): Fault[] => {
      const role = roles.get(name);
      if (!role || hosts.length === 0) return [];
      const carriers = new Set(hostsOf(inventory, role, roles));
      if (hosts.some((host) => carriers.has(host))) return [];
      const who = path[0] === 'hosts' ? `the ${level} does not carry` : `no host of the ${level} carries`;
      const message = `These params have no effect: ${who} the role ${name}`;
      return [{ code: 'no-effect', severity: 'warning', path: [...path, name], at: 'key', message, hint: carriedBy(role) }];
    });
  });
}

function carriedBy({ name, on }: Role): string {
  return `Hosts of kind ${on.join(' or ')} may carry ${name}`;
}

function hostFaults(inventory: Inventory, role: Role): Fault[] {
  return Object.entries(role.params).flatMap(([param, { hostsOf: kind, default: preset, minimum }]) => {
    if (kind === undefined) return [];
    const hosts = inventory.hosts.filter(({ state, kinds }) => state === 'present' && kinds.some((each) => each === kind));
    const names = hosts.map(({ name }) => name);
    const levels = allLevels(inventory).filter(({ params }) => params[role.name]?.[param] !== undefined);
    const tooFew = (said: string, asked: number, path: Fault['path']): Fault => ({
      code: 'too-few-hosts',
      path,
      message: `${said}, which takes ${asked} hosts of kind ${kind}; there ${names.length === 1 ? 'is 1' : `are ${names.length}`}`,
      hint: `Add hosts of kind ${kind}${(minimum ?? 0) > names.length ? `: it must be ${minimum} at least` : `, or write \`params: {${role.name}: {${param}: ${names.length}}}\``}`,
    });
    const used = names.length > 0 && (role.storage === undefined || role.storage === inventory.cloud.storage);
    if (levels.length === 0 && used && typeof preset === 'number' && preset > names.length) {
      return [{ ...tooFew(`${role.name}.${param} is ${preset} by default`, preset, ['hosts']), at: 'key' as const }];
    }
    return levels.flatMap(({ params, path }) => {
      const value = params[role.name]![param];
      const at = [...path, role.name, param];
      const many = Array.isArray(value) ? value.length : value;
      return [
        ...(Array.isArray(value) ? value.flatMap((name, i) => unknownHost(String(name), names, kind, [...at, i])) : []),
        ...(typeof value === 'number' && value > names.length ? [tooFew(`${role.name}.${param} is ${value}`, value, at)] : []),
        ...(role.hosts === 'quorum' && param === 'hosts' && typeof many === 'number' && many % 2 === 0 ? [even(many, at)] : []),
      ];
    });
  });
}

function unknownHost(name: string, names: readonly string[], kind: string, path: Fault['path']): Fault[] {
  if (names.includes(name)) return [];
  const near = nearest(name, names);
  const hint = near === undefined ? `Hosts of kind ${kind} are ${names.join(', ')}.` : `Did you mean "${near}"?`;
  return [{ code: 'unknown-host', path, message: `${name} is not a host of kind ${kind}`, hint }];
}

function even(number: number, path: Fault['path']): Fault {
  const message = `${number} of them survive no more failures than ${Math.max(1, number - 1)} would`;
  return { code: 'no-quorum', path, message, hint: 'Use an odd number: 1, 3 or 5' };
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
