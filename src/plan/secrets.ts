import { Secret } from '../base/secret.ts';
import { loginSecrets } from '../inventory/login-secrets.ts';
import type { Host, Inventory } from '../inventory/types.ts';
import type { ParamSchema, Role } from '../roles/role.ts';
import { groupsOf, resolveParams, wantedRoles } from './context.ts';
import { withResources } from './resources.ts';

/** What a secret is used for. */
export interface SecretUse {
  /** Roles; `ssh` for what logs in to hosts, `resources` for users of the cloud, `cellwise` for its own. */
  readonly by: ReadonlySet<string>;
  /** What its params say of it. */
  readonly params: readonly ParamSchema[];
}

/** Every secret that an inventory needs, by its name. */
export function secretUses(inventory: Inventory, roles: ReadonlyMap<string, Role>): ReadonlyMap<string, SecretUse> {
  const uses = new Map<string, { by: Set<string>; params: Set<ParamSchema> }>();
  const use = (name: string, by: string, schema?: ParamSchema): void => {
    const known = uses.get(name) ?? { by: new Set(), params: new Set() };
    known.by.add(by);
    if (schema) known.params.add(schema);
    uses.set(name, known);
  };
  const names = new Map<unknown, string>();
  const named = (name: string): Secret => {
    // Without a value: it would be hidden wherever it stands.
    const secret = Secret.of(name, '');
    names.set(secret, name);
    return secret;
  };
  const wanted = withResources(inventory, wantedRoles(inventory, roles), (name) => {
    use(name, 'resources');
    return named(name);
  });
  for (const role of wanted) {
    for (const { hosts, cell } of groupsOf(inventory, role, roles)) {
      for (const host of distinct(hosts)) {
        for (const [param, { value }] of Object.entries(resolveParams(inventory, role, host, named, cell))) {
          if (names.has(value)) use(names.get(value)!, role.name, role.params[param]);
        }
      }
    }
  }
  for (const { name } of loginSecrets(inventory)) use(name, 'ssh');
  use('cloud.fingerprint_key', 'cellwise');
  return new Map([...uses].map(([name, { by, params }]) => [name, { by, params: [...params] }]));
}

/** Hosts of a fleet have their params from the same levels: one stands for all. */
function distinct(hosts: readonly Host[]): Iterable<Host> {
  const levels = ({ name, params, kinds, cell = '' }: Host): string => (Object.keys(params).length > 0 ? name : `${kinds.join()} ${cell}`);
  return new Map(hosts.map((host) => [levels(host), host])).values();
}
