/** One OSD as `ceph osd df tree` tells it; sizes in KiB. */
interface OsdNode {
  readonly id: number;
  readonly type: string;
  readonly name: string;
  readonly children?: readonly number[];
  readonly kb?: number;
  readonly kb_used?: number;
  readonly reweight?: number;
}

/** What is known of a cluster's data and where it is. */
export interface Holdings {
  readonly nodes: readonly OsdNode[];
  readonly pools: readonly { readonly pool_name: string; readonly size: number }[];
  /** What copies are kept apart by; hosts when left out. */
  readonly apart?: 'host' | 'zone';
}

// Ceph warns when an OSD is this full, and at 0.95 it stops all writing.
const nearFull = 0.85;

/** A disk that leaves, as params of a step. */
export const leavingDisk = {
  type: 'object',
  required: ['host', 'device'],
  additionalProperties: false,
  properties: {
    host: { type: 'string', description: 'Its host.' },
    device: { type: 'string', pattern: '^/dev/', description: 'The disk.' },
  },
} as const;

/** KiB that are on some OSDs. */
export function dataOn({ nodes }: Holdings, osds: ReadonlySet<number>): number {
  return nodes.filter(({ id }) => osds.has(id)).reduce((sum, { kb_used: used = 0 }) => sum + used, 0);
}

/** Why the data on some OSDs has no other place in the cluster, with the figure; undefined: it has. */
export function drainObstacle(holdings: Holdings, leaving: ReadonlySet<number>): string | undefined {
  // What is out already moves whatever is said here, and a part of it is counted in both places.
  const inside = new Map(holdings.nodes.filter(({ reweight = 0 }) => reweight > 0).map((node) => [node.id, node]));
  const { nodes, apart = 'host' } = holdings;
  const hosts = nodes
    .filter(({ type }) => type === apart)
    .map(({ name, children = [] }) => ({ name, osds: osdsBelow(nodes, children).filter((id) => inside.has(id)) }));
  const left = hosts.filter(({ osds }) => osds.some((id) => !leaving.has(id)));
  const widest = widestOf(holdings);
  if (widest && widest.size > left.length) {
    return `the pool ${widest.pool_name} keeps ${widest.size} copies ${apart === 'zone' ? 'in' : 'on'} as many ${apart}s, and ${left.length} would be left`;
  }
  const used = (osds: readonly number[]): number => dataOn(holdings, new Set(osds));
  const all = hosts.flatMap(({ osds }) => osds);
  // With as many hosts (or zones) as copies, each holds one of each: all of it has to fit on each, and what leaves a disk stays on its host.
  const groups =
    widest?.size === left.length
      ? left.map(({ name, osds }) => ({
          where: `to ${name}, `,
          osds,
          holds: left.length < hosts.length ? Math.max(used(all) / left.length, used(osds)) : used(osds),
        }))
      : [{ where: '', osds: all, holds: used(all) }];
  for (const { where, osds, holds } of groups) {
    const stay = osds.filter((id) => !leaving.has(id));
    const moves = holds - used(stay);
    const room = stay.reduce((sum, id) => sum + Math.max(0, inside.get(id)!.kb! * nearFull - inside.get(id)!.kb_used!), 0);
    if (moves > room) return `${size(moves)} would have to go ${where}where there is room for ${size(room)}`;
  }
  return undefined;
}

/** Why copies cannot be kept in different zones, with the figure; undefined: they can. `zones`: by host, for all that count. */
export function spreadObstacle(holdings: Holdings, zones: ReadonlyMap<string, string>): string | undefined {
  const { nodes } = holdings;
  const hosts = nodes.filter(({ type, name }) => type === 'host' && zones.has(name));
  const osds = Map.groupBy(hosts, ({ name }) => zones.get(name)!);
  const names = [...new Set(zones.values())];
  const widest = widestOf(holdings);
  if (widest && widest.size > names.length)
    return `the pool ${widest.pool_name} keeps ${widest.size} copies, and there are ${names.length} zones`;
  if (widest?.size !== names.length) return undefined;
  // Each zone holds one of each then, whatever its size.
  const holds = nodes.reduce((sum, { type, kb_used: used = 0 }) => (type === 'osd' ? sum + used : sum), 0) / names.length;
  for (const name of names) {
    const here = new Set((osds.get(name) ?? []).flatMap(({ children = [] }) => children));
    const room = nodes.reduce((sum, { id, kb = 0 }) => (here.has(id) ? sum + kb * nearFull : sum), 0);
    if (holds > room) return `a copy of all data, ${size(holds)}, would have to be in the zone ${name}, which has room for ${size(room)}`;
  }
  return undefined;
}

function osdsBelow(nodes: readonly OsdNode[], ids: readonly number[]): number[] {
  return ids.flatMap((id) => (id >= 0 ? [id] : osdsBelow(nodes, nodes.find((node) => node.id === id)?.children ?? [])));
}

function widestOf({ pools }: Holdings): Holdings['pools'][number] | undefined {
  return pools.toSorted((a, b) => b.size - a.size)[0];
}

/** What a rule of Ceph's keeps copies apart by: the type of bucket that it chooses. */
export function apartBy(rules: readonly CrushRule[]): string | undefined {
  const steps = rules.find(({ rule_name: name }) => name === commonRule)?.steps;
  return steps?.find(({ type }) => type !== undefined)?.type;
}

/** The one that Ceph gives to pools. */
export const commonRule = 'replicated_rule';

export interface CrushRule {
  readonly rule_name: string;
  readonly steps: readonly { readonly type?: string }[];
}

/** KiB for people: 3.2 GiB. */
export function size(kib: number): string {
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = kib < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(kib) / 10));
  return `${(kib / 1024 ** power).toFixed(power > 1 ? 1 : 0)} ${units[power]!}`;
}
