import { sh } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';
import { putDirectory, removeDirectory } from './put.ts';

/** A directory with its owner and mode. What is in it is nobody's business here. */
export const directory = defineResource({
  type: 'directory',
  summary: 'A directory with this owner and mode. Its parent must be there; it is removed only when it is empty.',
  nameParam: 'path',
  light: true,
  params: {
    type: 'object',
    required: ['path'],
    additionalProperties: false,
    properties: {
      path: { type: 'string', pattern: '^/', description: 'Absolute path.' },
      owner: { type: 'string', pattern: '^[^:]+:[^:]+$', default: 'root:root', description: 'USER:GROUP.' },
      mode: { type: 'string', pattern: '^0[0-7]{3,4}$', default: '0755', description: 'Octal, with a leading zero and in quotes.' },
      absent: {
        type: 'boolean',
        description: 'The directory must not be there. A directory that holds something is left alone, and the step fails.',
      },
    },
  },
  desired: (p) => (p.absent ? null : { kind: 'directory', owner: p.owner, mode: octal(p.mode) }),
  probeAll: (all) => sh`stat --printf '%n\\0%F\\0%U:%G\\0%a\\0' -- ${all.map((p) => p.path)} 2>/dev/null; exit 0`,
  parseAll: (output, all) => {
    const words = output.out.toString().split('\0');
    const found = new Map<string, Found>();
    for (let at = 0; at + 3 < words.length; at += 4) {
      found.set(words[at]!, { kind: words[at + 1]!, owner: words[at + 2]!, mode: words[at + 3]! });
    }
    return all.map((p) => found.get(p.path) ?? null);
  },
  apply: (p) => {
    if (p.absent) return removeDirectory(p.path);
    return sh`
if { [ -e ${p.path} ] || [ -L ${p.path} ]; } && { [ -L ${p.path} ] || [ ! -d ${p.path} ]; }; then
  printf '%s exists and is not a directory: move it away\\n' ${p.path} >&2
  exit 1
fi
${putDirectory(p)}`;
  },
});

/** chmod's octal without its leading zeros, as stat prints it. */
function octal(mode: string): string {
  return Number.parseInt(mode, 8).toString(8);
}
