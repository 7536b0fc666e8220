import { placeholders } from '../secrets/placeholders.ts';
import { count } from '../report/words.ts';
import { checkedModels, readCloud } from './cloud.ts';
import { exits } from './exit.ts';
import { say } from './output.ts';
import type { Options } from './options.ts';

export function validate(_args: readonly string[], options: Options): number {
  const cloud = readCloud(options);
  const plan = checkedModels(cloud, placeholders());
  const roles = new Set([...plan.nodes.values()].flatMap((node) => (node.kind === 'ready' ? [node.role] : []))).size;
  say(options, `${options.inventory} is valid: ${count(cloud.inventory.hosts.length, 'host')}, ${count(roles, 'role')}.`);
  return exits.done;
}
