import { askCeph, cephAnswers, uuid5, type CephAnswer } from '../base/ceph.ts';
import { sh, withTimeout, type Command } from '../base/command.ts';
import type { State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';

const directory = '/var/lib/ceph/osd/ceph-';

/**
 * The OSDs of a host: one a disk. Which OSD a disk is, its own label says, so that a machine may be replaced under it.
 * A disk that holds anything else is refused.
 */
export const cephOsd = defineResource({
  type: 'ceph-osd',
  summary: 'The OSDs of a host, one a disk. A new disk has to be empty; one that was an OSD of this cluster is that again, with its data.',
  nameParam: 'disks',
  slow: true,
  identity: () => '',
  params: {
    type: 'object',
    required: ['disks', 'fsid', 'host'],
    additionalProperties: false,
    properties: {
      disks: { type: 'array', items: { type: 'string', pattern: '^/dev/' }, description: 'Whole disks.' },
      fsid: { type: 'string', pattern: '^[0-9a-f-]{36}$', description: "The cluster's id." },
      host: { type: 'string', description: "The host's name. With the disk's it makes the id of a new OSD." },
    },
  },
  desired: (p): State => Object.fromEntries(p.disks.map((disk) => [disk, 'OSD'])),
  probe: (p): Command => {
    const cluster = askCeph([{ command: { prefix: 'osd dump' } }, { command: { prefix: 'config-key dump', key: drained } }]);
    return {
      ...cluster,
      script: sh`
command -v ceph-osd >/dev/null || { echo 'Ceph is not installed on this host' >&2; exit 127; }
for disk in ${p.disks}; do
  kind=missing label=
  if [ -b "$disk" ]; then
    kind=$(blkid -p -o value -s TYPE -s PTTYPE -- "$disk" | tr '\\n' ' ')
    label=$(ceph-bluestore-tool show-label --dev "$disk" 2>/dev/null | tr -d '\\n\\t')
  fi
  printf 'disk\\t%s\\t%s\\t%s\\n' "$disk" "$kind" "$label"
done
for ready in ${directory}*/ready; do
  id=\${ready%/ready} id=\${id##*-}
  if systemctl -q is-enabled "ceph-osd@$id" && systemctl -q is-active "ceph-osd@$id"; then printf 'unit\\t%s\\n' "$id"; fi
done 2>/dev/null
${{ script: cluster.script }}`.script,
    };
  },
  parse: (output, p): Found => {
    if (output.code !== 0) return { unknown: output.err.toString().trim().split('\n').at(-1) || 'Ceph does not answer on this host' };
    const lines = output.out.toString().trimEnd().split('\n');
    const answers = cephAnswers({ ...output, out: Buffer.from(lines.at(-1)!) });
    if ('unknown' in answers) return answers;
    const rows = lines.map((line) => line.split('\t'));
    const running = new Set(rows.flatMap(([what, id]) => (what === 'unit' ? [Number(id)] : [])));
    const disks = rows.filter(([what]) => what === 'disk');
    return Object.fromEntries(
      disks.map(([, disk = '', kind = '', label]) => [disk, condition(labelOf(label), kind, p.fsid, running, answers)]),
    );
  },
  refuse: (_p, change) => {
    const wrong = change.differences.filter(({ before }) => !mendable.test(before as string));
    return wrong.length === 0 ? undefined : wrong.map(({ key, before }) => `${key} ${before as string}`).join('; ');
  },
  apply: (p, change) => {
    const disks = change.differences.map(({ key, before }) => makeOne(p, key, before as string));
    return withTimeout(
      disks.reduce((all, one) => sh`${all}\n${one}`, sh`set -e\numask 077`),
      900,
    );
  },
});

const drained = 'cellwise/drained/';

/** What may be made an OSD, or run again. All else is for people to judge. */
const mendable = /^(is empty|has a label and nothing else|was osd\.\d+, drained|osd\.\d+ )/;

interface Label {
  readonly ceph_fsid?: string;
  readonly osd_uuid: string;
  readonly whoami?: string;
  readonly ready?: string;
}

function labelOf(json: string | undefined): Label | undefined {
  return json === undefined || json === '' ? undefined : Object.values(JSON.parse(json) as Record<string, Label>)[0];
}

/** What a disk is, in words that stand behind its name. `OSD`: as it should be. */
function condition(
  label: Label | undefined,
  kind: string,
  fsid: string,
  running: ReadonlySet<number>,
  [dump, marks]: readonly CephAnswer[],
): string {
  if (kind === 'missing') return 'is not there';
  if (!label)
    return kind.trim() === '' ? 'is empty' : `holds something already (${kind.trim()}): wipe it by hand if nothing of it is needed`;
  if (label.ceph_fsid !== undefined && label.ceph_fsid !== fsid) return `belongs to another Ceph cluster (${label.ceph_fsid})`;
  if (label.ready !== 'ready' || label.whoami === undefined) return 'has a label and nothing else';
  const { osds } = JSON.parse(dump!.out) as { osds: { osd: number; uuid: string; in: number }[] };
  const osd = osds.find(({ uuid }) => uuid === label.osd_uuid);
  if (!osd) {
    const wasDrained = Object.hasOwn(JSON.parse(marks!.out) as object, drained + label.osd_uuid);
    return wasDrained
      ? `was osd.${label.whoami}, drained`
      : `is osd.${label.whoami}, which the cluster has forgotten: wipe it by hand if nothing of it is needed`;
  }
  if (!running.has(osd.osd)) return `osd.${osd.osd} does not run`;
  return osd.in === 0 ? `osd.${osd.osd} is out` : 'OSD';
}

function makeOne(p: { readonly fsid: string; readonly host: string }, disk: string, is: string): Command {
  const [, id] = /^osd\.(\d+) /.exec(is) ?? [];
  const start = sh`
systemctl enable -q "ceph-osd@$id"
systemctl reset-failed "ceph-osd@$id" 2>/dev/null || :
systemctl start "ceph-osd@$id"`;
  const own = sh`
directory=${directory}$id
install -d -o ceph -g ceph -m 0750 "$directory"
chown ceph:ceph ${disk}
ln -sfn ${disk} "$directory/block"
chown -h ceph:ceph "$directory/block"`;
  if (id !== undefined) {
    // The directory is made of what the disk's label says: it may be a new machine's.
    return sh`
id=${id}
systemctl is-active -q "ceph-osd@$id" || {
${own}
ceph-bluestore-tool prime-osd-dir --path "$directory" --no-mon-config --dev ${disk} >/dev/null
chown -R ceph:ceph "$directory"
${start}
}
ceph osd in "$id" 2>/dev/null`;
  }
  const uuid = uuid5(p.fsid, `${p.host}${disk}`);
  // Told the same id and key again, the cluster gives the same number.
  return sh`
${is.startsWith('was ') ? sh`dd if=/dev/zero of=${disk} bs=1M count=100 conv=fsync status=none` : sh`:`}
id=$(ceph osd dump -f json | python3 -c 'import json, sys
print(*[o["osd"] for o in json.load(sys.stdin)["osds"] if o["uuid"] == sys.argv[1]])' ${uuid})
if [ -n "$id" ]; then
  key=$(ceph auth print-key "osd.$id")
else
  key=$(ceph-authtool --gen-print-key)
  id=$(printf '{"cephx_secret": "%s"}' "$key" | ceph osd new ${uuid} -i -)
fi
rm -rf -- ${directory}"$id"${own}
printf '[osd.%s]\\n\\tkey = %s\\n' "$id" "$key" >"$directory/keyring"
chown ceph:ceph "$directory/keyring"
ceph-osd -i "$id" --mkfs --osd-uuid ${uuid} --setuser ceph --setgroup ceph >/dev/null
${start}`;
}
