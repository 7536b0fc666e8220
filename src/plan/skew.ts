/**
 * What may be upgraded to what, and what may talk to what meanwhile: a table of rows, each with what it forbids. Pure: from
 * the versions that hosts report and those that they should have, to the rows that forbid the way between them.
 */

/** Software with versions of its own, and the package that tells them. */
const components = {
  keystone: 'python3-keystone',
  glance: 'python3-glance',
  placement: 'python3-placement',
  neutron: 'python3-neutron',
  cinder: 'python3-cinder',
  nova: 'python3-nova',
  heat: 'python3-heat',
  rabbitmq: 'rabbitmq-server',
  mariadb: 'mariadb-server',
  ceph: 'ceph-base',
} as const;

export type Component = keyof typeof components;

/** By package that is asked for: the component whose version it tells. */
export const versionPackages: ReadonlyMap<string, Component> = new Map(
  Object.entries(components).map(([component, name]) => [name, component as Component]),
);

/** A component on a host: the version that runs there and the one to come, as its packages write them (`2:31.0.0-6`, `20.2*`). */
export interface Move {
  readonly component: Component;
  readonly host: string;
  readonly from: string;
  /** Left out: not known before its packages are looked up, or no other. */
  readonly to?: string | undefined;
  /** Runs machines: what the rows about computes are about. */
  readonly compute: boolean;
}

/** Something that a row forbids. */
export interface Refusal {
  readonly row: RowName;
  readonly message: string;
  readonly hint: string;
}

/** OpenStack releases in order. `slurp`: one may go from it to the next such release, past the one in between. */
const releases: readonly string[] = ['2023.1', '2023.2', '2024.1', '2024.2', '2025.1', '2025.2', '2026.1', '2026.2'];
const slurp = (index: number): boolean => index % 2 === 0;

/** The major version of each service in 2025.1; it grows by one with each release. */
const majors: Readonly<Partial<Record<Component, number>>> = {
  keystone: 27,
  glance: 30,
  placement: 13,
  neutron: 26,
  cinder: 26,
  nova: 31,
  heat: 24,
};
const anchor = releases.indexOf('2025.1');

const mariadbSeries: readonly string[] = ['10.5', '10.6', '10.11', '11.4', '11.8'];

/** What forbids a way. `explain` is what docs/upgrades.md says of it. */
export const rows = {
  'release-back': 'OpenStack databases know no way back: no host may run a later release than the one asked for.',
  'release-step': 'From a release one may go to the next one, or from a SLURP release (2024.1, 2025.1, 2026.1) to the next SLURP release.',
  'nova-computes': 'A conductor refuses to start while a compute service that is more than two releases older is registered.',
  'rabbitmq-back': 'RabbitMQ cannot be downgraded in place.',
  'rabbitmq-step': 'RabbitMQ 3 goes one minor version at a time, and only 3.13 goes to 4; feature flags are enabled before each step.',
  'mariadb-back': 'MariaDB cannot be downgraded in place.',
  'mariadb-step': 'A Galera cluster goes from one long-term series of MariaDB to the next (10.5, 10.6, 10.11, 11.4, 11.8).',
  'ceph-back': 'Ceph cannot be downgraded.',
  'ceph-step': 'Ceph goes over at most two major versions at once.',
} as const;

export type RowName = keyof typeof rows;

/** The release that a version of a component belongs to, by its index; undefined: none that the table knows. */
function releaseOf({ component }: Pick<Move, 'component'>, version: string): number | undefined {
  const base = majors[component];
  const major = numbersOf(version)?.[0];
  if (base === undefined || major === undefined) return undefined;
  const index = anchor + major - base;
  return index in releases ? index : undefined;
}

/** The OpenStack releases that hosts report, oldest first. */
export function reportedReleases(moves: readonly Move[]): string[] {
  const found = moves.flatMap((move) => releaseOf(move, move.from) ?? []);
  return [...new Set(found)].toSorted((a, b) => a - b).map((index) => releases[index]!);
}

