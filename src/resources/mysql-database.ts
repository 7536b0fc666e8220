import { sh, withInput } from '../base/command.ts';
import { defineResource, type Found } from './define.ts';

/** A database of MariaDB. It holds data, so there is no way to remove it here. */
export const mysqlDatabase = defineResource({
  type: 'mysql-database',
  summary: 'A database of MariaDB with its character set and collation. Existing tables keep theirs.',
  nameParam: 'database',
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['database'],
    additionalProperties: false,
    properties: {
      database: { type: 'string', minLength: 1, maxLength: 64, pattern: '[^ ]$', description: 'Its name.' },
      charset: { type: 'string', pattern: '^[a-z0-9]+$', default: 'utf8mb4', description: 'Character set of new tables.' },
      collate: { type: 'string', pattern: '^[a-z0-9_]+$', default: 'utf8mb4_general_ci', description: 'Collation of new tables.' },
    },
  },
  desired: (p) => ({ charset: modern(p.charset), collate: modern(p.collate) }),
  probeAll: (all) =>
    withInput(
      sh`command -v mariadb >/dev/null || { echo 'MariaDB is not installed on this host' >&2; exit 127; }
mariadb -NB --connect-timeout=10`,
      `SELECT HEX(schema_name), default_character_set_name, default_collation_name FROM information_schema.schemata
WHERE HEX(CAST(schema_name AS BINARY)) IN (${all.map((p) => `'${hex(p.database)}'`).join(', ')});\n`,
    ),
  parseAll: (output, all) => {
    if (output.code !== 0) return all.map(() => ({ unknown: output.err.toString().trim() || 'MariaDB does not answer' }));
    const rows = output.out.toString().split('\n');
    const found = new Map(
      rows.map((row) => row.split('\t')).map(([name = '', charset = '', collate = '']) => [name, { charset, collate }]),
    );
    return all.map((p): Found => found.get(hex(p.database)) ?? null);
  },
  apply: (p, change) =>
    withInput(
      sh`mariadb -NB --binary-mode --connect-timeout=10 --default-character-set=utf8mb4`,
      `${change.before === null ? 'CREATE' : 'ALTER'} DATABASE ${identifier(p.database)} CHARACTER SET ${p.charset} COLLATE ${p.collate};\n`,
    ),
});

/** MariaDB has called what used to be utf8 utf8mb3 since 10.6. */
function modern(name: string): string {
  return name.replace(/^utf8(?=_|$)/, 'utf8mb3');
}

function hex(value: string): string {
  return Buffer.from(value).toString('hex').toUpperCase();
}

function identifier(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}
