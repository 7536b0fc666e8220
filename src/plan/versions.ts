import { sh, type Command } from '../base/command.ts';
import type { Plan } from './plan.ts';
import { versionPackages, type Move } from './skew.ts';

/** Asks a host for the versions of the packages that tell which release it runs. */
export const versionsProbe: Command = sh`dpkg-query -W -f '\${db:Status-Status} \${Package} \${Version}\n' -- ${[...versionPackages.keys()]} 2>/dev/null | sed -n 's/^installed //p'`;

export function versionsAsked(command: Command): boolean {
  return command.script === versionsProbe.script;
}

/** What hosts report, by host, set against what their plan asks for. */
export function movesOf(plan: Plan, reports: ReadonlyMap<string, string>): Move[] {
  const wanted = wantedVersions(plan);
  return plan.hosts.flatMap(({ name: host, kinds }) =>
    (reports.get(host) ?? '').split('\n').flatMap((line) => {
      const [name = '', from = ''] = line.split(' ');
      const component = versionPackages.get(name);
      if (component === undefined) return [];
      return [{ component, host, from, to: wanted.get(`${host} ${name}`), compute: kinds.includes('compute') }];
    }),
  );
}

/** By `HOST PACKAGE`: the version that roles ask for. */
function wantedVersions({ nodes }: Plan): ReadonlyMap<string, string> {
  const wanted = new Map<string, string>();
  for (const node of nodes.values()) {
    if (node.kind !== 'step' || node.stepType !== 'package') continue;
    for (const word of [node.params['names']].flat() as string[]) {
      const [name = '', version] = word.split('=');
      if (version !== undefined) wanted.set(`${node.host} ${name}`, version);
    }
  }
  return wanted;
}
