import { sh, type Command } from '../base/command.ts';
import type { Plan, Step } from './plan.ts';
import type { Change } from '../base/state.ts';
import { compareSeries, versionPackages, type Component, type Move } from './skew.ts';

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

/** Software of which hosts have another series than their plan asks for. */
export interface Jump {
  readonly component: Component;
  readonly hosts: readonly string[];
  readonly from: string;
  readonly to: string;
  /** To an earlier series. */
  readonly back: boolean;
}

/** What changes would bring to another series, one jump for each component and pair of versions; new hosts have none yet. */
export function jumps(changes: Iterable<{ readonly step: Step; readonly change: Change }>): Jump[] {
  const found = new Map<string, Jump & { readonly hosts: string[] }>();
  for (const { step, change } of changes) {
    if (step.stepType !== 'package') continue;
    for (const { key, before, after } of change.differences) {
      const component = versionPackages.get(key);
      if (component === undefined || typeof before !== 'string' || typeof after !== 'string') continue;
      const [from, to] = [before, after].map((state) => state.replace(/, held$/, '')) as [string, string];
      const direction = compareSeries(component, from, to);
      if (direction === 0) continue;
      const jump = found.get(`${component} ${from} ${to}`) ?? { component, hosts: [], from, to, back: direction < 0 };
      found.set(`${component} ${from} ${to}`, jump);
      jump.hosts.push(step.host);
    }
  }
  return [...found.values()];
}
