import { sh } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';

/** A symbolic link. Whether its target exists is not looked at. */
export const symlink = defineResource({
  type: 'symlink',
  summary: 'A symbolic link to this target. Anything else that bears its name is never replaced.',
  nameParam: 'path',
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
  // readlink -z keeps targets that hold newlines apart; what is no link answers nothing but its kind.
  probeAll: (all) => sh`
for link in ${all.map((p) => p.path)}; do
  stat --printf '%F\\0' -- "$link" 2>/dev/null || printf '\\0'
  readlink -z -- "$link" || printf '\\0'
done
exit 0`,
  parseAll: (output, all) => {
    const words = output.out.toString().split('\0');
    return all.map((_, i): Found => {
      const [kind, target] = [words[2 * i] ?? '', words[2 * i + 1] ?? ''];
      if (kind === '') return null;
      return kind === 'symbolic link' ? { kind, target } : { kind };
    });
  },
  // The new link is made beside the old one and renamed over it, so there is always one of them.
  apply: (p) => sh`
set -e
link=${p.path}
if [ -e "$link" ] && [ ! -L "$link" ]; then
  printf '%s exists and is not a symbolic link: move it away\\n' "$link" >&2
  exit 1
fi
${p.absent ? sh`rm -f -- "$link"` : sh`ln -sfn -- ${p.target ?? ''} "$link.cellwise" && mv -fT -- "$link.cellwise" "$link"`}`,
});
