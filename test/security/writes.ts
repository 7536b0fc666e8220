// Every type that writes in directories of service users, applied while such a user swaps what he can for links.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { reveal, Secret } from '../../src/base/secret.ts';
import type { Command } from '../../src/base/command.ts';
import type { Change } from '../../src/base/state.ts';
import type { AnyParams } from '../../src/resources/define.ts';
import type { Machine } from '../machines.ts';
import { resource, runIn } from '../resources/converge.ts';

export interface Attack {
  readonly type: string;
  readonly params: AnyParams;
  /** What is exchanged: `target` in `directory`; and `directory` itself, unless it is in a directory of root's. */
  readonly directory: string;
  readonly target: string;
  /** The service user puts a file of his own in the place of the target. */
  readonly own?: boolean;
  readonly change?: Partial<Change>;
}

const there = '/srv/theirs/sub';
const monitors = [{ name: 'a', address: '10.0.0.11' }];
const fsid = '0e4b5c1e-3f0a-4a8b-9d39-0e2a6d6f0a11';
const secret = Secret.of('any', 'any');
const at = { directory: there, target: 'target' };
const path = `${there}/target`;

export const attacks: readonly Attack[] = [
  { type: 'file', params: { path, content: 'x\n', owner: 'ceph:ceph', mode: '0666', validate: 'grep -q x "$1"' }, ...at },
  { type: 'file', params: { path, absent: true }, ...at, own: true },
  { type: 'directory', params: { path, owner: 'ceph:ceph', mode: '0777' }, ...at },
  { type: 'symlink', params: { path, target: '/nowhere' }, ...at },
  { type: 'ini-setting', params: { file: path, section: 'a', key: 'b', value: '2' }, ...at, own: true },
  {
    type: 'feature-file',
    params: {
      path,
      feature: 'kvm',
      use: 'a',
      with: { name: 'a', content: 'a\n' },
      without: { name: 'b', content: 'b' },
      owner: 'ceph:ceph',
      mode: '0666',
    },
    ...at,
  },
  { type: 'backup', params: { name: 'target', directory: there, paths: ['/etc/hostname'] }, ...at },
  { type: 'ceph-backup', params: { directory: path }, ...at },
  { type: 'user', params: { name: 'ceph', ssh_keys: ['ssh-ed25519 AAAA'] }, directory: there, target: '.ssh', change: differs('ssh_keys') },
  {
    type: 'swift-ring',
    params: { ring: 'object', hosts: [{ name: 's', address: '10.0.0.1', disks: ['/dev/sdb'] }], port: 6200, part_power: 4, replicas: 1 },
    directory: '/etc/swift',
    target: 'object.ring.gz',
  },
  {
    type: 'ceph-osd-key',
    params: { cipher: 'aes256k' },
    directory: '/var/lib/ceph/osd/ceph-0',
    target: 'keyring',
    change: { before: { others: 'osd.0' } },
  },
  {
    type: 'ceph-mon',
    params: { id: 'a', fsid, monitors, key: secret, admin_key: secret },
    directory: '/var/lib/ceph/mon',
    target: 'ceph-a',
  },
  {
    type: 'ceph-osd',
    params: { disks: ['/dev/fake'], fsid, host: 'a' },
    directory: '/var/lib/ceph/osd',
    target: 'ceph-0',
    change: { differences: [{ key: '/dev/fake', before: 'is empty', after: 'OSD' }] },
  },
];

function differs(key: string): Partial<Change> {
  return { before: {}, differences: [{ key, before: null, after: null }] };
}

/** What the types call, where a bare Debian has it not. `ceph` makes a key, lists no OSD, and prints what it is asked for. */
const programs = `
install -d /root/programs && cd /root/programs
for name in ceph-mon monmaptool osdmaptool crushtool ceph-bluestore-tool ceph-osd systemctl python3 ceph-authtool mariadb; do printf '#!/bin/sh\\n' >$name; done
echo 'echo "fsid $1 # rules [client.admin]"; echo "fsid 1"; echo "# rules"' | tee -a monmaptool osdmaptool crushtool ceph-authtool >/dev/null
echo 'for file; do :; done; case $file in /*) echo x >"$file" ;; esac' >>monmaptool
cat >ceph <<'END'
#!/bin/sh
case "$*" in *-o*) for file; do :; done; echo x >"$file" ;; 'osd new'*) echo 0 ;; *) printf '[osd.0]\\n\\tkey = AgAAAA\\n' ;; esac
END
chmod 0755 *`;

