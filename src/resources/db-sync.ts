import { type Command, raw, sh, withTimeout } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';
import { putRecord } from './put.ts';

const records = '/var/lib/cellwise/db-sync';

/**
 * The tables of a service at the version of its programs. Migrations go one way only.
 *
 * Asking the service itself (`db_sync --check`) costs seconds of Python a look. So the version of its programs and that of
 * its tables are recorded on the host once a migration has gone well, and as long as neither is another one, nothing is
 * due. A database that is lost or restored from a backup, and programs that are upgraded, are both seen.
 */
export const dbSync = defineResource({
  type: 'db-sync',
  summary: 'The database schema of a service, brought to the version of its installed programs. It cannot be taken back.',
  nameParam: 'service',
  scope: 'cluster',
  identity: (p) => (p.expand ? `${p.service} expanded` : p.service),
  irreversible: (p) => !p.expand,
  params: {
    type: 'object',
    required: ['service', 'command', 'package'],
    additionalProperties: false,
    properties: {
      service: { type: 'string', pattern: '^[a-z][a-z0-9_-]*$', description: 'The service.' },
      command: {
        type: 'string',
        minLength: 1,
        description: 'Shell command that migrates, e.g. keystone-manage db_sync. Run once too often it changes nothing.',
      },
      package: {
        type: 'string',
        pattern: '^[a-z0-9][a-z0-9.+-]*$',
        description: 'The package that brings the migrations, e.g. python3-keystone.',
      },
      databases: {
        type: 'array',
        minItems: 1,
        items: { type: 'string', minLength: 1 },
        description: 'Its databases in MariaDB, on this host; one of the service’s name when left out.',
      },
      options: {
        type: 'string',
        pattern: '^/[A-Za-z0-9/._-]+$',
        description: 'File of options for MariaDB’s client, where the databases are on another host.',
      },
      user: { type: 'string', description: 'Who runs the command; the user of the service’s name when left out.' },
      expand: {
        type: 'boolean',
        default: false,
        description: 'The command only adds what new programs need, and old ones go on. What is left is another step.',
      },
      timeout: { type: 'integer', minimum: 1, default: 1800, description: 'Seconds.' },
    },
  },
  desired: () => ({ synced: true }),
  probe: (p) => sh`
${versions(p)}
versions || exit
for record in ${recordsOf(p).map((name) => `${records}/${name}`)}; do [ "$now" != "$(cat "$record" 2>/dev/null)" ] || { echo same; exit; }; done
echo other`,
  parse: (output): Found => {
    const said = output.out.toString().trim();
    if (output.code === 0) return { synced: said === 'same' };
    return { unknown: output.err.toString().trim().split('\n').at(-1) ?? `exit code ${output.code}` };
  },
  apply: (p) =>
    withTimeout(
      sh`
${versions(p)}
( cd / && exec runuser -u ${p.user ?? p.service} -- sh -c ${p.command} ) </dev/null || exit
versions || exit
${putRecord(records, recordsOf(p).at(-1)!, raw('"$now"'))}`,
      p.timeout,
    ),
});

/** The names under which it is written down; what is migrated as a whole is expanded as well. */
function recordsOf({ service, expand }: { readonly service: string; readonly expand: boolean }): string[] {
  return [service, ...(expand ? [`${service}.expanded`] : [])];
}

interface Versions {
  readonly service: string;
  readonly package: string;
  readonly databases?: readonly string[];
  readonly options?: string;
}

/** Defines the shell function that puts the version of the programs and of the tables into `now`. */
function versions(p: Versions): Command {
  const rows = (p.databases ?? [p.service]).map(
    (name) => `SELECT version_num FROM \`${name.replaceAll('`', '``')}\`.alembic_version ORDER BY 1;`,
  );
  const client = [...(p.options === undefined ? [] : [`--defaults-extra-file=${p.options}`]), '-NB', '--connect-timeout=10'];
  // No table of versions (error 1146) is a database that was never migrated; any other error is one.
  return sh`
versions() {
  command -v mariadb >/dev/null || { echo 'MariaDB is not installed on this host' >&2; return 1; }
  programs=$(dpkg-query -W -f '\${db:Status-Status} \${Version}' -- ${p.package} 2>/dev/null)
  case $programs in 'installed '*) ;; *) printf '%s is not installed\n' ${p.package} >&2; return 1 ;; esac
  tables=$(printf %s ${rows.join('\n')} | mariadb ${client} 2>&1)
  case $? in
  0) ;;
  *) case $tables in *'ERROR 1146 '*) tables=none ;; *) printf '%s\n' "$tables" >&2; return 1 ;; esac ;;
  esac
  now="$programs
$tables"
}`;
}
