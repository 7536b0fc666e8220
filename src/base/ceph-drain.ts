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
  const hosts = holdings.nodes
    .filter(({ type }) => type === 'host')
    .map(({ name, children = [] }) => ({ name, osds: children.filter((id) => inside.has(id)) }));
  const left = hosts.filter(({ osds }) => osds.some((id) => !leaving.has(id)));
  const widest = holdings.pools.toSorted((a, b) => b.size - a.size)[0];
  if (widest && widest.size > left.length) {
    return `the pool ${widest.pool_name} keeps ${widest.size} copies on as many hosts, and ${left.length} would be left`;
  }
  const used = (osds: readonly number[]): number => dataOn(holdings, new Set(osds));
  const all = hosts.flatMap(({ osds }) => osds);
  // With as many hosts as copies, each host holds one of each: all of it has to fit on each, and what leaves a disk stays on its host.
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

/** KiB for people: 3.2 GiB. */
export function size(kib: number): string {
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = kib < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(kib) / 10));
  return `${(kib / 1024 ** power).toFixed(power > 1 ? 1 : 0)} ${units[power]!}`;
}
