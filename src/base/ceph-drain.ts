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

/** KiB that are on some OSDs. */
export function dataOn({ nodes }: Holdings, osds: ReadonlySet<number>): number {
  return nodes.filter(({ id }) => osds.has(id)).reduce((sum, { kb_used: used = 0 }) => sum + used, 0);
}

/** Why the data on some OSDs has no other place in the cluster, with the figure; undefined: it has. */
export function drainObstacle(holdings: Holdings, leaving: ReadonlySet<number>): string | undefined {
  const hosts = holdings.nodes.filter(({ type }) => type === 'host');
  const stays = (id: number): boolean => !leaving.has(id) && holdings.nodes.some((node) => node.id === id && (node.reweight ?? 0) > 0);
  const left = hosts.filter(({ children = [] }) => children.some(stays));
  const widest = holdings.pools.toSorted((a, b) => b.size - a.size)[0];
  if (widest && widest.size > left.length) {
    return `the pool ${widest.pool_name} keeps ${widest.size} copies on as many hosts, and ${left.length} would be left`;
  }
  // With as many hosts as copies, each host holds one of each: what leaves a disk has to stay on its host.
  const groups =
    widest?.size === left.length ? left.map(({ children = [] }) => children) : [hosts.flatMap(({ children = [] }) => children)];
  for (const group of groups) {
    const moves = dataOn(holdings, new Set(group.filter((id) => leaving.has(id))));
    const others = holdings.nodes.filter(({ id }) => group.includes(id) && stays(id));
    const room = others.reduce((sum, { kb = 0, kb_used: used = 0 }) => sum + Math.max(0, kb * nearFull - used), 0);
    if (moves > room) return `${size(moves)} would have to go where there is room for ${size(room)}`;
  }
  return undefined;
}

/** KiB for people: 3.2 GiB. */
export function size(kib: number): string {
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = kib < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(kib) / 10));
  return `${(kib / 1024 ** power).toFixed(power > 1 ? 1 : 0)} ${units[power]!}`;
}
