import { placeholders } from '../secrets/store.ts';
import { planOf, readCloud } from './cloud.ts';
import { exits } from './exit.ts';
import { openOutput } from './output.ts';
import type { Options } from './options.ts';

export async function validate(_args: readonly string[], options: Options): Promise<number> {
  const cloud = readCloud(options.inventory);
  const plan = planOf(cloud, placeholders());
  const output = openOutput(options, 'validate');
  output.say(`${options.inventory} is valid: ${plan.hosts.length} hosts, ${plan.apis.size} APIs, ${plan.graph.size} nodes in the graph.`);
  await output.end();
  return exits.done;
}
