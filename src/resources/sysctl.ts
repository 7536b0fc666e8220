import { sh } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';
import { putFile } from './put.ts';

/** A kernel setting: the value that is live, and the file that brings it back after a boot. */
export const sysctl = defineResource({
  type: 'sysctl',
  summary:
    'A kernel setting, live and after each boot. Where /proc/sys is read-only (a container shares its machine’s kernel) only the file is kept.',
  nameParam: 'key',
  light: true,
  params: {
    type: 'object',
    required: ['key', 'value'],
    additionalProperties: false,
    properties: {
      key: { type: 'string', pattern: '^[A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)+$', description: 'Name with dots, e.g. net.ipv4.ip_forward.' },
      value: { anyOf: [{ type: 'string', pattern: '^[^\\n]+$' }, { type: 'integer' }], description: 'Its value.' },
    },
  },
  desired: (p) => ({ file: words(p.value), live: words(p.value) }),
  // One grep reads them all: rows of a path, a NUL byte and a line. Ahead of it come the paths that are read-only.
  probeAll: (all) => sh`
for live in ${all.map((p) => liveOf(p.key))}; do
  [ ! -e "$live" ] || [ -w "$live" ] || echo "$live"
done
echo
grep -saZ '' -- ${all.flatMap((p) => [fileOf(p.key), liveOf(p.key)])}
exit 0`,
  parseAll: (output, all) => {
    const out = `\n${output.out.toString()}`;
    const end = out.indexOf('\n\n');
    const readOnly = new Set(out.slice(0, end).split('\n'));
    const contents = new Map<string, string>();
    for (const row of out.slice(end + 2).split('\n')) {
      const [path = '', line = ''] = row.split('\0');
      contents.set(path, `${contents.get(path) ?? ''}${line}\n`);
    }
    return all.map((p): Found => {
      const [file, live] = [contents.get(fileOf(p.key)), contents.get(liveOf(p.key))];
      const set = file === undefined ? null : words(file.slice(file.indexOf('=') + 1));
      if (readOnly.has(liveOf(p.key))) return { file: set, live: words(p.value) };
      return { file: set, live: live === undefined ? 'the kernel has no such setting' : words(live) };
    });
  },
  apply: (p, change) => sh`
set -e
${putFile({ path: fileOf(p.key), owner: 'root:root', mode: '0644', content: sh`printf '%s = %s\\n' ${p.key} ${words(p.value)}` })}
live=${liveOf(p.key)}
${change.differences.some((difference) => difference.key === 'live') ? sh`` : sh`exit 0`}
if [ ! -e "$live" ]; then
  printf 'This kernel has no setting %s: is the module that brings it loaded?\\n' ${p.key} >&2
  exit 1
fi
printf '%s\\n' ${words(p.value)} >"$live"`,
});

function fileOf(key: string): string {
  return `/etc/sysctl.d/60-cellwise-${key.replaceAll('/', '-')}.conf`;
}

function liveOf(key: string): string {
  return `/proc/sys/${key.replaceAll('.', '/')}`;
}

/** Values of several numbers are separated by tabs in /proc/sys and by blanks in files. */
function words(value: string | number): string {
  return String(value).trim().split(/\s+/).join(' ');
}
