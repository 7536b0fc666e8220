import { askCeph, cephAnswers, uuid5 } from '../base/ceph.ts';
import { apartBy, dataOn, drainObstacle, leavingDisk, size, type CrushRule, type Holdings } from '../base/ceph-drain.ts';
import { sh, withInput, withTimeout } from '../base/command.ts';
import type { State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';

/** Hosts and disks that leave a Ceph cluster: their data moves elsewhere first. */
export const cephDrain = defineResource({
  type: 'ceph-drain',
  summary: 'Hosts and disks that leave the Ceph cluster: their data is moved elsewhere, and only then are their OSDs removed.',
  nameParam: 'hosts',
  scope: 'cluster',
  slow: true,
  identity: () => '',
  params: {
    type: 'object',
    required: ['hosts', 'disks', 'fsid'],
    additionalProperties: false,
    properties: {
      hosts: { type: 'array', items: { type: 'string' }, description: 'Hosts that leave.' },
      disks: {
        type: 'array',
        description: 'Disks that leave hosts which stay.',
        items: leavingDisk,
      },
      fsid: { type: 'string', pattern: '^[0-9a-f-]{36}$', description: "The cluster's id." },
    },
  },
  desired: (p): State => Object.fromEntries([...p.hosts, ...p.disks.map(nameOf)].map((name) => [name, 'gone'])),
  // Nothing leaves: nothing to ask.
  probe: (p) =>
    p.hosts.length + p.disks.length === 0
      ? sh`echo nothing`
      : askCeph([
          { command: { prefix: 'osd df', output_method: 'tree' }, to: 'mgr' },
          { command: { prefix: 'osd pool ls', detail: 'detail' } },
          { command: { prefix: 'osd dump' } },
          { command: { prefix: 'osd metadata' } },
          { command: { prefix: 'osd crush rule dump' } },
        ]),
  parse: (output, p): Found => {
    if (p.hosts.length + p.disks.length === 0) return {};
    const answers = cephAnswers(output);
    if ('unknown' in answers) return answers;
    const [tree, pools, dump, metadata, rules] = answers.map(({ out }) => JSON.parse(out || 'null') as unknown);
    const apart = apartBy(rules as CrushRule[]) === 'zone' ? 'zone' : 'host';
    const holdings: Holdings = { nodes: (tree as Holdings).nodes, pools: pools as Holdings['pools'], apart };
    const osds = osdsOf(p, holdings, (dump as { osds: Osd[] }).osds, metadata as Metadata[]);
    const left = holdings.nodes.filter(({ type, name }) => type === 'host' && p.hosts.includes(name)).map(({ name }) => name);
    const all = new Set(Object.values(osds).flat());
    const obstacle = all.size === 0 ? undefined : drainObstacle(holdings, all);
    const told = Object.entries(osds).map(([name, ids]) => [
      name,
      ids.length > 0
        ? `${ids.map((id) => `osd.${id}`).join(' ')}, ${size(dataOn(holdings, new Set(ids)))}`
        : left.includes(name)
          ? 'empty'
          : 'gone',
    ]);
    return { ...(Object.fromEntries(told) as State), osds, ...(obstacle === undefined ? {} : { obstacle }) };
  },
  refuse: (_p, change) => change.before?.['obstacle'] as string | undefined,
  irreversible: () => true,
  apply: (p, change) => {
    const osds = change.before!['osds'] as Readonly<Record<string, readonly number[]>>;
    const leaving = change.differences.flatMap(({ key }) => osds[key] ?? []);
    const hosts = change.differences.map(({ key }) => key).filter((key) => p.hosts.includes(key));
    const daemons = hosts.flatMap((host) => [`mgr.${host}`, `client.rgw.${host}`]);
    return withTimeout(withInput(sh`python3 -c ${drain}`, JSON.stringify({ osds: leaving, hosts, daemons })), 14 * 86400);
  },
});

interface Osd {
  readonly osd: number;
  readonly uuid: string;
}
interface Metadata {
  readonly id: number;
  readonly hostname?: string;
  readonly bluestore_bdev_partition_path?: string;
}
interface Leaving {
  readonly hosts: readonly string[];
  readonly disks: readonly { readonly host: string; readonly device: string }[];
  readonly fsid: string;
}

function nameOf({ host, device }: { readonly host: string; readonly device: string }): string {
  return `${host} ${device}`;
}

/** The OSDs of each host and disk that leaves. A disk's is known by the id that it was made with, or by where it says it is. */
function osdsOf(p: Leaving, { nodes }: Holdings, osds: readonly Osd[], metadata: readonly Metadata[]): Record<string, number[]> {
  const onHosts = p.hosts.map((name) => [name, nodes.find((node) => node.type === 'host' && node.name === name)?.children ?? []] as const);
  const onDisks = p.disks.map((disk) => {
    const uuid = uuid5(p.fsid, `${disk.host}${disk.device}`);
    const made = osds.filter((osd) => osd.uuid === uuid).map(({ osd }) => osd);
    const said = metadata.filter((each) => each.hostname === disk.host && each.bluestore_bdev_partition_path === disk.device);
    return [nameOf(disk), [...new Set([...made, ...said.map(({ id }) => id)])]] as const;
  });
  return Object.fromEntries([...onHosts, ...onDisks].map(([name, ids]) => [name, [...ids]]));
}

// Each part looks before it acts, so it may be cut off anywhere and run again. An OSD is stopped once no data needs it,
// and its id is written down, so that its disk is known as free from then on.
const drain = `
import json, os, rados, sys, time
asked = json.load(sys.stdin)
cluster = rados.Rados(conffile='/etc/ceph/ceph.conf', name='client.admin', conf={'rados_mon_op_timeout': '60'})
cluster.connect(timeout=30)
def ask(send, prefix, **more):
    code, out, err = send(json.dumps({'prefix': prefix, 'format': 'json', **more}), b'')
    return code, out.decode() if code else json.loads(out or b'null'), err
def tell(prefix, send=cluster.mon_command, **more):
    code, _, err = ask(send, prefix, **more)
    if code:
        print('%s: %s' % (prefix, err), file=sys.stderr, flush=True)
        os._exit(1)
def osds():
    return {o['osd']: o for o in ask(cluster.mon_command, 'osd dump')[1]['osds']}
ids = [str(i) for i in asked['osds'] if i in osds()]
if ids:
    tell('osd out', ids=ids)
    while True:
        code, out, err = ask(cluster.mgr_command, 'osd safe-to-destroy', ids=ids)
        if not code and len(out.get('safe_to_destroy', [])) == len(ids):
            break
        pgs = ask(cluster.mgr_command, 'pg stat')[1]
        pgs = pgs.get('pg_summary', pgs)
        moving = sum(s['num'] for s in pgs.get('num_pg_by_state', []) if not s['name'].startswith('active+clean'))
        print('moving the data of %s: %d of %d placement groups are not in place yet' % (' '.join('osd.' + i for i in ids), moving, pgs.get('num_pgs', 0)), flush=True)
        time.sleep(2)
    for i in ids:
        tell('config-key set', key='cellwise/drained/' + osds()[int(i)]['uuid'], val=time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()))
    tell('osd stop', ids=ids)
    for i in ids:
        for _ in range(60):
            if not osds()[int(i)]['up']:
                break
            time.sleep(1)
        tell('osd purge', cluster.mgr_command, id=int(i), yes_i_really_mean_it=True)
for entity in asked['daemons']:
    tell('auth rm', entity=entity)
for host in asked['hosts']:
    if any(n['type'] == 'host' and n['name'] == host for n in ask(cluster.mon_command, 'osd tree')[1]['nodes']):
        tell('osd crush rm', name=host)
# Without clean-up: librados may abort while the interpreter takes itself apart.
os._exit(0)
`;
