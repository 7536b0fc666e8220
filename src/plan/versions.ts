import { sh, type Command } from '../base/command.ts';
import { isUnknown, type AnyParams, type Found } from '../resources/define.ts';
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

/** What a look at the hosts' packages found, set against what the plan asks for: programs that would be replaced by others. */
export function replacedIn(plan: Plan, found: ReadonlyMap<string, Found>): Move[] {
  const kinds = new Map(plan.hosts.map((host) => [host.name, host.kinds]));
  return [...plan.nodes.values()].flatMap((node) => {
    const is = node.kind === 'step' && node.stepType === 'package' ? found.get(node.step) : undefined;
    if (node.kind !== 'step' || !is || isUnknown(is)) return [];
    return versioned(node.params).flatMap(([name, to]): Move[] => {
      const [component, from] = [versionPackages.get(name), is[name]];
      if (component === undefined || typeof from !== 'string' || from === to) return [];
      return [{ component, host: node.host, from, to, compute: kinds.get(node.host)?.includes('compute') === true }];
    });
  });
}

/** By `HOST PACKAGE`: the version that roles ask for. */
function wantedVersions({ nodes }: Plan): ReadonlyMap<string, string> {
  const wanted = new Map<string, string>();
  for (const node of nodes.values()) {
    if (node.kind !== 'step' || node.stepType !== 'package') continue;
    for (const [name, version] of versioned(node.params)) wanted.set(`${node.host} ${name}`, version);
  }
  return wanted;
}

/** Packages that a step asks a version for, each with that. */
function versioned(params: AnyParams): [name: string, version: string][] {
  return ([params['names']].flat() as string[]).flatMap((word) => {
    const [name = '', version] = word.split('=');
    return version === undefined ? [] : [[name, version]];
  });
}
