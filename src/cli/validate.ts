import { Invalid } from '../base/problem.ts';
import { loginSecrets, unsetSecrets } from '../inventory/login-secrets.ts';
import type { Inventory } from '../inventory/types.ts';
import { hostsOf, usualRoles } from '../plan/context.ts';
import type { Plan } from '../plan/plan.ts';
import { placeholders } from '../secrets/placeholders.ts';
import { count } from '../report/words.ts';
import { checkedModels, openCloud, placesOf, type Cloud } from './cloud.ts';
import { exits } from './exit.ts';
import { say } from './output.ts';
import type { Options } from './options.ts';

export async function validate(_args: readonly string[], options: Options): Promise<number> {
  const cloud = openCloud(options);
  await refuseUnset(cloud, options.inventory);
  const plan = checkedModels(cloud, placeholders());
  const roles = new Set([...plan.nodes.values()].flatMap((node) => (node.kind === 'ready' ? [node.role] : [])));
  say(options, `${options.inventory} is valid: ${count(cloud.inventory.hosts.length, 'host')}, ${count(roles.size, 'role')}.`);
  for (const line of conclusions(cloud.inventory, plan)) say(options, `  ${line}`);
  const left = usualRoles(cloud.roles).filter(
    (name) => !roles.has(name) && hostsOf(cloud.inventory, cloud.roles.get(name)!, cloud.roles).length > 0,
  );
  if (cloud.inventory.cloud.services && left.length > 0) say(options, `  Left out by cloud.services: ${left.join(', ')}.`);
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

/** What follows from an inventory without standing in it. */
function conclusions({ cloud, networks, hosts }: Inventory, plan: Plan): string[] {
  const storing = hosts.filter(({ state, kinds }) => state === 'present' && kinds.includes('storage'));
  const disks = storing.flatMap(({ disks: all }) => all.filter(({ state }) => state === 'present'));
  const where = storing.length === 0 ? '' : ` on ${count(storing.length, 'storage host')}, ${count(disks.length, 'disk')}`;
  const apis = [...new Set([...plan.apis.values()].map(({ host }) => host))];
  const tunnels = networks['data'] && hosts.some(({ addresses }) => addresses['data'] !== undefined) ? 'data' : 'management';
  return [
    `Storage: ${cloud.storage}${cloud.storage === 'file' ? '' : where}.`,
    `Networks of projects: over ${tunnels} (${networks[tunnels]!.cidr}).`,
    ...(apis.length > 0
      ? [`APIs: on ${apis.map((name) => `${name} (${hosts.find((host) => host.name === name)!.address})`).join(', ')}.`]
      : []),
  ];
}
