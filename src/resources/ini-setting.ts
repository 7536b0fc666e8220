import { sh, withInput } from '../base/command.ts';
import { Invalid } from '../base/problem.ts';
import { reveal, Secret, text, type Text } from '../base/secret.ts';
import type { Json } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';
import { editFile, mayRead } from './put.ts';

// POSIX awk, as Debian has no other by default. It reads files by itself, because it would take a path with `=` for an
// assignment; what to look for comes by standard input, because -v would interpret backslashes (and show secrets).
// A line is a setting when it starts with the key, followed by `=`, `:` or its end. Lines behind it that are indented
// deeper belong to its value, as in oslo.config. Section "" is what stands before the first header.
const library = String.raw`
function trim(s) { sub(/^[ \t\r]+/, "", s); sub(/[ \t\r]+$/, "", s); return s }
function indent(s) { match(s, /^[ \t]*/); return RLENGTH }
function sets(s, key,   rest) {
  if (substr(s, 1, length(key)) != key) return 0
  rest = trim(substr(s, length(key) + 1))
  return rest ~ /^[=:]/ || length(s) == length(key)
}
function load(path,   line, status) {
  lines = 0
  while ((status = (getline line < path)) > 0) text[++lines] = line
  close(path)
  return status
}
# part[i]: 1 is a setting of this key, 2 continues it. place: the line behind which a new setting goes, -1 without a section.
function find(section, key,   i, s, inside, deep) {
  count = 0; last = 0; example = 0; deep = -1
  inside = section == ""
  place = inside ? 0 : -1
  for (i = 1; i <= lines; i++) {
    s = trim(text[i]); part[i] = 0
    if (s ~ /^\[.*\]/) {
      inside = trim(substr(s, 2, index(s, "]") - 2)) == section && section != ""
      deep = -1
      if (inside) place = i
    } else if (inside && s != "") {
      if (s ~ /^[#;]/) { if (sets(trim(substr(s, 2)), key)) example = i; continue }
      place = i
      if (deep >= 0 && indent(text[i]) > deep) part[i] = 2
      else if (sets(s, key)) { part[i] = 1; last = i; count++; deep = indent(text[i]) }
      else deep = -1
    } else deep = -1
  }
}`;

// Answers each (file, section, key) with the number of settings, that of the lines of the last one's value, and those lines.
const reader = `${library}
{ path = $0; getline section; getline key
  if (path != loaded) { load(path); loaded = path }
  find(section, key)
  if (!count) { print 0, 0; next }
  for (size = 1; part[last + size] == 2 && last + size <= lines; size++);
  print count, size
  value = trim(substr(trim(text[last]), length(key) + 1))
  print value ~ /^[=:]/ ? trim(substr(value, 2)) : value
  for (i = 1; i < size; i++) print trim(text[last + i]) }`;

// The last setting is replaced where it stands, others of the same key go. A new one goes behind its commented example
// if there is one. Every other byte stays; `ended` is 0 when the file's last line has no newline.
const writer = String.raw`${library}
# Not before indented lines: they would become part of the new value.
function behind(at,   i, s) {
  for (i = at + 1; at >= 0 && i <= lines; i++) {
    s = trim(text[i])
    if (s ~ /^[#;]/) continue
    if (s == "" || s ~ /^\[.*\]/ || !indent(text[i])) break
    at = i
  }
  return at
}
function put(line, bare) { ORS = bare ? "" : "\n"; print line }
function new() { put((last ? substr(text[last], 1, indent(text[last])) : "") setting) }
BEGIN {
  getline path; getline section; getline key; getline ended; getline remove; getline setting
  load(path); find(section, key)
  at = last ? last : behind(example ? example : place)
  if (remove) at = -2
  if (at == 0) new()
  for (i = 1; i <= lines; i++) {
    if (!part[i]) put(text[i], i == lines && !ended && at != i && at != -1)
    if (i == at) new()
  }
  if (at == -1) { if (lines) put(""); put("[" section "]"); new() }
}`;

/** One setting of an INI file. Everything else in the file is kept byte for byte. */
export const iniSetting = defineResource({
  type: 'ini-setting',
  summary: 'One setting in a file of sections and settings; the rest of the file is kept byte for byte, and so are owner and mode.',
  nameParam: 'file',
  light: true,
  identity: (p) => `${p.file} [${p.section}] ${p.key}`,
  params: {
    type: 'object',
    required: ['file', 'key'],
    anyOf: [{ required: ['value'] }, { required: ['absent'] }],
    additionalProperties: false,
    properties: {
      file: {
        type: 'string',
        pattern: '^/[^\\n]*$',
        description: 'Absolute path of a file that is there: a package or a file step brings it.',
      },
      section: {
        type: 'string',
        pattern: '^([^\\]\\s]([^\\]\\n\\r]*[^\\]\\s])?)?$',
        default: 'DEFAULT',
        description: 'Name of the section, without brackets; empty: before the first one.',
      },
      key: { type: 'string', pattern: '^[^\\s#;=:\\[]([^\\n\\r=]*[^\\s=:])?$', description: 'Name of the setting.' },
      value: { type: 'string', format: 'text', description: 'One line, without blanks around it; in quotes when it is a number.' },
      separator: {
        type: 'string',
        enum: [' = ', '=', ': '],
        default: ' = ',
        description: 'What stands between key and value when the line is written.',
      },
      absent: { type: 'boolean', description: 'The setting must not be there.' },
    },
  },
  desired: (p) => (p.absent ? null : { value: p.value instanceof Secret ? 'current' : line(p.value), times: 1 }),
  probeAll: (all) => sh`
${mayRead}
set -- ${all.flatMap((p) => [p.file, p.section, p.key])}
asked=
while [ $# -gt 0 ]; do
  [ "$1" = "$asked" ] || { asked=$1 file=$1; may_read "$1" || file=/dev/null; }
  printf '%s\\n' "$file" "$2" "$3"
  shift 3
done | LC_ALL=C awk ${reader}`,
  parseAll: (output, all) => {
    if (output.code !== 0) return all.map(() => ({ unknown: output.err.toString().trim() }));
    const lines = output.out.toString().split('\n');
    let at = 0;
    return all.map((p): Found => {
      const [times = 0, size = 0] = lines[at++]!.split(' ').map(Number);
      const value = lines.slice(at, (at += size)).join('\n');
      return times === 0 ? null : { value: safe(value, p.value), times };
    });
  },
  apply: (p) => {
    const value = p.absent ? '' : line(p.value);
    // The writer's input is built on the host: only there is it known how the file ends.
    const script = sh`
[ -e ${p.file} ] || { printf '%s is not there: a package or a file step must bring it first\\n' ${p.file} >&2; exit 1; }
${editFile(
  p.file,
  sh`
{
  printf '%s\\n' old ${p.section} ${p.key} "$(tail -c 1 old | wc -l)" ${p.absent ? 1 : 0}
  cat
} | LC_ALL=C awk ${writer} >"./$name" || exit`,
)}`;
    return withInput(script, p.absent ? '\n' : text`${p.key}${p.separator}${value}\n`);
  },
});

/** A secret, and what stands in its place, are only compared. */
function safe(found: string, wanted: Text | undefined): Json {
  if (!(wanted instanceof Secret)) return found;
  return found === wanted.reveal() ? 'current' : 'other';
}

// A schema cannot look into a secret.
function line<T extends Text>(value: T | undefined): T | '' {
  if (value !== undefined && /[\r\n\0]|^\s|\s$/.test(reveal(value)))
    throw new Invalid([{ code: 'bad-value', message: 'The value of an ini-setting is one line without blanks around it' }]);
  return value ?? '';
}
