import { Invalid, type Problem } from '../base/problem.ts';
import type { Plan } from '../plan/plan.ts';
import { jumps } from '../plan/versions.ts';
import { isUnknown } from '../resources/define.ts';
import type { Told } from './tell.ts';

/**
 * Another release is come to by an upgrade, host by host. Throws Invalid where hosts run software that what is told would
 * take there all at once, as after an edit of cloud.release.
 */
export function refuseJump({ nodes, inventory }: Plan, told: Told): void {
  const fresh = freshHosts(nodes, told);
  const changes = [...told.forecasts].flatMap(([id, each]) => {
    const node = nodes.get(id)!;
    return node.kind === 'step' && each.kind === 'change' && !fresh.has(node.host) ? [{ step: node, change: each.change }] : [];
  });
  const problems = jumps(changes).map(({ hosts, component, from, to, back }): Problem => {
    const shown = hosts.slice(0, 5).join(', ') + (hosts.length > 5 ? ` and ${hosts.length - 5} more` : '');
    return {
      code: 'release-jump',
      message: `${component} is of version ${from} on ${shown}, and the release ${inventory.cloud.release} has ${to}`,
      hint: back
        ? 'Set cloud.release to what the hosts run: there is no way back.'
        : '`cellwise upgrade plan` shows the way there, `cellwise upgrade run` goes it. An apply would restart all hosts at once.',
    };
  });
  if (problems.length > 0) throw new Invalid(problems);
}

/** Hosts with services of which Cellwise has never started any: what is installed there is nobody's release yet. */
function freshHosts(nodes: Plan['nodes'], { found }: Told): ReadonlySet<string> {
  const started = new Map<string, boolean>();
  for (const [id, state] of found) {
    const node = nodes.get(id)!;
    if (node.kind !== 'step' || node.stepType !== 'service') continue;
    const loaded = state !== null && !isUnknown(state) && typeof state['loaded'] === 'string';
    started.set(node.host, (started.get(node.host) ?? false) || loaded);
  }
  return new Set([...started].flatMap(([host, any]) => (any ? [] : [host])));
}
