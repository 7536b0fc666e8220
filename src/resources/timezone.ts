import { sh } from '../base/command.ts';
import { defineResource } from './define.ts';
import { putFile, putLink } from './put.ts';

/** The host's time zone: the link /etc/localtime, and Debian's /etc/timezone where a host still has it. */
export const timezone = defineResource({
  type: 'timezone',
  summary: 'The time zone of the host.',
  nameParam: 'zone',
  identity: () => '/etc/localtime',
  params: {
    type: 'object',
    required: ['zone'],
    additionalProperties: false,
    properties: {
      zone: {
        type: 'string',
        pattern: '^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$',
        description: 'A name below /usr/share/zoneinfo, e.g. Etc/UTC.',
      },
    },
  },
  desired: (p) => ({ zone: p.zone }),
  probe: () => sh`
readlink /etc/localtime || echo
cat /etc/timezone 2>/dev/null
exit 0`,
  parse: (output) => {
    const [link = '', named = ''] = output.out.toString().split('\n');
    const zone = link.replace(/^.*\/zoneinfo\//, '');
    if (zone === '') return null;
    return { zone: named === '' || named === zone ? zone : `${zone}, but /etc/timezone says ${named}` };
  },
  apply: (p) => sh`
set -e
if [ ! -f ${`/usr/share/zoneinfo/${p.zone}`} ]; then
  printf 'There is no time zone %s in /usr/share/zoneinfo: is the package tzdata (old names: tzdata-legacy) installed?\\n' ${p.zone} >&2
  exit 1
fi
${putLink({ path: '/etc/localtime', target: `/usr/share/zoneinfo/${p.zone}` })}
[ -e /etc/timezone ] || exit 0
${putFile({ path: '/etc/timezone', owner: 'root:root', mode: '0644', content: sh`printf '%s\\n' ${p.zone}` })}`,
});
