import { sh } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';

/** A kernel setting: the value that is live, and the file that brings it back after a boot. */
export const sysctl = defineResource({
  type: 'sysctl',
  summary:
    'A kernel setting, live and after each boot. Where /proc/sys is read-only (a container shares its machine’s kernel) only the file is kept.',
  nameParam: 'key',
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
  probeAll: (all) => sh`
for key in ${all.map((p) => p.key)}; do
  file=/etc/sysctl.d/60-cellwise-$(printf %s "$key" | tr / -).conf
  live=/proc/sys/$(printf %s "$key" | tr . /)
  cat "$file" 2>/dev/null
  printf '\\0'
  if [ -w "$live" ] || [ ! -e "$live" ]; then cat "$live" 2>/dev/null; else printf read-only; fi
  printf '\\0'
done
exit 0`,
  parseAll: (output, all) => {
    const parts = output.out.toString().split('\0');
    return all.map((p, i): Found => {
      const [file = '', live = ''] = [parts[2 * i], parts[2 * i + 1]];
      const set = file === '' ? null : words(file.slice(file.indexOf('=') + 1));
      if (live === 'read-only') return { file: set, live: words(p.value) };
      return { file: set, live: live === '' ? 'the kernel has no such setting' : words(live) };
    });
  },
  apply: (p, change) => sh`
set -e
printf '%s = %s\\n' ${p.key} ${words(p.value)} >${`/etc/sysctl.d/60-cellwise-${p.key.replaceAll('/', '-')}.conf`}
live=${`/proc/sys/${p.key.replaceAll('.', '/')}`}
${change.differences.some((difference) => difference.key === 'live') ? sh`` : sh`exit 0`}
if [ ! -e "$live" ]; then
  printf 'This kernel has no setting %s: is the module that brings it loaded?\\n' ${p.key} >&2
  exit 1
fi
printf '%s\\n' ${words(p.value)} >"$live"`,
});

/** Values of several numbers are separated by tabs in /proc/sys and by blanks in files. */
function words(value: string | number): string {
  return String(value).trim().split(/\s+/).join(' ');
}
