import { type Command, raw, sh } from '../base/command.ts';
import type { Change, State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';
import { putFile, removeFile } from './put.ts';

/** A user of the host. Only what is given is kept; a new user has no password and cannot log in by one. */
export const user = defineResource({
  type: 'user',
  summary: 'A user of the host: groups, home, shell, SSH keys, sudo. Only what is given is kept.',
  nameParam: 'name',
  light: true,
  params: {
    type: 'object',
    required: ['name'],
    additionalProperties: false,
    properties: {
      name: { type: 'string', pattern: '^[a-z_][a-z0-9_-]{0,31}$', description: 'Login name.' },
      uid: { type: 'integer', minimum: 1, description: 'Number; any when left out.' },
      group: { type: 'string', description: 'Primary group; one of the user’s own name when left out.' },
      groups: { type: 'array', items: { type: 'string' }, description: 'Groups the user is in, at least.' },
      home: { type: 'string', pattern: '^/[^:\\n]*$', description: 'Home directory. Changing it moves no files.' },
      shell: { type: 'string', pattern: '^/[^:\\n]*$', description: 'Login shell.' },
      system: { type: 'boolean', description: 'Make it as a system user: number of that range, no home made.' },
      ssh_keys: {
        type: 'array',
        items: { type: 'string', pattern: '^[^\\n#]+$' },
        description: 'The lines of ~/.ssh/authorized_keys: exactly these keys log in.',
      },
      sudo: { type: 'boolean', description: 'May become root by sudo without a password; false takes that right away again.' },
      lock_password: { type: 'boolean', description: 'Nobody logs in by password.' },
      absent: { type: 'boolean', description: 'The user must not be there. Its home is kept.' },
    },
  },
  desired: (p): State | null => {
    if (p.absent) return null;
    const { uid, group, home, shell, sudo } = p;
    return {
      ...given({ uid, group, home, shell, sudo }),
      ...(p.groups ? { groups: p.groups.toSorted() } : {}),
      ...(p.ssh_keys ? { ssh_keys: p.ssh_keys, ssh_keys_access: `${p.name} 600` } : {}),
      ...(p.lock_password ? { password: 'locked' } : {}),
    };
  },
  // One program of a kind for all users, and none for what nobody keeps. What /etc/shadow holds is told apart on the host and
  // never printed. id separates users only when it is asked for several: root is one more. Users' own files come last: they
  // may hold anything.
  probeAll: (all) => sh`
entries=$(getent passwd ${all.map((p) => p.name)})
code=$?
[ $code -eq 0 ] || [ $code -eq 2 ] || exit $code
printf '%s\\0' "$entries"
[ -n "$entries" ] || exit 0
names=
set --
while IFS=: read -r name x x x x home x; do
  names="$names $name"
  set -- "$@" "$home/.ssh/authorized_keys"
done <<END
$entries
END
${keep(all, 'lock_password') ? locked : raw(':')}
printf '\\0'
${keep(all, 'ssh_keys') ? raw(`stat -c '%U %a %n' -- "$@" 2>/dev/null`) : raw('set --')}
printf '\\0'
${keep(all, 'group', 'groups') ? raw('id -znG -- $names root') : raw(':')}
printf '\\0'
${keep(all, 'sudo') ? sh`grep -saH '' -- ${all.map((p) => sudoers(p.name))}` : raw(':')}
${keep(all, 'ssh_keys') ? authorized : raw(':')}
exit 0`,
  parseAll: (output, all) => {
    if (output.code !== 0) return all.map(() => ({ unknown: `getent ended with ${output.code}` }));
    const [passwd = '', locks = '', access = '', ...rest] = output.out.toString().split('\0');
    const entries = new Map(passwd.split('\n').map((row) => [row.slice(0, row.indexOf(':')), row.split(':')] as const));
    const groups = new Map(keep(all, 'group', 'groups') ? [...entries.keys(), 'root'].map((name) => [name, until(rest, '')]) : []);
    const files = Map.groupBy(rest.slice(1).join('\0').split('\n'), (row) => row.slice(0, row.indexOf(':')));
    const linesOf = (path: string): string[] => (files.get(path) ?? []).map((row) => row.slice(path.length + 1));
    const accesses = new Map(
      access
        .split('\n')
        .map((row) => /^(\S+ \S+) (.*)$/.exec(row) ?? [])
        .map(([, is, path]) => [path, is] as const),
    );
    return all.map((p): Found => {
      const [, , uid, , , home = '', shell = ''] = entries.get(p.name) ?? [];
      if (uid === undefined) return null;
      const keys = `${home}/.ssh/authorized_keys`;
      const [group = '', ...others] = groups.get(p.name) ?? [];
      return {
        uid: Number(uid),
        home,
        shell,
        ...(keep(all, 'group', 'groups')
          ? { group, groups: (p.groups ?? []).filter((name) => name === group || others.includes(name)).toSorted() }
          : {}),
        ...(p.sudo === undefined ? {} : { sudo: linesOf(sudoers(p.name)).join('\n') === rule(p.name) }),
        ...(p.lock_password === undefined ? {} : { password: locks.split('\n').includes(p.name) ? 'locked' : 'open' }),
        ...(p.ssh_keys
          ? {
              ssh_keys: linesOf(keys).filter((line) => line !== '' && !line.startsWith('#')),
              ssh_keys_access: accesses.get(keys) ?? '',
            }
          : {}),
      };
    });
  },
  apply: (p, change) => {
    if (p.absent) return sh`${removeFile(sudoers(p.name))} && userdel -- ${p.name}`;
    const differs = new Set(change.differences.map((difference) => difference.key));
    return sh`
set -e
${account(p, change, differs)}
${p.lock_password ? sh`usermod -L -- ${p.name}` : raw(':')}
${differs.has('sudo') ? sudo(p.name, p.sudo === true) : raw(':')}
${p.ssh_keys && (differs.has('ssh_keys') || differs.has('ssh_keys_access')) ? authorize(p.name, p.ssh_keys) : raw(':')}`;
  },
});

const locked = raw(String.raw`
getent shadow $names | while IFS=: read -r name hash x; do
  case $hash in '!'* | '*'*) echo "$name" ;; esac
done`);

// Read as the user: a link of theirs leads no further than they can see themselves, and a pipe holds nobody up.
const authorized = raw(String.raw`
printf '%s\n' "$entries" | while IFS=: read -r name x uid gid x home x; do
  file=$home/.ssh/authorized_keys
  setpriv --reuid "$uid" --regid "$gid" --clear-groups -- dd if="$file" iflag=nonblock status=none 2>/dev/null |
    grep -saH --label="$file" ''
done`);

/** Whether any of the users is given one of these params. */
function keep<K extends string>(all: readonly { readonly [name in K]?: unknown }[], ...names: readonly K[]): boolean {
  return all.some((p) => names.some((name) => p[name] !== undefined));
}

/** Takes the words ahead of `end`, and `end` itself, from the beginning of a list. */
function until(words: string[], end: string): string[] {
  return words.splice(0, words.indexOf(end) + 1).slice(0, -1);
}

interface Account {
  readonly name: string;
  readonly uid?: number;
  readonly group?: string;
  readonly groups?: readonly string[];
  readonly home?: string;
  readonly shell?: string;
  readonly system?: boolean;
}

function account(p: Account, change: Change, differs: ReadonlySet<string>): Command {
  const flags = (key: string, flag: string, value: string | number | undefined) =>
    value !== undefined && (change.before === null || differs.has(key)) ? [flag, String(value)] : [];
  const options = [
    ...flags('uid', '-u', p.uid),
    ...flags('group', '-g', p.group),
    ...flags('home', '-d', p.home),
    ...flags('shell', '-s', p.shell),
  ];
  const groups = p.groups?.length && differs.has('groups') ? ['-G', p.groups.join(',')] : [];
  if (change.before !== null) {
    const all = [...options, ...(groups.length > 0 ? ['-a', ...groups] : [])];
    return all.length > 0 ? sh`usermod ${all} -- ${p.name}` : raw(':');
  }
  // useradd refuses to make a group that is there already; then it is the primary one.
  return sh`
set -- ${[...options, ...groups, p.system ? '-r' : '-m']}
${p.group === undefined ? sh`getent group ${p.name} >/dev/null && set -- "$@" -g ${p.name}` : raw(':')}
useradd "$@" -- ${p.name}`;
}

function sudo(name: string, may: boolean): Command {
  if (!may) return removeFile(sudoers(name));
  return sh`
[ -d /etc/sudoers.d ] || { echo 'sudo is not installed on this host' >&2; exit 1; }
${putFile({ path: sudoers(name), owner: 'root:root', mode: '0440', content: sh`printf '%s\\n' ${rule(name)}` })}`;
}

// Written as the user itself: what root writes into a directory of somebody else can be led astray by links.
function authorize(name: string, keys: readonly string[]): Command {
  return sh`
printf '%s\\n' ${keys.length > 0 ? keys : ['']} | runuser -u ${name} -- sh -c '
  cd -- "$1" && umask 077 && mkdir -p .ssh && cat >.ssh/.cellwise && chmod 600 .ssh/.cellwise && mv -fT .ssh/.cellwise .ssh/authorized_keys
' sh "$(getent passwd ${name} | cut -d: -f6)"`;
}

// sudo ignores files of this directory whose name holds a dot; a user's name here cannot.
function sudoers(name: string): string {
  return `/etc/sudoers.d/cellwise-${name}`;
}

function rule(name: string): string {
  return `${name} ALL=(ALL:ALL) NOPASSWD: ALL`;
}

function given(values: Readonly<Record<string, string | number | boolean | undefined>>): State {
  return Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string | number | boolean] => entry[1] !== undefined));
}
