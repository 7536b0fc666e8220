import { Invalid } from '../base/problem.ts';
import { loginSecrets, unsetSecrets } from '../inventory/login-secrets.ts';
import { placeholders } from '../secrets/placeholders.ts';
import { count } from '../report/words.ts';
import { checkedModels, placesOf, readCloud, type Cloud } from './cloud.ts';
import { exits } from './exit.ts';
import { say } from './output.ts';
import type { Options } from './options.ts';

export async function validate(_args: readonly string[], options: Options): Promise<number> {
  const cloud = readCloud(options.inventory);
  await refuseUnset(cloud, options.inventory);
  const plan = checkedModels(cloud, placeholders());
  const roles = new Set([...plan.nodes.values()].flatMap((node) => (node.kind === 'ready' ? [node.role] : []))).size;
  say(options, `${options.inventory} is valid: ${count(cloud.inventory.hosts.length, 'host')}, ${count(roles, 'role')}.`);
  return exits.done;
}

/** Passwords that only people know, as far as that can be told: who may validate need not be able to open the secrets. */
async function refuseUnset({ inventory }: Cloud, file: string): Promise<void> {
  if (loginSecrets(inventory).length === 0) return;
  const { peekSecrets } = await import('../secrets/store.ts');
  const known = await peekSecrets(placesOf(file).secrets);
  const unset = known ? unsetSecrets(inventory, (name) => known.secrets.has(name)) : [];
  if (unset.length > 0) throw new Invalid(unset);
}