/** The release from which one usually comes to another: the farthest that may go there at once. */
export function releaseBefore(release: string): string {
  const index = releases.indexOf(release);
  return releases[Math.max(0, index - (slurp(index) ? 2 : 1))] ?? release;
}

/** All rows that forbid bringing what hosts report to `release`, oldest rows first; empty: the way is open. */
export function skewRefusals(moves: readonly Move[], release: string, clustered: boolean): Refusal[] {
  const target = releases.indexOf(release);
  return [...openstack(moves, target), ...rabbitmq(moves), ...mariadb(moves, clustered), ...ceph(moves)];
}

function openstack(moves: readonly Move[], target: number): Refusal[] {
  const known = moves.flatMap((move) => {
    const at = releaseOf(move, move.from);
    return at === undefined ? [] : [{ ...move, at }];
  });
  const name = (index: number): string => releases[index] ?? String(index);
  // What a distribution takes into a release may be of a later one: it is what the roles ask for.
  const later = known.filter((move) => move.at > target && (move.to === undefined || (releaseOf(move, move.to) ?? -1) < move.at));
  const farther = known.filter(({ at }) => at < target && target - at > 1 && !(target - at === 2 && slurp(at) && slurp(target)));
  const tooOld = known.filter(({ component, compute, at }) => component === 'nova' && compute && target - at > 2);
  return [
    ...forbidden('release-back', later, (hosts, { at }) => [
      `${hosts} run ${name(at)}, and the inventory asks for ${name(target)}`,
      'Set cloud.release to what runs, or restore a backup',
    ]),
    ...forbidden('release-step', farther, (hosts, { at }) => [
      `${hosts} run ${name(at)}, which is too far from ${name(target)}`,
      `Go by way of ${name(at + (slurp(at) ? 2 : 1))} first`,
    ]),
    ...forbidden('nova-computes', tooOld, (hosts, { at }) => [
      `Conductors of ${name(target)} will not start beside computes of ${name(at)}: ${hosts}`,
      `Upgrade these computes to ${name(target - 2)} or later first`,
    ]),
  ];
}

function rabbitmq(moves: readonly Move[]): Refusal[] {
  const moved = steps(moves, 'rabbitmq');
  const wrong = moved.filter(({ a, b }) => !backwards(a, b) && !rabbitmqMay(a, b));
  return [
    ...back('rabbitmq-back', 'RabbitMQ', moved),
    ...forbidden('rabbitmq-step', wrong, (hosts, { a, from, to }) => [
      `RabbitMQ cannot go from ${from} to ${to} at once: ${hosts}`,
      `Go by way of 3.${Math.min(13, a[1] + 1)} first`,
    ]),
  ];
}

function rabbitmqMay(a: Version, b: Version): boolean {
  if (a[0] === b[0]) return a[0] > 3 || b[1] - a[1] <= 1;
  return a[0] === 3 && a[1] === 13 && b[0] === 4;
}

function mariadb(moves: readonly Move[], clustered: boolean): Refusal[] {
  const moved = steps(moves, 'mariadb');
  const series = ([major, minor]: Version): number => mariadbSeries.indexOf(`${major}.${minor}`);
  const far = moved.filter(({ a, b }) => clustered && series(a) >= 0 && series(b) - series(a) > 1);
  return [
    ...back('mariadb-back', 'MariaDB', moved),
    ...forbidden('mariadb-step', far, (hosts, { a, from, to }) => [
      `A cluster of MariaDB cannot go from ${from} to ${to} at once: ${hosts}`,
      `Go by way of ${mariadbSeries[series(a) + 1]!} first`,
    ]),
  ];
}

function ceph(moves: readonly Move[]): Refusal[] {
  const moved = steps(moves, 'ceph');
  return [
    ...back('ceph-back', 'Ceph', moved),
    ...forbidden(
      'ceph-step',
      moved.filter(({ a, b }) => b[0] - a[0] > 2),
      (hosts, { a, from, to }) => [`Ceph cannot go from ${from} to ${to} at once: ${hosts}`, `Go by way of Ceph ${a[0] + 2} first`],
    ),
  ];
}

