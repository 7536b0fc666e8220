import { sh, withInput } from '../base/command.ts';
import { text } from '../base/secret.ts';
import { defineResource, type Found } from './define.ts';

/** A secret that libvirt keeps, and that definitions of machines name by its UUID. */
export const libvirtSecret = defineResource({
  type: 'libvirt-secret',
  summary: 'A secret that libvirt keeps for machines: the key by which their disks are opened in a Ceph cluster.',
  nameParam: 'uuid',
  slow: true,
  params: {
    type: 'object',
    required: ['uuid', 'usage', 'key'],
    additionalProperties: false,
    properties: {
      uuid: {
        type: 'string',
        pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
        description: 'By which machines name it.',
      },
      usage: {
        type: 'string',
        pattern: '^[A-Za-z0-9][A-Za-z0-9 ._-]*$',
        description: 'What it is for, e.g. client.cinder. No other has this text.',
      },
      key: { type: 'string', format: 'secret', description: 'The key, in base64 as Ceph has it: `{{cephx SECRET ENTITY}}`.' },
    },
  },
  desired: (p) => ({ usage: p.usage, private: 'no', key: 'current' }),
  probe: (p) =>
    withInput(
      sh`
command -v virsh >/dev/null || { echo 'libvirt is not installed on this host' >&2; exit 127; }
export LC_ALL=C
virsh -q -c ${system} secret-dumpxml ${p.uuid} || exit
read -r wanted
[ "$(virsh -q -c ${system} secret-get-value ${p.uuid} 2>/dev/null)" != "$wanted" ] || echo current`,
      text`${p.key}\n`,
    ),
  parse: (output): Found => {
    if (output.err.includes('no secret with matching uuid')) return null;
    if (output.code !== 0) return { unknown: output.err.toString().trim().split('\n').at(-1) || 'libvirt does not answer' };
    const said = output.out.toString();
    return {
      usage: /<name>(.*)<\/name>/.exec(said)?.[1] ?? null,
      private: /private='(\w+)'/.exec(said)?.[1] ?? null,
      key: said.trimEnd().endsWith('\ncurrent') ? 'current' : 'other',
    };
  },
  // libvirt does not change what a secret is for, nor a private one: it is taken away, which machines that run do not notice.
  apply: (p, change) => {
    const definition = `<secret ephemeral='no' private='no'><uuid>${p.uuid}</uuid><usage type='ceph'><name>${p.usage}</name></usage></secret>`;
    const anew = change.differences.some(({ key }) => key !== 'key');
    const undefine = sh`virsh -q -c ${system} secret-undefine ${p.uuid} >/dev/null`;
    const define = sh`printf %s ${definition} | virsh -q -c ${system} secret-define /dev/stdin >/dev/null`;
    return withInput(
      sh`
set -e
${anew && change.before !== null ? undefine : sh`:`}
${anew ? define : sh`:`}
cat | virsh -q -c ${system} secret-set-value ${p.uuid} --file /dev/stdin >/dev/null`,
      text`${p.key}\n`,
    );
  },
});

const system = 'qemu:///system';
