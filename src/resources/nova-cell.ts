import { type Command, sh, withInput, withTimeout } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';

/**
 * A cell as Nova's API knows it. Both URLs are templates that Nova fills in from its own configuration, e.g. `{password}`:
 * so there is no secret in the table, and none to be changed there when one is rotated.
 */
export const novaCell = defineResource({
  type: 'nova-cell',
  summary: 'A cell that Nova’s API knows of, with its database and message queue. cell0 keeps the machines that found no host.',
  nameParam: 'cell',
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['cell', 'database', 'queue'],
    additionalProperties: false,
    properties: {
      cell: { type: 'string', pattern: '^[a-z0-9-]{1,255}$', description: 'Its name.' },
      database: { type: 'string', pattern: "^[^:']+://[^']+$", description: 'URL of its database, with {username} and {password}.' },
      queue: {
        type: 'string',
        pattern: "^[^:']+://[^']*$",
        description: 'URL of its message queue, with {username} and {password}; none:/// for cell0, which has none.',
      },
    },
  },
  desired: (p) => ({ database: p.database, queue: p.queue, disabled: '0' }),
  probeAll: () => query('SELECT name, database_connection, transport_url, disabled FROM nova_api.cell_mappings;'),
  parseAll: (output, all) => {
    if (output.code !== 0) return all.map(() => ({ unknown: output.err.toString().trim() || 'MariaDB does not answer' }));
    const rows = output.out.toString().split('\n');
    const cells = new Map(
      rows
        .map((row) => row.split('\t'))
        .map(([name = '', database = '', queue = '', disabled = '']) => [name, { database, queue, disabled }]),
    );
    return all.map((p): Found => cells.get(p.cell) ?? null);
  },
  apply: (p, change) =>
    withTimeout(
      change.before === null
        ? p.cell === 'cell0'
          ? manage(sh`map_cell0 --database_connection ${p.database}`)
          : manage(sh`create_cell --name ${p.cell} --database_connection ${p.database} --transport-url ${p.queue}`)
        : sh`
uuid=$(printf "SELECT uuid FROM nova_api.cell_mappings WHERE name = '%s'" ${p.cell} | mariadb -NB --connect-timeout=10) || exit
${manage(sh`update_cell --cell_uuid "$uuid" --name ${p.cell} --database_connection ${p.database} --transport-url ${p.queue} --enable`)}`,
      300,
    ),
});

function query(sql: string): Command {
  return withInput(
    sh`command -v mariadb >/dev/null || { echo 'MariaDB is not installed on this host' >&2; exit 127; }
mariadb -NB --connect-timeout=10`,
    sql,
  );
}

function manage(words: Command): Command {
  return sh`( cd / && exec runuser -u nova -- nova-manage cell_v2 ${words} )`;
}
