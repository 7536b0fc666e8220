import { cephxKey } from '../base/ceph.ts';
import { sh, withInput, withTimeout } from '../base/command.ts';
import { text } from '../base/secret.ts';
import type { State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';
import { putDirectory, putFile, removeTree } from './put.ts';

const directory = '/var/lib/ceph/mon/ceph-';

/**
 * The store of a Ceph monitor. The first monitors of a cluster begin it; later ones, and one whose store was lost, get all
 * from the others.
 */
export const cephMon = defineResource({
  type: 'ceph-mon',
  summary: 'The store of a Ceph monitor: made for a new cluster, or to join the one that there is.',
  nameParam: 'id',
  params: {
    type: 'object',
    required: ['id', 'fsid', 'monitors', 'key', 'admin_key'],
    additionalProperties: false,
    properties: {
      id: { type: 'string', pattern: '^[A-Za-z0-9._-]+$', description: "The monitor's name: that of its host." },
      fsid: { type: 'string', pattern: '^[0-9a-f-]{36}$', description: "The cluster's id." },
      monitors: {
        type: 'array',
        minItems: 1,
        description: 'All monitors, this one among them.',
        items: {
          type: 'object',
          required: ['name', 'address'],
          additionalProperties: false,
          properties: {
            name: { type: 'string', pattern: '^[A-Za-z0-9._-]+$', description: 'Its name.' },
            address: { type: 'string', format: 'ipv4', description: 'Where it listens, on ports 3300 and 6789.' },
          },
        },
      },
      disks: {
        type: 'array',
        items: { type: 'string' },
        default: [],
        description: 'Disks of this host: if one holds data of the cluster, no new one is begun here.',
      },
      key: { type: 'string', format: 'secret', description: 'What the key that monitors know each other by is made from.' },
      admin_key: { type: 'string', format: 'secret', description: "What the administrator's first key is made from." },
    },
  },
  desired: (p): State => ({ cluster: p.fsid, key: 'current' }),
  // The id of the cluster is in the store's own files, and nowhere where a shell could read it: the deployer's mark says it.
  probe: (p) =>
    withInput(
      sh`
cd -- ${directory + p.id} 2>/dev/null || exit 0
[ -e kv_backend ] && [ -e store.db/CURRENT ] || exit 0
dd if=cellwise.fsid iflag=nofollow,nonblock status=none 2>/dev/null || printf unknown
read -r wanted
while read -r name is value; do [ "$name $is $value" != "key = $wanted" ] || printf ' current'; done <keyring`,
      text`${cephxKey(p.key, 'mon.')}\n`,
    ),
  parse: (output): Found => {
    const [cluster = '', key = 'other'] = output.out.toString().split(' ');
    return cluster === '' ? null : { cluster, key };
  },
  refuse: (p, change) => {
    if (change.before === null) return undefined;
    const cluster = change.before['cluster'] as string;
    return cluster === p.fsid
      ? `the key that monitors know each other by cannot be changed while they run: give the secret its old value`
      : `the monitor ${p.id} is of another cluster (${cluster}; this one is ${p.fsid}). If nothing of that is needed, remove ${directory}${p.id}`;
  },
  apply: (p) => {
    const keyring = text`[mon.]
\tkey = ${cephxKey(p.key, 'mon.')}
\tcaps mon = "allow *"
[client.admin]
\tkey = ${cephxKey(p.admin_key, 'client.admin')}
\tcaps mds = "allow *"
\tcaps mgr = "allow *"
\tcaps mon = "allow *"
\tcaps osd = "allow *"
`;
    const all = p.monitors.flatMap(({ name, address }) => ['--addv', name, `[v2:${address}:3300,v1:${address}:6789]`]);
    const others = p.monitors.filter(({ name }) => name !== p.id).map(({ name }) => name);
    return withTimeout(
      withInput(
        sh`
set -e
umask 077
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
cat >"$work/keyring"
monmaptool --create --fsid ${p.fsid} --enable-all-features ${all} "$work/first" >/dev/null
timeout 110 python3 -c ${findQuorum} "$work" ${others}
if [ ! -e "$work/monmap" ]; then
  for disk in ${p.disks}; do
    case $(ceph-bluestore-tool show-label --dev "$disk" 2>/dev/null) in *${p.fsid}*)
      echo "$disk holds data of this cluster, and no other monitor answers: a new one would forget all of it. Start the others first." >&2
      exit 1 ;;
    esac
  done
  mv -- "$work/first" "$work/monmap"
fi
${removeTree(directory + p.id)}
${putDirectory({ path: directory + p.id, owner: 'ceph:ceph', mode: '0750' })}
chmod 0755 "$work"
chown ceph:ceph "$work"/*
ceph-mon --setuser ceph --setgroup ceph --mkfs -i ${p.id} --monmap "$work/monmap" --keyring "$work/keyring" >/dev/null
${putFile({ path: `${directory + p.id}/cellwise.fsid`, owner: 'root:root', mode: '0600', content: sh`printf %s ${p.fsid}` })}`,
        keyring,
      ),
      180,
    );
  },
});

// The map of a quorum that answers, or else the first map, but only where no monitor has ever been in a quorum: new ones
// beside old ones that cannot be reached would begin a second cluster and forget all the data of the first.
const findQuorum = `
import json, sys, rados
work, others = sys.argv[1], sys.argv[2:]
def cluster(patience):
    conf = {'keyring': work + '/keyring', 'monmap': work + '/first', 'rados_mon_op_timeout': str(patience), 'mon_client_ping_timeout': '3'}
    return rados.Rados(conffile='/etc/ceph/ceph.conf', name='mon.', conf=conf)
def epoch(name):
    try:
        return json.loads(cluster(3).ping_monitor(name))['mon_status']['monmap']['epoch']
    except Exception:
        return 0
def getmap(patience):
    try:
        c = cluster(patience)
        c.connect(timeout=patience)
        code, out, _ = c.mon_command(json.dumps({'prefix': 'mon getmap'}), b'')
        c.shutdown()
        return out if code == 0 else None
    except rados.Error:
        return None
known = [name for name in others if epoch(name) > 0]
monmap = getmap(60) if known else None
if monmap:
    open(work + '/monmap', 'wb').write(monmap)
elif known:
    sys.exit('The cluster is there (%s) and has no quorum. Start the monitors that are missing first.' % ', '.join(known))
`;
