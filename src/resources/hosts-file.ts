import { sh } from '../base/command.ts';
import { defineResource } from './define.ts';
import { putAnything } from './put.ts';

const begin = '# cellwise: begin';
const end = '# cellwise: end';

/** Names of the cloud's hosts in /etc/hosts: one marked block; every other line belongs to the host's owner. */
export const hostsFile = defineResource({
  type: 'hosts-file',
  summary: 'A marked block of addresses and names in /etc/hosts; every line outside it is kept as it is.',
  nameParam: 'entries',
  light: true,
  identity: () => '/etc/hosts',
  params: {
    type: 'object',
    required: ['entries'],
    additionalProperties: false,
    properties: {
      entries: {
        type: 'array',
        description: 'Addresses with their names, in this order. An empty list removes the block.',
        items: {
          type: 'object',
          required: ['address', 'names'],
          additionalProperties: false,
          properties: {
            address: { type: 'string', pattern: '^[0-9A-Fa-f.:]+$', description: 'IPv4 or IPv6 address.' },
            names: {
              type: 'array',
              minItems: 1,
              items: { type: 'string', pattern: '^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$' },
              description: 'Names, the full one first.',
            },
          },
        },
      },
    },
  },
  desired: (p) => (p.entries.length === 0 ? null : { block: lines(p.entries) }),
  probe: () => sh`cat /etc/hosts`,
  parse: (output) => {
    const all = output.out.toString().split('\n');
    const marks = all.flatMap((line, i) => (line === begin || line === end ? [i] : []));
    if (marks.length === 0) return null;
    const [first = 0, last = 0] = marks;
    // A marker too many or too few: somebody edited the block, so it is written anew.
    const whole = marks.length === 2 && all[first] === begin && all[last] === end;
    return { block: whole ? all.slice(first + 1, last) : 'its markers are damaged' };
  },
  // The block goes first: Debian's "127.0.1.1 HOSTNAME" would otherwise answer for the host's own name, and daemons would
  // listen where nobody else can reach them. Lines behind a lost end marker are not ours for sure, so they are kept.
  // In a container /etc/hosts is a mount: it cannot be renamed over, only written.
  apply: (p) =>
    putAnything(
      '/etc/hosts',
      sh`
{
  ${p.entries.length === 0 ? sh`:` : sh`printf '%s\\n' ${[begin, ...lines(p.entries), end]}`} &&
  awk -v begin=${begin} -v end=${end} '
    $0 == begin { printf "%s", held; held = ""; inside = 1; next }
    $0 == end { held = ""; inside = 0; next }
    inside { held = held $0 "\\n"; next }
    { print }
    END { printf "%s", held }' /etc/hosts
} >hosts || exit
cp --attributes-only --preserve=mode,ownership /etc/hosts hosts || exit
if mountpoint -q /etc/hosts; then
  cat hosts >/etc/hosts
  exit
fi`,
    ),
});

function lines(entries: readonly { readonly address: string; readonly names: readonly string[] }[]): string[] {
  return entries.map((entry) => `${entry.address}\t${entry.names.join(' ')}`);
}
