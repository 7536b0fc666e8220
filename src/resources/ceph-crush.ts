import { askCeph, cephAnswers } from '../base/ceph.ts';
import { apartBy, commonRule, spreadObstacle, type CrushRule, type Holdings } from '../base/ceph-drain.ts';
import { sh, withTimeout, type Command } from '../base/command.ts';
import type { State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';

/** Which zone each host of a Ceph cluster is in, and how far apart copies are kept. */
export const cephCrush = defineResource({
  type: 'ceph-crush',
  summary:
    'Where the hosts of the Ceph cluster are: copies are kept in different zones where there are enough of them, else on different hosts. Nothing is done unless each host has a zone.',
  nameParam: 'hosts',
  scope: 'cluster',
  slow: true,
  identity: () => '',
  params: {
    type: 'object',
    required: ['hosts', 'copies'],
    additionalProperties: false,
    properties: {
      hosts: {
        type: 'array',
        description: 'The storage hosts.',
        items: {
          type: 'object',
          required: ['name', 'disks'],
          additionalProperties: false,
          properties: {
            name: { type: 'string', description: 'Its name.' },
            zone: { type: 'string', pattern: '^[A-Za-z0-9_.-]+$', description: 'Its zone.' },
            address: { type: 'string', description: 'Its address.' },
            disks: { type: 'array', items: { type: 'string' }, description: 'Its disks. A host without any does not count.' },
          },
        },
      },
      copies: { type: 'integer', minimum: 1, description: 'How many zones are enough.' },
    },
  },
  desired: (p): State => {
    const zones = zonesOf(p.hosts);
    if (zones.size === 0) return {};
    return {
      [apart]: new Set(zones.values()).size >= p.copies ? 'zone' : 'host',
      ...Object.fromEntries([...zones].map(([host, zone]) => [zoneOf + host, zone])),
    };
  },
  probe: (p) =>
    zonesOf(p.hosts).size === 0
      ? sh`echo nothing`
      : askCeph([
          { command: { prefix: 'osd crush dump' } },
          { command: { prefix: 'osd df', output_method: 'tree' }, to: 'mgr' },
          { command: { prefix: 'osd pool ls', detail: 'detail' } },
        ]),
  parse: (output, p): Found => {
    const zones = zonesOf(p.hosts);
    if (zones.size === 0) return {};
    const answers = cephAnswers(output);
    if ('unknown' in answers) return answers;
    const [crush, tree, pools] = answers.map(({ out }) => JSON.parse(out || 'null') as unknown);
    const { buckets, rules } = crush as Crush;
    const holdings: Holdings = { nodes: (tree as Holdings).nodes, pools: pools as Holdings['pools'] };
    const obstacle = new Set(zones.values()).size >= p.copies ? spreadObstacle(holdings, zones) : undefined;
    const now = [...zones.keys()].map((host): [string, string | null] => {
      const id = buckets.find(({ name }) => name === host)?.id;
      const zone = buckets.find(({ type_name: type, items }) => type === 'zone' && items.some((item) => item.id === id));
      return [zoneOf + host, zone ? zone.name.replace(prefix, '') : null];
    });
    return {
      [apart]: apartBy(rules) ?? null,
      ...Object.fromEntries(now),
      buckets: buckets.map(({ name }) => name),
      ...(obstacle === undefined ? {} : { obstacle }),
    };
  },
  refuse: (_p, change) => change.before?.['obstacle'] as string | undefined,
  // All of it at once: data moves to where it is to be, and only once.
  apply: (_p, change) => {
    const known = new Set(change.before?.['buckets'] as string[] | undefined);
    const edits = change.differences.flatMap(({ key, before, after }): Command[] => {
      const to = after as string;
      if (key === apart) {
        const remove = before === null ? [] : [sh`edit --remove-rule ${commonRule}`];
        return [...remove, sh`edit --create-replicated-rule ${commonRule} default ${to}`];
      }
      const [host, zone] = [key.slice(zoneOf.length), prefix + to];
      const add = known.has(zone) ? [] : [sh`edit --add-bucket ${zone} zone --loc root default`];
      known.add(zone);
      return [...add, known.has(host) ? sh`edit --move ${host} --loc zone ${zone}` : sh`edit --add-bucket ${host} host --loc zone ${zone}`];
    });
    return withTimeout(
      sh`
set -e
map=$(mktemp -d)
trap 'rm -rf -- "$map"' EXIT
edit() { crushtool -i "$map/old" "$@" -o "$map/new" >/dev/null && mv -- "$map/new" "$map/old"; }
try() {
  ${edits.reduce((all, one) => sh`${all} &&\n  ${one}`, sh`version=$(ceph osd getcrushmap -o "$map/old" 2>&1 | tail -n 1)`)} &&
  ceph osd setcrushmap "$version" -i "$map/old"
}
# It is refused when the map was changed meanwhile, as by an OSD that starts.
try || { sleep 3; try; }
# OSDs report what has to move every 5 seconds: until then all seems to be in its place.
sleep 8`,
      120,
    );
  },
});

const apart = 'copies apart by';
const zoneOf = 'zone of ';
/** Names of zones and hosts may be alike, and those in a map may not. */
const prefix = 'zone-';

interface Crush {
  readonly buckets: readonly {
    readonly id: number;
    readonly name: string;
    readonly type_name: string;
    readonly items: readonly { readonly id: number }[];
  }[];
  readonly rules: readonly CrushRule[];
}

/** By host: its zone. Empty where a host has none: its disks would never be used. */
function zonesOf(
  hosts: readonly { readonly name: string; readonly zone?: string; readonly disks: readonly string[] }[],
): ReadonlyMap<string, string> {
  const stores = hosts.filter(({ disks }) => disks.length > 0);
  const zones = stores.flatMap(({ name, zone }) => (zone === undefined ? [] : [[name, zone] as const]));
  return new Map(zones.length === stores.length ? zones : []);
}
