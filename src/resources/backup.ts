import { raw, sh, withTimeout } from '../base/command.ts';
import type { State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';
import { makeDirectories, putTree } from './put.ts';

/**
 * Copies of databases and files, to come back to where there is no way back. A copy counts once it was read again: a dump
 * that ends as MariaDB ends dumps, with as many tables as the database has; an archive that can be listed. Those of before
 * are replaced when all new ones are good.
 */
export const backup = defineResource({
  type: 'backup',
  summary: 'Copies of databases and files of this host, each read again before it counts, and made anew when they are too old.',
  nameParam: 'name',
  slow: true,
  params: {
    type: 'object',
    required: ['name'],
    additionalProperties: false,
    properties: {
      name: { type: 'string', pattern: '^[a-z0-9][a-z0-9.-]*$', description: 'The directory of these copies, below `directory`.' },
      databases: {
        type: 'array',
        items: { type: 'string', pattern: '^[A-Za-z0-9_]+$' },
        default: [],
        description: 'Databases in MariaDB on this host; each is a file NAME.sql.gz.',
      },
      paths: {
        type: 'array',
        items: { type: 'string', pattern: '^/.' },
        default: [],
        description: 'Files and directories; all are in files.tar.gz, with owners and modes.',
      },
      directory: { type: 'string', pattern: '^/.', default: '/var/backups/cellwise', description: 'Where copies are kept; for root only.' },
      max_age: { type: 'integer', minimum: 1, default: 24, description: 'Hours after which copies are made anew.' },
      timeout: { type: 'integer', minimum: 1, default: 7200, description: 'Seconds.' },
    },
  },
  identity: (p) => `${p.directory}/${p.name}`,
  desired: (p): State => ({ age: 'fresh', copies: Object.fromEntries(copies(p).map((file) => [file, 'readable'])) }),
  probe: (p) => sh`
cd -- ${p.directory}/${p.name} 2>/dev/null || { echo none; exit 0; }
[ -z "$(find . -maxdepth 0 -mmin -${p.max_age * 60})" ] && echo "older than ${p.max_age} hours" || echo fresh
${reading}
for file in ${copies(p)}; do
  [ -e "$file" ] || continue
  readable "$file" && echo "$file readable" || echo "$file broken"
done`,
  parse: (output): Found => {
    if (output.code !== 0) return { unknown: output.err.toString().trim() || `exit code ${output.code}` };
    const [age = '', ...files] = output.out.toString().trimEnd().split('\n');
    return age === 'none' ? null : { age, copies: Object.fromEntries(files.map((line) => line.split(' ') as [string, string])) };
  },
  apply: (p) =>
    withTimeout(
      sh`
${reading}
fail() { printf '%s\\n' "$1" >&2; exit 1; }
${makeDirectories(p.directory)} || exit
${putTree(
  `${p.directory}/${p.name}`,
  sh`
for database in ${p.databases}; do
  about=$(mariadb -NB --connect-timeout=10 -e "SELECT COUNT(*), CEIL(COALESCE(SUM(data_length), 0) / 1024) FROM information_schema.tables
WHERE table_schema = '$database' AND table_type = 'BASE TABLE'") || fail 'MariaDB does not answer'
  tables=\${about%%	*} size=\${about##*	}
  free=$(df --output=avail -k . | tail -n 1)
  [ "$free" -gt "$((size + 102400))" ] || fail "$database has $((size / 1024)) MiB, and only $((free / 1024)) MiB are free in ${p.directory}"
  mariadb-dump --single-transaction --quick --routines --events --databases "$database" | gzip -1 >"$database.sql.gz"
  readable "$database.sql.gz" || fail "The dump of $database cannot be read again"
  copied=$(gzip -cd "$database.sql.gz" | grep -c '^CREATE TABLE ')
  [ "$copied" -ge "$tables" ] || fail "The dump of $database has $copied tables of $tables"
done
${
  p.paths.length === 0
    ? raw(':')
    : sh`tar --acls --xattrs -C / -czf files.tar.gz -- ${p.paths.map((path) => path.slice(1))} && readable files.tar.gz || fail 'The archive of files cannot be made'`
}
`,
)}`,
      p.timeout,
    ),
});

function copies(p: { readonly databases: readonly string[]; readonly paths: readonly string[] }): string[] {
  return [...p.databases.map((name) => `${name}.sql.gz`), ...(p.paths.length > 0 ? ['files.tar.gz'] : [])];
}

// A dump that was cut off has no last line; an archive that was, cannot be listed to its end.
const reading = sh`
readable() {
  case $1 in
  *.sql.gz) gzip -cd -- "$1" 2>/dev/null | tail -n 1 | grep -q '^-- Dump completed' && gzip -t -- "$1" 2>/dev/null ;;
  *) tar -tzf "$1" >/dev/null 2>&1 ;;
  esac
}`;
