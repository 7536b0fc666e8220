import { sh, type Command } from '../base/command.ts';
import { lastLines } from '../base/printable.ts';
import type { PlannedTrial, Step } from '../plan/plan.ts';
import type { Work } from './work.ts';

/** Lines of a service, and services with something to say. */
const most = { lines: 3, services: 6 };

/**
 * What the services that may be at fault for a failure said last, each line with host and unit before it: errors and warnings
 * since `start` (milliseconds since 1970) where there are any.
 */
export async function lastWords(work: Work, { host, role, trial }: PlannedTrial, start: number): Promise<readonly string[]> {
  const asked = [role, ...trial.suspects].flatMap((name) => servicesOf(work, name, host));
  const heard = await Promise.all(
    asked.map(async ({ host: on, unit }) => {
      const output = await work.on(on, (shell) => shell.run(saying(unit, Math.floor(start / 1000))));
      const lines = output ? lastLines(output, most.lines).filter(Boolean) : [];
      return lines.map((line) => `${on} ${unit}: ${line.slice(0, 400)}`);
    }),
  );
  return heard
    .filter((lines) => lines.length > 0)
    .slice(0, most.services)
    .flat();
}

/** A role's services: those on the host in question, or else on all that it is on. */
function servicesOf(work: Work, role: string, host: string): { readonly host: string; readonly unit: string }[] {
  const all = [...work.plan.nodes.values()].filter(
    (node): node is Step => node.kind === 'step' && node.role === role && node.stepType === 'service',
  );
  const here = all.filter((step) => step.host === host);
  return (here.length > 0 ? here : all).filter((step) => work.isUp(step.host)).map((step) => ({ host: step.host, unit: step.name }));
}

// Services of OpenStack write to files that are called like their units, in local time, and the journal has what they say
// before they know their configuration. A trace's last line tells; those above it do not.
function saying(unit: string, since: number): Command {
  return sh`unit=${unit} since=${since}
from=$(date -d "@$since" '+%F %T')
{ journalctl -q --no-pager -o short-iso -u "$unit" --since "@$since" 2>/dev/null | cut -d ' ' -f 1,3-
  for log in /var/log/*/"$unit".log /var/log/"$unit"/error.log; do [ -f "$log" ] && tail -n 2000 "$log" | awk -v from="$from" '$0 >= from'; done
} | grep -E ' (ERROR|CRITICAL|WARNING) |[Ee]rror|[Ff]ailed|Traceback' | tail -n ${most.lines}
true`;
}
