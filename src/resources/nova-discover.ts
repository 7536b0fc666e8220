import { sh, withInput, withTimeout } from '../base/command.ts';
import { text } from '../base/secret.ts';
import { defineResource, type Found } from './define.ts';

/** Compute hosts of a cell that have announced themselves there: Nova puts no machine on one that is not mapped to its cell. */
export const novaDiscover = defineResource({
  type: 'nova-discover',
  summary: 'All compute hosts that run in a cell are mapped to it, so that machines can be put on them.',
  nameParam: 'cell',
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['cell', 'database', 'address', 'user', 'password'],
    additionalProperties: false,
    properties: {
      cell: { type: 'string', pattern: '^[a-z0-9-]{1,255}$', description: 'The cell’s name.' },
      database: { type: 'string', pattern: '^[A-Za-z0-9_]+$', description: 'Its database, e.g. nova.' },
      address: { type: 'string', format: 'ipv4', description: 'Where MariaDB has it. The API’s own database is in MariaDB on this host.' },
      port: { type: 'integer', default: 3306, description: 'TCP port there.' },
      user: { type: 'string', pattern: '^[A-Za-z0-9_-]+$', description: 'Who may read it.' },
      password: { type: 'string', format: 'secret', description: 'The password of this user.' },
    },
  },
  desired: () => ({ unmapped: [] }),
  // Nova's own programs need seconds to say the same.
  probe: (p) =>
    withInput(
      sh`command -v mariadb >/dev/null || { echo 'MariaDB is not installed on this host' >&2; exit 127; }
mariadb --defaults-extra-file=/dev/stdin -NB --connect-timeout=10 -e ${`SELECT DISTINCT 'runs', host FROM ${p.database}.services WHERE \`binary\` = 'nova-compute' AND deleted = 0`} || exit
mariadb -NB --connect-timeout=10 -e "SELECT 'mapped', host FROM nova_api.host_mappings" </dev/null`,
      text`[client]
host = ${p.address}
port = ${p.port}
user = ${p.user}
password = "${p.password}"
`,
    ),
  parse: (output): Found => {
    if (output.code !== 0) return { unknown: output.err.toString().trim() || 'MariaDB does not answer' };
    const rows = output.out
      .toString()
      .split('\n')
      .map((row) => row.split('\t'));
    const hosts = (what: string): string[] => rows.flatMap(([kind, host = '']) => (kind === what ? [host] : []));
    const mapped = new Set(hosts('mapped'));
    return {
      unmapped: hosts('runs')
        .filter((host) => !mapped.has(host))
        .toSorted(),
    };
  },
  apply: (p) =>
    withTimeout(
      sh`
uuid=$(printf "SELECT uuid FROM nova_api.cell_mappings WHERE name = '%s'" ${p.cell} | mariadb -NB --connect-timeout=10) || exit
[ -n "$uuid" ] || { printf 'Nova knows no cell %s\\n' ${p.cell} >&2; exit 1; }
cd / && runuser -u nova -- nova-manage cell_v2 discover_hosts --by-service --cell_uuid "$uuid" --verbose`,
      600,
    ),
});
