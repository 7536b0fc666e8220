import { raw, sh } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';
import { putFile } from './put.ts';

/** A private key that a host makes for itself. */
export const privateKey = defineResource({
  type: 'private-key',
  summary: 'A private key (Ed25519) that the host makes itself and that never leaves it.',
  nameParam: 'path',
  light: true,
  params: {
    type: 'object',
    required: ['path'],
    additionalProperties: false,
    properties: {
      path: { type: 'string', pattern: '^/', description: 'Absolute path.' },
      owner: { type: 'string', pattern: '^[^:]+:[^:]+$', default: 'root:root', description: 'USER:GROUP.' },
      mode: { type: 'string', pattern: '^0[0-7]{3}$', default: '0600', description: 'Octal, with a leading zero and in quotes.' },
    },
  },
  desired: (p) => ({ key: 'ED25519', owner: p.owner, mode: Number.parseInt(p.mode, 8).toString(8) }),
  probe: (p) => sh`
[ -e ${p.path} ] || exit 0
command -v openssl >/dev/null || { echo 'openssl is not installed on this host' >&2; exit 127; }
stat -c '%U:%G %a' -- ${p.path}
openssl pkey -in ${p.path} -passin pass: -noout -text_pub 2>/dev/null | sed -n '1s/ .*//p'`,
  parse: (output): Found => {
    if (output.code !== 0) return { unknown: output.err.toString().trim() };
    const [stat = '', key = ''] = output.out.toString().split('\n');
    if (stat === '') return null;
    const [owner = '', mode = ''] = stat.split(' ');
    return { key: key === '' ? 'unreadable' : key, owner, mode };
  },
  // Also where only its owner or mode is wrong: others may have read it.
  apply: (p) => sh`
set -e
${putFile({ ...p, content: raw('openssl genpkey -algorithm ed25519') })}`,
});
