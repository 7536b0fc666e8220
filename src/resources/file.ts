import { createHash } from 'node:crypto';
import type { Command } from '../base/command.ts';
import { raw, sh, withInput, withTimeout } from '../base/command.ts';
import { reveal, type Text } from '../base/secret.ts';
import { defineResource, type Found } from './define.ts';

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
      validate: { type: 'string', description: 'Shell command that checks the new content before it is put in place; `$1` is its path.' },
      absent: { type: 'boolean', description: 'The file must not be there.' },
    },
  },
  desired: (p) => (p.absent ? null : { kind: 'regular file', sha256: digest(p), owner: p.owner, mode: octal(p.mode) }),
  // One stat and one sha256sum for all; what is not there is missing from both answers.
  probeAll: (all) => sh`
set -- ${all.map((p) => p.path)}
stat --printf '%n\\0%F\\0%U:%G\\0%a\\0' -- "$@" 2>/dev/null
printf '\\0'
sha256sum -z -- "$@" 2>/dev/null
exit 0`,
  parseAll: (output, all) => {
    const [stats, sums] = split(output.out.toString());
    return all.map((p): Found => {
      const stat = stats.get(p.path);
      return stat ? { kind: stat.kind, sha256: sums.get(p.path) ?? '', owner: stat.owner, mode: stat.mode } : null;
    });
  },
  peek: (p) => sh`test -f ${p.path} && head -c 1048576 -- ${p.path}`,
  content: (p) => (p.absent ? '' : bytes(p)),
  apply: (p) => (p.absent ? sh`rm -f -- ${p.path}` : install(p)),
});

interface FileParams {
  readonly path: string;
  readonly content?: Text;
  readonly encoding?: 'text' | 'base64';
  readonly owner: string;
  readonly mode: string;
  readonly validate?: string;
}

// A temporary file beside the target, never readable by others before its mode is set; synced before and after the
// rename, so that a crash leaves either the old file or the new one.
function install(p: FileParams): Command {
  const slash = p.path.lastIndexOf('/');
  const [directory, name] = [p.path.slice(0, slash) || '/', p.path.slice(slash + 1)];
  const check = p.validate
    ? sh`
sh -c ${p.validate} validate "$new"`
    : raw('');
  const script = sh`
set -e
umask 077
if [ -L ${p.path} ] || { [ -e ${p.path} ] && [ ! -f ${p.path} ]; }; then
  printf '%s is not a file but a %s: move it away\\n' ${p.path} "$(stat -c %F -- ${p.path})" >&2
  exit 1
fi
if [ ! -d ${`${directory}/`} ]; then
  printf 'There is no directory %s to put the file in\\n' ${directory} >&2
  exit 1
fi
new=$(mktemp -- ${`${directory}/.${name.slice(0, 100)}.XXXXXXXX`})
trap 'rm -f -- "$new"' EXIT
cat >"$new"
chown -- ${p.owner} "$new"
chmod -- ${p.mode} "$new"${check}
sync -d -- "$new"
mv -fT -- "$new" ${p.path}
sync -- ${directory}`;
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
