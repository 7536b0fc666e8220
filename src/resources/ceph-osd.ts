import { askCeph, cephAnswers, uuid5, type CephAnswer } from '../base/ceph.ts';
import { leavingDisk } from '../base/ceph-drain.ts';
import { raw, sh, withTimeout, type Command } from '../base/command.ts';
import type { State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';
import { putDirectory, putFile, putLink, removeTree } from './put.ts';

const directory = '/var/lib/ceph/osd/ceph-';

/**
 * The OSDs of a host: one a disk. Which OSD a disk is, its own label says, so that a machine may be replaced under it.
 * A disk that holds anything else is refused.
 */
export const cephOsd = defineResource({
  type: 'ceph-osd',
  summary:
    'The OSDs of a host, one a disk. A new disk has to be empty; one that was an OSD of this cluster is that again, with its data. Of a disk that leaves, nothing stays on the host.',
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
      leaving: {
        type: 'array',
        default: [],
        description: 'Disks that leave, of this host and of others. The cluster has to have let go of them: see ceph-drain.',
        items: leavingDisk,
      },
    },
  },
  desired: (p): State => ({
    ...Object.fromEntries(p.disks.map((disk) => [disk, 'OSD'])),
    ...Object.fromEntries(leavingHere(p).map((disk) => [disk, noOsd])),
  }),
  probe: (p): Command => {
    const cluster = askCeph([{ command: { prefix: 'osd dump' } }, { command: { prefix: 'config-key dump', key: drained } }]);
    return {
      ...cluster,
      script: sh`
command -v ceph-osd >/dev/null || { echo 'Ceph is not installed on this host' >&2; exit 127; }
for disk in ${p.disks}; do
  kind=missing label= number= use=
  if [ -b "$disk" ]; then
    kind=$(blkid -p -o value -s TYPE -s PTTYPE -- "$disk" 2>/dev/null)
    case $? in 0|2) kind=$(printf '%s' "$kind" | tr '\\n' ' ') ;; *) kind=ambivalent ;; esac
    label=$(ceph-bluestore-tool show-label --dev "$disk" 2>/dev/null | tr -d '\\n\\t')
    number=$((0x$(stat -Lc %t -- "$disk"))):$((0x$(stat -Lc %T -- "$disk")))
    mounted=$(awk -v number="$number" '$3 == number { print $5; exit }' /proc/self/mountinfo)
    held=$(ls "/sys/dev/block/$number/holders" 2>/dev/null | tr '\\n' ' ')
    if [ -e "/sys/dev/block/$number/partition" ]; then use='a partition, not a whole disk'
    elif [ -n "$mounted" ]; then use="mounted on $mounted"
    elif [ -n "$held" ]; then use="held by $held"
    elif grep -q "^$(readlink -f -- "$disk") " /proc/swaps; then use='swap space'
    fi
  fi
  printf 'disk\\t%s\\t%s\\t%s\\t%s\\t%s\\n' "$disk" "$kind" "$label" "$number" "$use"
done
for ready in ${directory}*/ready; do
  id=\${ready%/ready} id=\${id##*-}
  if systemctl -q is-enabled "ceph-osd@$id" && systemctl -q is-active "ceph-osd@$id"; then printf 'unit\\t%s\\n' "$id"; fi
done 2>/dev/null
for block in ${directory}*/block; do
  if [ -L "$block" ]; then printf 'directory\\t%s\\t%s\\n' "$(readlink "$block")" "\${block%/block}"; fi
done
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
    const directories = new Map(rows.flatMap(([what, disk, path]) => (what === 'directory' ? [[disk, path!] as const] : [])));
    const firstOf = new Map(disks.map(([, disk = '', , , number]) => [number ?? disk, disk] as const).toReversed());
    const are = disks.map(([, disk = '', kind = '', label, number, use = '']): [string, string] => {
      const first = firstOf.get(number ?? disk)!;
      if (number && first !== disk) return [disk, `is the same disk as ${first}: name it once`];
      const is = condition(labelOf(label), kind, p.fsid, uuid5(p.fsid, `${p.host}${disk}`), running, answers);
      return [disk, use !== '' && overwritten.test(is) ? `is ${use.trim()}` : is];
    });
    const leave = leavingHere(p).map((disk): [string, string] => {
      const path = directories.get(disk);
      return [disk, path === undefined ? noOsd : `${path.replace(directory, 'osd.')} is set up`];
    });
    return Object.fromEntries([...are, ...leave]);
  },
  refuse: (_p, change) => {
    const wrong = change.differences.filter(({ before }) => !mendable.test(before as string));
    return wrong.length === 0 ? undefined : wrong.map(({ key, before }) => `${key} ${before as string}`).join('; ');
  },
  apply: (p, change) => {
    const disks = change.differences.map(({ key, before, after }) =>
      after === noOsd ? removeOne(before as string) : makeOne(p, key, before as string),
    );
    return withTimeout(
      disks.reduce((all, one) => sh`${all}\n${one}`, sh`set -e\numask 077`),
      900,
    );
  },
});

const drained = 'cellwise/drained/';
const noOsd = 'no OSD';

function leavingHere(p: {
  readonly host: string;
  readonly leaving: readonly { readonly host: string; readonly device: string }[];
}): string[] {
  return p.leaving.filter(({ host }) => host === p.host).map(({ device }) => device);
}

/** What may be made an OSD, or run again. All else is for people to judge. */
const mendable = /^(is empty|was begun and not finished|was osd\.\d+, drained|osd\.\d+ )/;

/** What is written over when it is made an OSD. */
const overwritten = /^(is empty|was begun and not finished|was osd\.\d+, drained)/;

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
  own: string,
  running: ReadonlySet<number>,
  [dump, marks]: readonly CephAnswer[],
): string {
  if (kind === 'missing') return 'is not there';
  if (!label && kind === 'ambivalent') return 'holds more than one thing: `wipefs` shows what, and wipes it if nothing of it is needed';
  if (!label)
    return kind.trim() === '' ? 'is empty' : `holds something already (${kind.trim()}): wipe it by hand if nothing of it is needed`;
  if (label.ceph_fsid !== undefined && label.ceph_fsid !== fsid) return `belongs to another Ceph cluster (${label.ceph_fsid})`;
  if (label.ready !== 'ready' || label.whoami === undefined)
    return label.osd_uuid === own ? 'was begun and not finished' : 'holds an OSD that was never finished: wipe it by hand';
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
  const content = sh`printf '[osd.%s]\\n\\tkey = %s\\n' "$id" "$key"`;
  const keyring = putFile({ path: raw('"$directory/keyring"'), owner: 'ceph:ceph', mode: '0600', content });
  const own = sh`
directory=${directory}$id
${removeTree(raw('"$directory"'))}
${putDirectory({ path: raw('"$directory"'), owner: 'ceph:ceph', mode: '0750' })}
chown ceph:ceph ${disk}
${putLink({ path: raw('"$directory/block"'), target: disk, owner: 'ceph:ceph' })}`;
  if (id !== undefined) {
    // The directory is made of what the disk's label says, as on a new machine; its key the cluster knows.
    return sh`
id=${id}
systemctl is-active -q "ceph-osd@$id" || {
key=$(ceph auth print-key "osd.$id")
${own}
runuser -u ceph -- ceph-bluestore-tool prime-osd-dir --path "$directory" --no-mon-config --dev ${disk} >/dev/null
${keyring}
${start}
}
ceph osd in "$id" 2>/dev/null`;
  }
  const uuid = uuid5(p.fsid, `${p.host}${disk}`);
  // Told the same id and key again, the cluster gives the same number.
  return sh`
${is.endsWith(', drained') ? sh`dd if=/dev/zero of=${disk} bs=1M count=100 conv=fsync status=none\nceph config-key rm ${drained + uuid} 2>/dev/null` : sh`:`}
id=$(ceph osd dump -f json | python3 -c 'import json, sys
print(*[o["osd"] for o in json.load(sys.stdin)["osds"] if o["uuid"] == sys.argv[1]])' ${uuid})
if [ -n "$id" ]; then
  key=$(ceph auth print-key "osd.$id")
else
  key=$(ceph-authtool --gen-print-key)
  id=$(printf '{"cephx_secret": "%s"}' "$key" | ceph osd new ${uuid} -i -)
fi
${own}
${keyring}
ceph-osd -i "$id" --mkfs --osd-uuid ${uuid} --setuser ceph --setgroup ceph >/dev/null
${start}`;
}

/** Unit and directory of an OSD that was drained: it would start with the host, and its health would be asked for. */
function removeOne(is: string): Command {
  const [, id = ''] = /^osd\.(\d+) /.exec(is)!;
  // Also when only a part of the plan is applied, and not what drains.
  return sh`
id=${id}
uuid=$(cat ${directory}"$id/fsid")
known=$(ceph osd dump -f json)
case $known in *"$uuid"*) echo "osd.$id is still in the cluster: apply the role ceph-osd on all hosts, which drains it" >&2; exit 1 ;; esac
systemctl disable -q --now "ceph-osd@$id"
systemctl reset-failed "ceph-osd@$id" 2>/dev/null || :
${removeTree(raw(`"${directory}$id"`))}`;
}
