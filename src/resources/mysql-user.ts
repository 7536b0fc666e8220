import { createHash } from 'node:crypto';
import { sh, withInput } from '../base/command.ts';
import { reveal, text, type Text } from '../base/secret.ts';
import type { State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';

// In this mode a quote is the only character that means something in a string, whatever the server's default is.
// The client's --binary-mode keeps a carriage return before a newline, and takes no command of its own for one.
const mode = "SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES';";

/** A user of MariaDB: its password and exactly these grants. The password itself is never sent, only its hash. */
export const mysqlUser = defineResource({
  type: 'mysql-user',
  summary: 'A user of MariaDB with its password and exactly these grants.',
  nameParam: 'user',
  identity: (p) => `${p.user}@${p.host}`,
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['user'],
    anyOf: [{ required: ['password'] }, { required: ['absent'] }],
    additionalProperties: false,
    properties: {
      user: { type: 'string', maxLength: 128, pattern: '^[^\\0]*$', description: 'Its name.' },
      host: {
        type: 'string',
        maxLength: 255,
        pattern: '^[^\\0]+$',
        default: '%',
        description: 'Where it connects from: a pattern as MariaDB has it.',
      },
      password: { type: 'string', format: 'secret', description: 'Its password.' },
      grants: {
        type: 'array',
        default: [],
        description: 'What it may do.',
        items: {
          type: 'object',
          required: ['on'],
          additionalProperties: false,
          properties: {
            on: { type: 'string', pattern: '^[^\\0\\\\/]{1,64}\\.\\*$', description: '`DATABASE.*`, or `*.*` for all.' },
            privileges: {
              type: 'string',
              pattern: '^[A-Za-z, ]+$',
              description: 'ALL (when left out), or names with commas between them.',
            },
          },
        },
      },
      absent: { type: 'boolean', description: 'The user must not be there.' },
    },
  },
  desired: (p): State | null => {
    if (p.absent) return null;
    return { password: 'current', grants: Object.fromEntries(p.grants.map((grant) => [grant.on, privileges(grant.privileges ?? 'ALL')])) };
  },
  // SHOW GRANTS fails for a user who is not there: --force goes on with the next one.
  probeAll: (all) =>
    withInput(
      sh`command -v mariadb >/dev/null || { echo 'MariaDB is not installed on this host' >&2; exit 127; }
mariadb -NB --connect-timeout=10 --default-character-set=utf8mb4 -e 'SELECT 1' >/dev/null || exit
mariadb --force -NB --binary-mode --connect-timeout=10 --default-character-set=utf8mb4 2>/dev/null
exit 0`,
      [
        mode,
        ...all.flatMap((p, i) => [
          `SELECT 'user', ${i}, plugin, authentication_string FROM mysql.user WHERE user = ${string(p.user)} AND host = ${string(p.host)};`,
          `SHOW GRANTS FOR ${account(p)};`,
          '',
        ]),
      ].join('\n'),
    ),
  parseAll: (output, all) => {
    if (output.code !== 0) return all.map(() => ({ unknown: output.err.toString().trim() || 'MariaDB does not answer' }));
    const users = new Map<number, { password: string; grants: Record<string, string> }>();
    let grants: Record<string, string> = {};
    for (const row of output.out.toString().split('\n')) {
      const [mark, i, plugin, hash = ''] = row.split('\t');
      if (mark === 'user') {
        grants = {};
        users.set(Number(i), { password: plugin === 'mysql_native_password' ? hash : 'other', grants });
      } else addGrant(grants, unescape(row));
    }
    return all.map((p, i): Found => {
      const found = users.get(i);
      return found ? { password: found.password === hashed(p.password ?? '') ? 'current' : 'other', grants: found.grants } : null;
    });
  },
  apply: (p, change) => {
    const who = account(p);
    const differs = new Set(change.differences.map((difference) => difference.key));
    const before = (change.before?.['grants'] ?? {}) as Readonly<Record<string, string>>;
    const after = (change.after?.['grants'] ?? {}) as Readonly<Record<string, string>>;
    const verb = change.before === null ? 'CREATE' : 'ALTER';
    const statements: Text[] = [mode];
    if (p.absent) statements.push(`DROP USER ${who};`);
    else {
      if (differs.has('password'))
        statements.push(text`${verb} USER ${who} IDENTIFIED VIA mysql_native_password USING '${hashedText(p.password ?? '')}';`);
      for (const on of Object.keys(before)) {
        if (before[on] !== after[on]) statements.push(`REVOKE ALL PRIVILEGES ON ${target(on)} FROM ${who};`);
        if (before[on] !== after[on] && before[on]?.endsWith(grantable))
          statements.push(`REVOKE GRANT OPTION ON ${target(on)} FROM ${who};`);
      }
      for (const [on, what] of Object.entries(after)) if (before[on] !== what) statements.push(`GRANT ${what} ON ${target(on)} TO ${who};`);
    }
    return withInput(
      sh`mariadb -NB --binary-mode --connect-timeout=10 --default-character-set=utf8mb4`,
      statements.reduce((all, statement) => text`${all}\n${statement}`, ''),
    );
  },
});

