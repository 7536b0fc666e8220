import { sh } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';
import { putFile, removeFile } from './put.ts';

const mirror = 'that of the node';

// Prints the URI and the key of the node's own Debian source, from .sources and one-line files: the first that is not
// ours; of the security archive when `security` is 1. POSIX awk.
const finder = String.raw`
function fits(uri) { return ((uri ~ /security/) + 0) == security && uri ~ /^(https?|mirror\+file|file|copy|ftp|tor\+https?):/ }
function offer() {
  if (types ~ /(^| )deb( |$)/ && enabled != "no") {
    n = split(uris, list, " ")
    for (i = 1; i <= n; i++) if (!found && fits(list[i])) { found = list[i]; key = signed }
  }
  types = uris = signed = enabled = ""
}
FNR == 1 { offer(); modern = FILENAME ~ /\.sources$/ }
!modern && $1 == "deb" {
  line = $0; sub(/^[ \t]*deb[ \t]+/, "", line); signed = ""
  if (line ~ /^\[/) {
    if (match(line, /signed-by=[^] ]+/)) signed = substr(line, RSTART + 10, RLENGTH - 10)
    sub(/^\[[^]]*\][ \t]*/, "", line)
  }
  types = "deb"; uris = line; sub(/[ \t].*/, "", uris); offer()
}
modern && /^[ \t]*$/ { offer() }
modern && /^[A-Za-z-]+:/ {
  name = tolower(substr($0, 1, index($0, ":") - 1)); value = substr($0, index($0, ":") + 1); sub(/^[ \t]+/, "", value)
  if (name == "types") types = value
  if (name == "uris") uris = value
  if (name == "signed-by" && value ~ /^\//) signed = value
  if (name == "enabled") enabled = value
}
END { offer(); print found; print key }`;

/** One more Debian suite for apt, from the mirror that the node has already, and how much it is preferred. */
export const aptSource = defineResource({
  type: 'apt-source',
  summary: 'A suite of the distribution as a source of packages, from the mirror that the node uses already, with its priority.',
  nameParam: 'name',
  phase: 'sources',
  params: {
    type: 'object',
    required: ['name', 'suite'],
    additionalProperties: false,
    properties: {
      name: { type: 'string', pattern: '^[a-z0-9][a-z0-9_-]*$', description: 'Name of the files: cellwise-NAME.' },
      suite: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9.-]*$', description: 'Code name or suite, e.g. trixie-backports.' },
      components: {
        type: 'array',
        minItems: 1,
        items: { type: 'string', pattern: '^[a-z0-9/-]+$' },
        default: ['main'],
        description: 'Parts of the archive.',
      },
      priority: { type: 'integer', description: 'Pin priority of the whole suite; below 100: only what is asked for comes from it.' },
      pins: {
        type: 'array',
        description: 'Packages of this suite with a priority of their own.',
        items: {
          type: 'object',
          required: ['packages', 'priority'],
          additionalProperties: false,
          properties: {
            packages: {
              type: 'array',
              minItems: 1,
              items: { type: 'string', pattern: '^[A-Za-z0-9.+*?:/-]+$' },
              description: 'Names; `*` is allowed in them.',
            },
            priority: { type: 'integer', description: 'Pin priority.' },
          },
        },
      },
      check_valid_until: {
        type: 'boolean',
        default: true,
        description: 'False accepts an archive whose index is past its date: a frozen mirror.',
      },
    },
  },
  desired: (p) => ({ mirror, source: source(p), preferences: preferences(p) }),
  probe: (p) => sh`
${find(p.suite)}
printf '%s\\n%s\\n' "$uri" "$key"
cat ${sourceFile(p.name)} 2>/dev/null
printf '\\0'
cat ${preferencesFile(p.name)} 2>/dev/null
exit 0`,
  parse: (output, p): Found => {
    const [first = '', present = ''] = output.out.toString().split('\0');
    const [uri = '', key = '', ...lines] = first.split('\n');
    if (lines.join('') === '' && present === '') return null;
    const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
    const same = uri !== '' && field('URIs') === uri && field('Signed-By') === key;
    const rest = lines.filter((line) => !/^(URIs|Signed-By): /.test(line)).join('\n');
    return {
      mirror: same ? mirror : field('URIs') || 'none',
      source: rest,
      preferences: present || preferences({ ...p, priority: undefined, pins: undefined }),
    };
  },
  apply: (p) => sh`
set -e
${find(p.suite)}
if [ -z "$uri" ]; then
  echo 'No Debian source on this host tells which mirror it uses: see /etc/apt/sources.list and /etc/apt/sources.list.d' >&2
  exit 1
fi
${putFile({
  path: sourceFile(p.name),
  owner: 'root:root',
  mode: '0644',
  content: sh`
  printf '%s' ${source(p)} &&
  printf 'URIs: %s\\n' "$uri" &&
  { [ -z "$key" ] || printf 'Signed-By: %s\\n' "$key"; }`,
})}
${
  preferences(p) === ''
    ? removeFile(preferencesFile(p.name))
    : putFile({ path: preferencesFile(p.name), owner: 'root:root', mode: '0644', content: sh`printf '%s' ${preferences(p)}` })
}`,
});

/** Sets $uri and $key of the node's own archive, or of its security archive for a suite of that. */
function find(suite: string) {
  return sh`
found=$(for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  case $file in */cellwise-*) continue ;; esac
  [ ! -f "$file" ] || printf '%s\\n' "$file"
done | { while IFS= read -r file; do set -- "$@" "$file"; done; LC_ALL=C awk ${finder} security=${/-security$/.test(suite) ? 1 : 0} "$@" </dev/null; })
uri=$(printf '%s\\n' "$found" | sed -n 1p)
key=$(printf '%s\\n' "$found" | sed -n 2p)`;
}

interface Source {
  readonly suite: string;
  readonly components: readonly string[];
  readonly priority?: number | undefined;
  readonly pins?: readonly { readonly packages: readonly string[]; readonly priority: number }[] | undefined;
  readonly check_valid_until: boolean;
}

/** The deb822 text but for what is the node's own: URI and key. */
function source(p: Source): string {
  const dated = p.check_valid_until ? '' : 'Check-Valid-Until: no\n';
  return `Types: deb\nSuites: ${p.suite}\nComponents: ${p.components.join(' ')}\n${dated}`;
}

function preferences(p: Source): string {
  // Archive names and code names are different fields of a release.
  const pin = `Pin: release ${/^(old)*(stable|testing|unstable|experimental)\b/.test(p.suite) ? 'a' : 'n'}=${p.suite}\n`;
  const all = [...(p.pins ?? []), ...(p.priority === undefined ? [] : [{ packages: ['*'], priority: p.priority }])];
  return all.map((entry) => `Package: ${entry.packages.join(' ')}\n${pin}Pin-Priority: ${entry.priority}\n`).join('\n');
}

function sourceFile(name: string) {
  return `/etc/apt/sources.list.d/cellwise-${name}.sources`;
}

function preferencesFile(name: string) {
  return `/etc/apt/preferences.d/cellwise-${name}`;
}
