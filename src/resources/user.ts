import { type Command, raw, sh } from '../base/command.ts';
import type { Change, State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';

/** A user of the host. Only what is given is kept; a new user has no password and cannot log in by one. */
export const user = defineResource({
  type: 'user',
  summary: 'A user of the host: groups, home, shell, SSH keys, sudo. Only what is given is kept.',
  nameParam: 'name',
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
  // What /etc/shadow holds is told apart on the host and never printed.
  probe: (p) => sh`
entry=$(getent passwd ${p.name}) || exit
printf '%s\\n' "$entry"
id -gn -- ${p.name}
id -nG -- ${p.name}
shadow=$(getent shadow ${p.name})
shadow=\${shadow#*:}
case $shadow in '!'* | '*'*) echo locked ;; *) echo open ;; esac
[ "$(cat ${sudoers(p.name)} 2>/dev/null)" = ${rule(p.name)} ] && echo sudo || echo none
keys=$(printf %s "$entry" | cut -d: -f6)/.ssh/authorized_keys
stat -c '%U %a' -- "$keys" 2>/dev/null || echo
cat -- "$keys" 2>/dev/null
exit 0`,
  parse: (output, p): Found => {
    if (output.code === 2) return null;
    if (output.code !== 0) return { unknown: `getent ended with ${output.code}` };
    const [entry = '', group = '', groups = '', password = '', sudo = '', access = '', ...keys] = output.out.toString().split('\n');
    const [, , uid, , , home = '', shell = ''] = entry.split(':');
    const among = new Set(groups.split(' '));
    return {
      uid: Number(uid),
      group,
      home,
      shell,
      sudo: sudo === 'sudo',
      password,
      groups: (p.groups ?? []).filter((name) => among.has(name)).toSorted(),
      ssh_keys: keys.filter((line) => line !== '' && !line.startsWith('#')),
      ssh_keys_access: access,
    };
  },
  apply: (p, change) => {
    if (p.absent) return sh`rm -f -- ${sudoers(p.name)} && userdel -- ${p.name}`;
    const differs = new Set(change.differences.map((difference) => difference.key));
    return sh`
set -e
${account(p, change, differs)}
${p.lock_password ? sh`usermod -L -- ${p.name}` : raw(':')}
${differs.has('sudo') ? sudo(p.name, p.sudo === true) : raw(':')}
${p.ssh_keys && (differs.has('ssh_keys') || differs.has('ssh_keys_access')) ? authorize(p.name, p.ssh_keys) : raw(':')}`;
  },
});

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
  if (!may) return sh`rm -f -- ${sudoers(name)}`;
  return sh`
[ -d /etc/sudoers.d ] || { echo 'sudo is not installed on this host' >&2; exit 1; }
(umask 0337 && printf '%s\\n' ${rule(name)} >${`${sudoers(name)}.tmp`} && mv -f -- ${`${sudoers(name)}.tmp`} ${sudoers(name)})`;
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
