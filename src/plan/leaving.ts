import { Secret } from '../base/secret.ts';
import type { Inventory } from '../inventory/types.ts';
import type { Role } from '../roles/role.ts';
import type { SecretOf } from './context.ts';
import { expand } from './expand.ts';
import { stepsByHost } from './plan.ts';

/**
 * By host that is to leave: the secrets that its roles put there, or signed certificates for it with, while it belonged to
 * the cloud. Whoever gets hold of the host has what these open, until they are rotated.
 */
export function secretsOfLeaving(
  inventory: Inventory,
  roles: ReadonlyMap<string, Role>,
  secretOf: SecretOf,
): ReadonlyMap<string, readonly string[]> {
  const leaving = inventory.hosts.filter(({ state }) => state === 'absent');
  if (leaving.length === 0) return new Map();
  const hosts = inventory.hosts.map((host) => ({ ...host, state: 'present' as const }));
  const before: Inventory = Object.defineProperty({ ...inventory, hosts }, 'document', { value: inventory.document });
  const names = new Set<string>();
  const plan = expand(before, roles, (name) => {
    names.add(name);
    return secretOf(name);
  });
  const steps = stepsByHost(plan);
  return new Map(
    leaving.map(({ name: host }) => {
      // What goes to an API does so from the deployer, and stays behind it.
      const shown = steps.get(host)!.flatMap(({ resource, params }) => (resource.via === 'shell' ? shownIn(params) : []));
      const known = [...names].filter((name) => shown.some((text) => text.includes(Secret.of(name, '').shown)));
      return [host, known.toSorted()];
    }),
  );
}

/** What people may see of the secrets in a step's params. */
function shownIn(value: unknown): string[] {
  if (value instanceof Secret) return [value.shown];
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(shownIn) : [];
}
