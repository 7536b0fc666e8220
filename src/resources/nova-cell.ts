import { type Command, sh, withInput, withTimeout } from '../base/command.ts';
import { reveal, shown, text, type Text } from '../base/secret.ts';
import { defineResource, type Found } from './define.ts';

/**
 * A cell as Nova's API knows it. URLs of the cell that the API shares its database and queue with can be templates that Nova
 * fills in from its own configuration, e.g. `{password}`: so there is no secret in the table, and none to be changed there
 * when one is rotated. Others have their passwords in them, and show no more than whose they are.
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
  return p.cell === 'cell0'
    ? manage(sh`map_cell0`, text`--database_connection\n${p.database}\n`)
    : manage(sh`create_cell --name ${p.cell}`, urls(p));
}

function updated(p: Mapping): Command {
  const uuid = sh`"$(printf "SELECT uuid FROM nova_api.cell_mappings WHERE name = '%s'" ${p.cell} | mariadb -NB)"`;
  // cell0 is never disabled, and Nova refuses to be told so.
  const enable = p.cell === 'cell0' ? [] : ['--enable'];
  return manage(sh`update_cell --cell_uuid ${uuid} --name ${p.cell} ${enable}`, urls(p));
}

function urls({ database, queue }: Mapping): Text {
  return text`--database_connection\n${database}\n--transport-url\n${queue}\n`;
}

function query(sql: string): Command {
  return withInput(
    sh`command -v mariadb >/dev/null || { echo 'MariaDB is not installed on this host' >&2; exit 127; }
mariadb -NB --connect-timeout=10`,
    sql,
  );
}

/** What the table has, as people may see it: only whether it is what is wanted, as there may be a password in it. */
function told(found: string, wanted: Text): string {
  return found === reveal(wanted) ? shown(wanted) : 'another';
}

/**
 * `options`: a line each, as URLs have passwords in them. They are given as arguments, but not as arguments of a process, which
 * everybody sees. As configuration they would be those of the API's own database and queue, by which templates of other cells are
 * filled in.
 */
function manage(words: Command, options: Text): Command {
  const program = `import sys
from nova.cmd.manage import main
sys.argv = ['nova-manage', *sys.argv[1:], *sys.stdin.read().splitlines()]
sys.exit(main())`;
  return withInput(sh`( cd / && exec runuser -u nova -- python3 -c ${program} cell_v2 ${words} )`, options);
}
