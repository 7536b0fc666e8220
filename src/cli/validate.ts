import { placeholders } from '../secrets/placeholders.ts';
import { count } from '../report/words.ts';
import { journeyIn, planOf, readCloud } from './cloud.ts';
import { exits } from './exit.ts';
import { say } from './output.ts';
import type { Options } from './options.ts';

export function validate(_args: readonly string[], options: Options): number {
  const cloud = readCloud(options.inventory);
  const secrets = placeholders();
  const plan = planOf(cloud, secrets);
  // What roles do around an upgrade is part of them, too.
  journeyIn(cloud, secrets);
  const nodes = [...plan.nodes.values()];
  const steps = nodes.filter((node) => node.kind === 'step').length;
  const roles = new Set(nodes.flatMap((node) => (node.kind === 'ready' ? [node.role] : [])));
  say(
    options,
    `${options.inventory} is valid: ${count(plan.hosts.length, 'host')}, ${count(roles.size, 'role')}, ${count(steps, 'step')}.`,
  );
  return exits.done;
}
