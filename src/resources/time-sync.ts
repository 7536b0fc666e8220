import { raw, sh, withTimeout } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';
import { putDirectory, putFile } from './put.ts';

/** Each implementation: its unit, the drop-in that names servers, and how a line of it looks. */
const implementations = {
  'systemd-timesyncd': { unit: 'systemd-timesyncd.service', dropIn: '/etc/systemd/timesyncd.conf.d/60-cellwise.conf' },
  chrony: { unit: 'chrony.service', dropIn: '/etc/chrony/sources.d/cellwise.sources' },
} as const;

type Implementation = keyof typeof implementations;

/** A clock that is kept right by a daemon. */
export const timeSync = defineResource({
  type: 'time-sync',
  summary:
    'Time synchronisation: the daemon is enabled and runs, with these servers. In a container, whose clock is its machine’s, running is not asked for.',
  nameParam: 'implementation',
  identity: () => 'time',
  params: {
    type: 'object',
    required: ['implementation'],
    additionalProperties: false,
    properties: {
      implementation: { type: 'string', enum: ['systemd-timesyncd', 'chrony'], description: 'The daemon; a package step installs it.' },
      servers: {
        type: 'array',
        items: { type: 'string', pattern: '^[A-Za-z0-9.:-]+$' },
        description: 'Time servers; the distribution’s own when left out.',
      },
    },
  },
  desired: (p) => ({ enabled: true, active: true, ...(p.servers ? { servers: content(p.implementation, p.servers) } : {}) }),
  probe: (p) => sh`
systemctl show -p LoadState,UnitFileState,ActiveState -- ${implementations[p.implementation].unit} || exit
systemd-detect-virt -qc && echo container
echo
cat ${implementations[p.implementation].dropIn} 2>/dev/null
exit 0`,
  parse: (output, p): Found => {
    if (output.code !== 0) return { unknown: `systemctl says: ${output.err.toString().trim()}` };
    const out = output.out.toString();
    const [head, servers] = [out.slice(0, out.indexOf('\n\n') + 1), out.slice(out.indexOf('\n\n') + 2)];
    if (head.includes('LoadState=not-found\n')) return null;
    return {
      enabled: head.includes('UnitFileState=enabled\n'),
      // systemd-timesyncd has ConditionVirtualization=!container: there it cannot run, and needs not.
      active: head.includes('ActiveState=active\n') || (p.implementation === 'systemd-timesyncd' && head.includes('\ncontainer\n')),
      servers,
    };
  },
  apply: (p) => {
    const { unit, dropIn } = implementations[p.implementation];
    const write = p.servers
      ? sh`
${putDirectory({ path: dropIn.slice(0, dropIn.lastIndexOf('/')), owner: 'root:root', mode: '0755' })}
${putFile({ path: dropIn, owner: 'root:root', mode: '0644', content: sh`printf %s ${content(p.implementation, p.servers)}` })}`
      : raw('');
    return withTimeout(
      sh`
set -e
if [ "$(systemctl show --value -p LoadState -- ${unit})" = not-found ]; then
  printf '%s is not installed on this host\\n' ${unit} >&2
  exit 1
fi${write}
systemctl enable -q -- ${unit}
systemctl restart -- ${unit}`,
      60,
    );
  },
});

function content(implementation: Implementation, servers: readonly string[]): string {
  if (implementation === 'chrony') return servers.map((server) => `server ${server} iburst\n`).join('');
  return `[Time]\nNTP=${servers.join(' ')}\n`;
}
