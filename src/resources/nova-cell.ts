import { type Command, sh, withInput, withTimeout } from '../base/command.ts';
import { reveal, shown, text, type Text } from '../base/secret.ts';
import { defineResource, type Found } from './define.ts';

/**
 * A cell as Nova's API knows it. URLs of the cell that the API shares its database and queue with are templates that Nova
 * fills in from its own configuration, e.g. `{password}`: so there is no secret in the table, and none to be changed there
 * when one is rotated. Those of other cells have their passwords in them, and show no more than whose they are.
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
      database: {
        type: 'string',
        format: 'text',
        pattern: "^[^:']+://[^']+$",
        description: 'URL of its database; {username}, {password} and so on are those of the API’s own.',
      },
      queue: {
        type: 'string',
        format: 'text',
        pattern: "^[^:']+://[^']*$",
        description: 'URL of its message queue, likewise; none:/// for cell0, which has none.',
      },
    },
  },
  desired: (p) => ({ database: shown(p.database), queue: shown(p.queue), disabled: '0' }),
  probeAll: () => query('SELECT name, database_connection, transport_url, disabled FROM nova_api.cell_mappings;'),
  parseAll: (output, all) => {
    if (output.code !== 0) return all.map(() => ({ unknown: output.err.toString().trim() || 'MariaDB does not answer' }));
    const rows = output.out.toString().split('\n');
    const cells = new Map(
      rows
        .map((row) => row.split('\t'))
        .map(([name = '', database = '', queue = '', disabled = '']) => [name, { database, queue, disabled }]),
    );
    return all.map((p): Found => {
      const found = cells.get(p.cell);
      return found ? { ...found, database: told(found.database, p.database), queue: told(found.queue, p.queue) } : null;
    });
  },
  apply: (p, change) => withTimeout(change.before === null ? added(p) : updated(p), 300),
});

interface Mapping {
  readonly cell: string;
  readonly database: Text;
  readonly queue: Text;
}

function added(p: Mapping): Command {
  // A Secret is refused here; the database of cell0 is always beside the API's own.
  if (p.cell === 'cell0')
    return sh`( cd / && exec runuser -u nova -- nova-manage cell_v2 map_cell0 --database_connection ${p.database as string} )`;
  return manage(sh`create_cell --name ${p.cell}`, p);
}

function updated(p: Mapping): Command {
  return manage(
    sh`update_cell --cell_uuid "$(printf "SELECT uuid FROM nova_api.cell_mappings WHERE name = '%s'" ${p.cell} | mariadb -NB)" --name ${p.cell} --enable`,
    p,
  );
}

function query(sql: string): Command {
  return withInput(
    sh`command -v mariadb >/dev/null || { echo 'MariaDB is not installed on this host' >&2; exit 127; }
mariadb -NB --connect-timeout=10`,
    sql,
  );
}

/** What the table has, as people may see it: with a password in it, only whether it is the one that is wanted. */
function told(found: string, wanted: Text): string {
  if (typeof wanted === 'string') return found;
  return found === reveal(wanted) ? wanted.shown : 'another';
}

/**
 * URLs are given as arguments, but not as arguments of a process, which everybody sees. As configuration they would be those
 * of the API's own database and queue, by which templates of other cells are filled in.
 */
function manage(words: Command, { database, queue }: Mapping): Command {
  const program = `import sys
from nova.cmd.manage import main
database, queue = sys.stdin.read().splitlines()
sys.argv = ['nova-manage', *sys.argv[1:], '--database_connection', database, '--transport-url', queue]
sys.exit(main())`;
  return withInput(sh`( cd / && exec runuser -u nova -- python3 -c ${program} cell_v2 ${words} )`, text`${database}\n${queue}\n`);
}
