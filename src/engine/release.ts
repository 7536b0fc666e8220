import { Invalid, type Problem } from '../base/problem.ts';
import type { Plan } from '../plan/plan.ts';
import { jumps } from '../plan/versions.ts';
import type { Told } from './tell.ts';

/**
 * Another release is come to by an upgrade, host by host. Throws Invalid where hosts run software that what is told would
 * take there all at once, as after an edit of cloud.release.
 */
export function refuseJump({ nodes, inventory }: Plan, { forecasts }: Told): void {
  const changes = [...forecasts].flatMap(([id, told]) => {
    const node = nodes.get(id)!;
    return node.kind === 'step' && told.kind === 'change' ? [{ step: node, change: told.change }] : [];
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