type Version = readonly [major: number, minor: number];

interface Moved extends Move {
  readonly to: string;
  readonly a: Version;
  readonly b: Version;
}

/** The moves of a component whose versions are both known. */
function steps(moves: readonly Move[], component: Component): Moved[] {
  return moves.flatMap((move) => {
    if (move.component !== component || move.to === undefined) return [];
    const [a, b] = [numbersOf(move.from), numbersOf(move.to)];
    return a && b ? [{ ...move, to: move.to, a, b }] : [];
  });
}

/** Major and minor version; a Debian epoch is none of both. A minor that is left out (`20*`) is 0. */
function numbersOf(version: string): Version | undefined {
  const found = /^(?:\d+:)?(\d+)(?:\.(\d+))?/.exec(version);
  return found ? [Number(found[1]), Number(found[2] ?? 0)] : undefined;
}

/**
 * Whether a component would go to a later series of versions (1), to an earlier one (-1), or stay in its own (0). A series
 * is what databases, protocols and services of one release share; a text without numbers is of none.
 */
export function compareSeries(component: Component, from: string, to: string): number {
  const [a, b] = [numbersOf(from), numbersOf(to)];
  if (!a || !b) return 0;
  const minor = component === 'rabbitmq' || component === 'mariadb' ? b[1] - a[1] : 0;
  return Math.sign(b[0] - a[0] || minor);
}

function backwards(a: Version, b: Version): boolean {
  return b[0] < a[0] || (b[0] === a[0] && b[1] < a[1]);
}

function back(row: RowName, name: string, moved: readonly Moved[]): Refusal[] {
  const gone = moved.filter(({ a, b }) => backwards(a, b));
  return forbidden(row, gone, (hosts, { from, to }) => [
    `${name} would go back from ${from} to ${to}: ${hosts}`,
    'Ask for a later version',
  ]);
}

/** What a row says of the moves that it forbids; the first of them stands for all. */
function forbidden<M extends Move>(row: RowName, moves: readonly M[], say: (hosts: string, first: M) => [string, string]): Refusal[] {
  const hosts = [...new Set(moves.map(({ host }) => host))];
  const shown = hosts.slice(0, 5).join(', ') + (hosts.length > 5 ? ` and ${hosts.length - 5} more` : '');
  return moves.slice(0, 1).map((first) => {
    const [message, hint] = say(shown, first);
    return { row, message, hint };
  });
}

/**
 * The order in which roles of the control plane are upgraded. Of two that it names it decides, whatever they need when a
 * cloud is made: databases are there, and what is answered by the release before is answered. Needs decide the rest.
 */
const controlOrder = [
  'base',
  'package-cache',
  'mariadb',
  'rabbitmq',
  'memcached',
  'ceph-client',
  'ceph-node',
  'ceph-mon',
  'ceph-mgr',
  'ceph-osd',
  'ceph-rgw',
  'rbd',
  'keystone',
  'glance',
  'placement',
  'openvswitch',
  'neutron',
  'cinder',
  'cinder-scheduler',
  'cinder-volume',
  'cinder-backup',
  'cinder-api',
  'nova',
  'nova-conductor',
  'nova-scheduler',
  'nova-api',
  'heat',
  'horizon',
];

/** Whether that order decides between two roles. */
export function orders(a: string, b: string): boolean {
  return controlOrder.includes(a) && controlOrder.includes(b);
}

/** Where a role stands in that order; a role that it does not name comes behind the longest name that its own begins with. */
export function controlRank(role: string): number {
  const rank = controlOrder.findLastIndex((name) => role === name);
  if (rank >= 0) return rank;
  const near = controlOrder.map((name, i) => (role.startsWith(`${name}-`) ? i : -1));
  return Math.max(...near) >= 0 ? Math.max(...near) + 0.5 : controlOrder.length;
}
