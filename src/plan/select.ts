import { Invalid, nearest } from '../base/problem.ts';
import type { Plan } from './plan.ts';

const facets = ['host', 'role', 'cell', 'kind'] as const;
type Facet = (typeof facets)[number];

/**
 * The part of a plan that a selector means, with everything it needs: `keystone`, `host:ctl1`, `role:nova`, `cell:c1`,
 * `kind:compute`, several with commas between. Throws Invalid when a word means nothing or more than one thing.
 */
export function select(plan: Plan, selector: string): ReadonlySet<string> {
  const words = selector.split(',').map((word) => word.trim());
  const names = namesOf(plan);
  const wanted = new Set<string>();
  for (const word of words) {
    const [facet, name] = meaning(word, names);
    const hosts = hostsOf(plan, facet, name);
    for (const [id, node] of plan.nodes) {
      const ofCell = facet === 'cell' && node.cell === name;
      const chosen = facet === 'role' ? node.role === name : ofCell || (node.kind !== 'ready' && hosts.has(node.host));
      if (chosen) wanted.add(id);
    }
  }
  return plan.graph.closure(wanted);
}

function namesOf(plan: Plan): ReadonlyMap<Facet, ReadonlySet<string>> {
  const roles = new Set([...plan.nodes.values()].filter((node) => node.kind === 'ready').map((node) => node.role));
  return new Map<Facet, ReadonlySet<string>>([
    ['host', new Set(plan.hosts.map((host) => host.name))],
    ['role', roles],
    ['cell', new Set(plan.hosts.flatMap((host) => host.cell ?? []))],
    ['kind', new Set(plan.hosts.flatMap((host) => host.kinds))],
  ]);
}

function meaning(word: string, names: ReadonlyMap<Facet, ReadonlySet<string>>): [Facet, string] {
  const colon = word.indexOf(':');
  const [before, after] = colon < 0 ? [word, undefined] : [word.slice(0, colon), word.slice(colon + 1)];
  const asked = after === undefined ? facets : facets.filter((facet) => facet === before);
  const name = after ?? before;
  const found = asked.filter((facet) => names.get(facet)!.has(name));
  if (found.length === 1) return [found[0]!, name];
  if (found.length > 1) {
    const ways = found.map((facet) => `${facet}:${name}`);
    throw refused(`"${word}" means ${found.join(' and ')}`, `Say which: ${ways.join(' or ')}.`);
  }
  if (asked.length === 0)
    throw refused(`"${word}" is no selector`, `Selectors are ${facets.map((facet) => `${facet}:NAME`).join(', ')}, or a name alone.`);
  const near = nearest(
    name,
    asked.flatMap((facet) => [...names.get(facet)!]),
  );
  throw refused(
    `Nothing in this cloud is called "${word}"`,
    near === undefined ? 'See `cellwise graph` for what there is.' : `Did you mean "${near}"?`,
  );
}

function hostsOf(plan: Plan, facet: Facet, name: string): ReadonlySet<string> {
  const fits = plan.hosts.filter((host) =>
    facet === 'host'
      ? host.name === name
      : facet === 'cell'
        ? host.cell === name
        : facet === 'kind' && (host.kinds as readonly string[]).includes(name),
  );
  return new Set(fits.map((host) => host.name));
}

function refused(message: string, hint: string): Invalid {
  return new Invalid([{ code: 'selector', message, hint }]);
}