const grantable = ' WITH GRANT OPTION';

/** Reads `GRANT privileges ON target TO …` into target → privileges; the empty grant that every user has is left out. */
function addGrant(grants: Record<string, string>, row: string): void {
  const found = /^GRANT (.+?) ON ((?:[A-Z]+ )?(?:\*|`(?:[^`]|``)*`)\.(?:\*|`(?:[^`]|``)*`)) TO /s.exec(row);
  if (!found || found[1] === 'USAGE') return;
  const on = found[2]!.endsWith('.*') ? name(found[2]!.slice(0, -2)) + '.*' : found[2]!;
  grants[on] = privileges(found[1]!) + (row.endsWith(grantable) ? grantable : '');
}

// In grants on a database `_` and `%` are wildcards unless they are escaped. Whoever writes nova_api means nova_api.
function name(quoted: string): string {
  if (quoted === '*') return '*';
  const plain = quoted.slice(1, -1).replaceAll('``', '`');
  return /(^|[^\\])[_%]/.test(plain) ? `pattern ${plain}` : plain.replace(/\\([_%])/g, '$1');
}

function target(on: string): string {
  if (!on.endsWith('.*')) return on;
  const database = on.slice(0, -2);
  if (database === '*') return '*.*';
  const pattern = database.startsWith('pattern ') ? database.slice(8) : database.replace(/[_%]/g, String.raw`\$&`);
  return `\`${pattern.replaceAll('`', '``')}\`.*`;
}

/** As MariaDB writes them, in alphabetical order. */
function privileges(list: string): string {
  const names = list
    .toUpperCase()
    .split(',')
    .map((one) => one.trim().replace(/\s+/g, ' '));
  return names.some((one) => one === 'ALL' || one === 'ALL PRIVILEGES') ? 'ALL PRIVILEGES' : names.toSorted().join(', ');
}

function account(p: { readonly user: string; readonly host: string }): string {
  return `${string(p.user)}@${string(p.host)}`;
}

function string(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** What the client prints: tabs, newlines and backslashes are escaped. */
function unescape(row: string): string {
  return row.replace(/\\([nt0\\])/g, (_, letter: string) => ({ n: '\n', t: '\t', '0': '\0' })[letter] ?? letter);
}

/** mysql_native_password: `*` and the SHA-1 of the SHA-1. */
function hashed(password: Text): string {
  return `*${createHash('sha1')
    .update(createHash('sha1').update(reveal(password)).digest())
    .digest('hex')
    .toUpperCase()}`;
}

function hashedText(password: Text): Text {
  return typeof password === 'string' ? hashed(password) : password.map(hashed);
}
