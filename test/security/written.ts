// Files of a host as the roles write them, on a machine that has no more of a cloud than the service under attack.
import { reveal, type Text } from '../../src/base/secret.ts';
import type { Inventory } from '../../src/inventory/types.ts';
import { stepsByHost } from '../../src/plan/plan.ts';
import { readRoles } from '../../src/roles/role.ts';
import type { Machine } from '../machines.ts';
import { planOf } from '../plan/clouds.ts';

/** Writes those of `paths` that a role writes on `host`, with their modes, for root; throws when one of them is nobody's. */
export async function write(machine: Machine, inventory: Inventory, host: string, paths: readonly string[]): Promise<void> {
  const steps = stepsByHost(planOf(inventory, readRoles('roles').roles)).get(host)!;
  for (const path of paths) {
    const file = steps.find(({ stepType, params }) => stepType === 'file' && params['path'] === path);
    if (!file) throw new Error(`no role writes ${path} on ${host}`);
    const { content, mode } = file.params as { content: Text; mode: string };
    const script = `mkdir -p "$(dirname '${path}')" && cat >'${path}' <<'END'\n${reveal(content)}\nEND\nchmod ${mode} '${path}'`;
    const { code, err } = await machine.exec(script);
    if (code !== 0) throw new Error(err);
  }
}