const victim = `
rm -rf /srv/victim && install -d -m 0755 /srv/victim && (umask 077; echo SECRET >/srv/victim/shadow)`;

/** The service user, and root's own that he is after. */
export async function prepare(machine: Machine): Promise<void> {
  const { code, err } = await machine.exec(`set -e
useradd -r -d ${there} ceph
install -d -m 0700 /root/attack
touch /dev/fake
${programs}
${victim}`);
  if (code !== 0) throw new Error(err);
  await runIn(machine.container)({
    script: 'cat >/usr/local/bin/thief.pl',
    stdin: readFileSync(join(import.meta.dirname, 'thief.pl')),
  });
}

/** Shell that a type would apply. */
export function applyOf(attack: Attack): Command {
  const { type, params } = resource(attack.type, attack.params);
  if (type.via !== 'shell') throw new TypeError(`${attack.type} writes on no host`);
  return type.apply(params, { before: null, after: {}, differences: [], ...attack.change });
}

export interface Outcome {
  /** How often something of root's was other than before. */
  readonly wins: number;
  /** How often the apply went well under attack, and whether it does in peace. */
  readonly applied: number;
  readonly last: number;
  /** What the last one left behind, and files that hold the secret. */
  readonly left: string;
  readonly err: string;
}

/** Applies so often while the service user does what he can. */
export async function attackOn(
  machine: Machine,
  attack: Pick<Attack, 'directory' | 'target' | 'own'>,
  apply: Command,
  times: number,
): Promise<Outcome> {
  const { directory, target } = attack;
  const parent = directory.replace(/\/[^/]*$/, '');
  const files = runIn(machine.container);
  await files({ script: 'cat >/root/attack/apply', stdin: apply.script });
  await files({ script: 'cat >/root/attack/input', stdin: apply.stdin instanceof Uint8Array ? apply.stdin : reveal(apply.stdin ?? '') });
  const thief = (trick: string) => `runuser -u ceph -- perl /usr/local/bin/thief.pl ${trick} & thieves="$thieves $!"`;
  const ran = await files({
    timeout: 1800,
    script: `
export PATH=/root/programs:$PATH
rm -rf ${parent === '/etc' ? directory : parent} && mkdir -p ${directory} && chown -R ceph:ceph ${parent === '/etc' ? directory : parent}
look() { stat -c '%n %u:%g %a %s %y' /srv/victim /srv/victim/*; }
once() { timeout 20 sh /root/attack/apply </root/attack/input >/dev/null 2>>/root/attack/err; }
: >/root/attack/err
before=$(look) wins=0 applied=0 i=0 thieves=
${thief(`swap ${directory} ${target} /srv/victim ${attack.own ? 'own' : ''}`)}
${parent === '/etc' ? '' : thief(`component ${parent} ${directory.slice(parent.length + 1)} /srv/victim`)}
while [ $i -lt ${times} ]; do
  i=$((i + 1))
  once && applied=$((applied + 1))
  [ "$(look)" = "$before" ] && continue
  wins=$((wins + 1))
  ${victim}
  before=$(look)
done
kill $thieves
wait
[ ! -d ${directory}.real ] || { rm -f ${directory}; mv ${directory}.real ${directory}; }
leaks=$(find ${parent} -xdev -type f -links 1 -exec grep -l SECRET {} + 2>/dev/null)
find ${directory} -mindepth 1 -maxdepth 1 -exec rm -rf {} +
${attack.own ? `runuser -u ceph -- sh -c 'echo "[a]" >${directory}/${target}'` : ''}
once
last=$?
printf '%s\\0' "$wins" "$applied" "$last" "$leaks$(find ${directory} -name '.cellwise*')" "$(sort /root/attack/err | uniq -c | sort -rn | head -n 20)"`,
  });
  const [wins, applied, last, left = '', err = ''] = ran.out.toString().split('\0');
  if (ran.code !== 0) throw new Error(ran.err.toString());
  return { wins: Number(wins), applied: Number(applied), last: Number(last), left, err };
}
