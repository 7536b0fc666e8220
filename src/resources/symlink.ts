import { sh } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';
import { putLink, removeFile } from './put.ts';

/** find's letters. */
const kinds = new Map([
  ['f', 'regular file'],
  ['d', 'directory'],
  ['p', 'fifo'],
  ['s', 'socket'],
  ['b', 'block device'],
  ['c', 'character device'],
]);

/** A symbolic link. Whether its target exists is not looked at. */
export const symlink = defineResource({
  type: 'symlink',
  summary: 'A symbolic link to this target. Anything else that bears its name is never replaced.',
  nameParam: 'path',
  light: true,
  params: {
    type: 'object',
    required: ['path'],
    anyOf: [{ required: ['target'] }, { required: ['absent'] }],
    additionalProperties: false,
    properties: {
      path: { type: 'string', pattern: '^/', description: 'Absolute path of the link.' },
      target: { type: 'string', minLength: 1, description: 'What the link says, absolute or relative to its directory.' },
      absent: { type: 'boolean', description: 'The link must not be there.' },
    },
  },
  desired: (p) => (p.absent ? null : { kind: 'symbolic link', target: p.target ?? '' }),
  // One find for all: path, type and target, each with a NUL byte behind it. All paths are absolute, so none is an option.
  probeAll: (all) => sh`
find ${all.map((p) => p.path)} -maxdepth 0 -printf '%p\\0%y\\0%l\\0' 2>/dev/null
exit 0`,
  parseAll: (output, all) => {
    const words = output.out.toString().split('\0');
    const rows = new Map(words.flatMap((path, i) => (i % 3 === 0 ? [[path, [words[i + 1] ?? '', words[i + 2] ?? '']] as const] : [])));
    return all.map(({ path }): Found => {
      const [type, target = ''] = rows.get(path) ?? [];
      if (type === undefined) return null;
      return type === 'l' ? { kind: 'symbolic link', target } : { kind: kinds.get(type) ?? type };
    });
  },
  apply: (p) => sh`
set -e
link=${p.path}
if [ -e "$link" ] && [ ! -L "$link" ]; then
  printf '%s exists and is not a symbolic link: move it away\\n' "$link" >&2
  exit 1
fi
${p.absent ? removeFile(p.path) : putLink({ path: p.path, target: p.target ?? '' })}`,
});
