import { raw, sh, withTimeout } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';
import { putFile } from './put.ts';

const keyrings = '/var/lib/ceph/osd/ceph-*/keyring';

/** The keys of the OSDs of a host, which the cluster makes and the host keeps: of a cipher that is not weaker than this. */
export const cephOsdKey = defineResource({
  type: 'ceph-osd-key',
  summary: "The keys of a host's OSDs are of this cipher. Others are made anew by the cluster; an OSD takes its key at its next start.",
  nameParam: 'cipher',
  identity: () => '',
  params: {
    type: 'object',
    required: ['cipher'],
    additionalProperties: false,
    properties: { cipher: { type: 'string', enum: ['aes256k'], description: 'Ceph 20.2 and later know aes256k.' } },
  },
  desired: (p) => ({ others: '', cipher: p.cipher }),
  // The kind of a key is its first byte: AQ in base64 is aes, Ag is aes256k.
  probe: (p) => sh`
for keyring in ${{ script: keyrings }}; do
  [ ! -e "$keyring" ] || grep -q '^[[:space:]]*key = Ag' "$keyring" || printf '%s ' "$keyring"
done
printf '\\n%s' ${p.cipher}`,
  parse: (output): Found => {
    const [others = '', cipher = ''] = output.out.toString().split('\n');
    return { others: others.trim().replaceAll(/\/var\/lib\/ceph\/osd\/ceph-(\d+)\/keyring/g, 'osd.$1'), cipher };
  },
  apply: (p, change) => {
    const others = (change.before!['others'] as string).split(' ');
    return withTimeout(
      sh`
for osd in ${others}; do ${putFile({
        path: raw('"/var/lib/ceph/osd/ceph-${osd#osd.}/keyring"'),
        owner: 'ceph:ceph',
        mode: '0600',
        content: sh`ceph auth rotate "$osd" --key_type ${p.cipher} 2>/dev/null`,
        check: sh`grep -q '^[[:space:]]*key = Ag' "$name" || { echo "Ceph made no key of ${p.cipher} for $osd" >&2; exit 1; }`,
      })} || exit; done`,
      300,
    );
  },
});
