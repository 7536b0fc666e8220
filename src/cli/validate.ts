import type { Inventory } from '../inventory/types.ts';
import { hostsOf, usualRoles } from '../plan/context.ts';
import type { Plan } from '../plan/plan.ts';
import { placeholders } from '../secrets/placeholders.ts';
import { count } from '../report/words.ts';
import { checkedModels, openCloud } from './cloud.ts';
import { exits } from './exit.ts';
import { say } from './output.ts';
import type { Options } from './options.ts';

export function validate(_args: readonly string[], options: Options): number {
  const cloud = openCloud(options);
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
