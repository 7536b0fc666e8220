import { createHash } from 'node:crypto';
import type { Command } from '../base/command.ts';
import { sh, withInput, withTimeout } from '../base/command.ts';
import { reveal, type Text } from '../base/secret.ts';
import { defineResource, type Found } from './define.ts';
import { printFile, putFile, readable, removeFile } from './put.ts';

/** A regular file: its content, owner and mode. */
export const file = defineResource({
  type: 'file',
  summary: 'A regular file with exactly this content, owner and mode; put in place whole or not at all.',
  nameParam: 'path',
  light: true,
  params: {
    type: 'object',
    required: ['path'],
    additionalProperties: false,
    properties: {
      path: { type: 'string', pattern: '^/', description: 'Absolute path.' },
      content: {
        type: 'string',
        format: 'text',
        description: 'The whole content. In a role, `template` names a file that gives it.',
      },
      encoding: {
        type: 'string',
        enum: ['text', 'base64'],
        default: 'text',
        description: '`base64`: the content is written so, because it is no text.',
      },
      owner: { type: 'string', pattern: '^[^:]+:[^:]+$', default: 'root:root', description: 'USER:GROUP.' },
      mode: { type: 'string', pattern: '^0[0-7]{3,4}$', default: '0644', description: 'Octal, with a leading zero and in quotes.' },
      validate: {
        type: 'string',
        description: 'Shell command, run as root, that checks the new content before it is put in place; `$1` is its path.',
      },
      absent: { type: 'boolean', description: 'The file must not be there.' },
    },
  },
  desired: (p) => (p.absent ? null : { kind: 'regular file', sha256: digest(p), owner: p.owner, mode: octal(p.mode) }),
  // One stat and one sha256sum for all; what is not there is missing from both answers, what is no file from the second.
  probeAll: (all) => sh`
set -- ${all.map((p) => p.path)}
stat --printf '%n\\0%F\\0%U:%G\\0%a\\0' -- "$@" 2>/dev/null
printf '\\0'
${readable}
[ $# -eq 0 ] || sha256sum -z -- "$@" 2>/dev/null
exit 0`,
  parseAll: (output, all) => {
    const [stats, sums] = split(output.out.toString());
    return all.map((p): Found => {
      const stat = stats.get(p.path);
      return stat ? { kind: stat.kind, sha256: sums.get(p.path) ?? '', owner: stat.owner, mode: stat.mode } : null;
    });
  },
  peek: (p) => printFile(p.path, 1_048_576),
  content: (p) => (p.absent ? '' : bytes(p)),
  apply: (p) => (p.absent ? removeFile(p.path) : install(p)),
});

interface FileParams {
  readonly path: string;
  readonly content?: Text;
  readonly encoding?: 'text' | 'base64';
  readonly owner: string;
  readonly mode: string;
  readonly validate?: string;
}

function install(p: FileParams): Command {
  // $1 is absolute, and means this file whatever its directories are renamed to: for programs that stay where they are started.
  const check = p.validate && sh`sh -c ${`set -- "/proc/$$/cwd/$1"\n${p.validate}`} validate "$name"`;
  const script = sh`
set -e
if [ -L ${p.path} ] || { [ -e ${p.path} ] && [ ! -f ${p.path} ]; }; then
  printf '%s is not a file but a %s: move it away\\n' ${p.path} "$(stat -c %F -- ${p.path})" >&2
  exit 1
fi
${putFile({ path: p.path, owner: p.owner, mode: p.mode, ...(check ? { check } : {}) })}`;
  return withTimeout(withInput(script, bytes(p)), 300);
}

function digest(p: FileParams): string {
  const content = bytes(p);
  return createHash('sha256')
    .update(content instanceof Uint8Array ? content : reveal(content))
    .digest('hex');
}

/** What is to be in the file. Content that is no text arrives in base64. */
function bytes(p: FileParams): Text | Uint8Array {
  const content = p.content ?? '';
  return p.encoding === 'base64' ? Buffer.from(reveal(content), 'base64') : content;
}

/** chmod's octal without its leading zeros, as stat prints it. */
function octal(mode: string): string {
  return Number.parseInt(mode, 8).toString(8);
}

function split(out: string): [Map<string, { kind: string; owner: string; mode: string }>, Map<string, string>] {
  const words = out.split('\0');
  const stats = new Map<string, { kind: string; owner: string; mode: string }>();
  let at = 0;
  for (; words[at] !== '' && at + 3 < words.length; at += 4) {
    const kind = words[at + 1]!;
    stats.set(words[at]!, { kind: kind === 'regular empty file' ? 'regular file' : kind, owner: words[at + 2]!, mode: words[at + 3]! });
  }
  const sums = new Map(words.slice(at + 1, -1).map((line) => [line.slice(66), line.slice(0, 64)] as const));
  return [stats, sums];
}
