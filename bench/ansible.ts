import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianSources, mirrorOptions } from '../src/lab/image.ts';
import type { Fleet } from './fleet.ts';
import { copies, steps, templates } from './steps.ts';
import type { Tool } from './tool.ts';

const release = 'trixie';
const packages = ['ansible-core', 'ansible-mitogen', 'openssh-client', 'ca-certificates'];
const strategies = '/usr/lib/python3/dist-packages/ansible_mitogen/plugins/strategy';

/** A Debian with Ansible and Mitogen in it, made once and kept in `cache`. Returns its path. */
export function ansibleRoot(cache: string, say: (text: string) => void): string {
  const root = join(cache, `ansible-${release}`);
  if (existsSync(root)) return root;
  say(`making a ${release} with ${packages.join(', ')} in ${root}: once, about a minute`);
  const read = (command: string, args: string[]): string => execFileSync(command, args, { encoding: 'utf8' });
  const targets = read('apt-get', ['indextargets', '--format', '$(REPO_URI) $(CODENAME) $(RELEASE) $(ORIGIN)', 'Created-By: Packages']);
  const settings = read('apt-config', ['dump', '--format', '%F "%v";%n', 'Acquire']);
  const options = mirrorOptions(settings).map((option) => `--aptopt=${option}`);
  rmSync(`${root}.new`, { recursive: true, force: true });
  execFileSync('mmdebstrap', [
    ...['--quiet', '--variant=minbase', `--include=${packages.join(',')}`, ...options],
    ...[release, `${root}.new`, ...debianSources(targets, release).slice(0, 1)],
  ]);
  renameSync(`${root}.new`, root);
  return root;
}

/** Versions of what is measured, by package. */
export function ansibleVersions(root: string): ReadonlyMap<string, string> {
  const format = '${Package} ${Version}\n';
  const out = execFileSync('chroot', [root, 'dpkg-query', '-W', '-f', format, 'ansible-core', 'ansible-mitogen', 'python3'], {
    encoding: 'utf8',
  });
  return new Map(
    out
      .trim()
      .split('\n')
      .map((line) => line.split(' ') as [string, string]),
  );
}

/** Ansible, and Ansible under Mitogen, on the same playbook. */
export function ansible(directory: string, root: string, fleet: Fleet): { ansible: Tool; mitogen: Tool } {
  const playbook = join(directory, 'playbook');
  writePlaybook(playbook, fleet);
  mkdirSync(join(root, 'bench'), { recursive: true });
  const tool = (name: string, env: NodeJS.ProcessEnv): Tool => ({
    name,
    command: inRoot(root, playbook, env, 'play.yml'),
    warmUp: inRoot(root, playbook, env, 'warm-up.yml'),
    verify: (out, changes) => {
      verify(out, changes, fleet.hosts.length);
    },
  });
  return {
    ansible: tool('Ansible', {}),
    mitogen: tool('Mitogen', { ANSIBLE_STRATEGY: 'mitogen_linear', ANSIBLE_STRATEGY_PLUGINS: strategies }),
  };
}

function writePlaybook(directory: string, { hosts, identity, knownHosts }: Fleet): void {
  for (const part of ['files', 'templates']) mkdirSync(join(directory, part), { recursive: true });
  for (const [name, text] of copies()) writeFileSync(join(directory, 'files', name), text);
  const marks = { name: '{{ inventory_hostname }}', address: '{{ ansible_host }}' };
  for (const [name, text] of templates(marks)) writeFileSync(join(directory, 'templates', `${name}.j2`), text);
  const play = { hosts: 'all', gather_facts: false, tasks: steps.map((step) => step.ansible) };
  writeFileSync(join(directory, 'play.yml'), JSON.stringify([play], null, 2));
  writeFileSync(join(directory, 'warm-up.yml'), JSON.stringify([{ ...play, tasks: [{ ping: {} }] }], null, 2));
  const inventory = { all: { hosts: Object.fromEntries(hosts.map(({ name, address }) => [name, { ansible_host: address }])) } };
  writeFileSync(join(directory, 'hosts.yml'), JSON.stringify(inventory, null, 2));
  copyFileSync(identity, join(directory, 'id'));
  copyFileSync(knownHosts, join(directory, 'known_hosts'));
  writeFileSync(join(directory, 'ansible.cfg'), configuration(hosts.length));
}

// Everything that is known to make it faster: pipelining, a process a host, kept connections, no facts, no search for Python.
// The time-out is no part of that: on a busy machine Mitogen needs more than the ten seconds it would have.
function configuration(forks: number): string {
  return `[defaults]
inventory = /bench/hosts.yml
forks = ${forks}
gathering = explicit
interpreter_python = /usr/bin/python3
remote_user = root
timeout = 120
private_key_file = /bench/id
nocows = true
[ssh_connection]
pipelining = true
ssh_args = -C -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=/bench/known_hosts
`;
}

/** A command line that runs the playbook in the other Debian; its mounts are seen by itself alone. */
function inRoot(root: string, playbook: string, env: NodeJS.ProcessEnv, play: string): string[] {
  const variables = {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LC_ALL: 'C.UTF-8',
    ANSIBLE_CONFIG: '/bench/ansible.cfg',
    ...env,
  };
  const script = `set -e
mount --bind "$2" "$1/bench"
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
root=$1 play=$3; shift 3
exec chroot "$root" env -i "$@" ansible-playbook "/bench/$play"`;
  return [
    'unshare',
    '--mount',
    'sh',
    '-c',
    script,
    'sh',
    root,
    playbook,
    play,
    ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
  ];
}

function verify(out: string, changes: number, hosts: number): void {
  const recap = [...out.matchAll(/ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)/g)].map((match) => match.slice(1).map(Number));
  const good = recap.filter(
    ([ok, changed, unreachable, failed]) => ok === steps.length && changed === changes && unreachable === 0 && failed === 0,
  );
  if (good.length !== hosts) throw new Error(`${changes} changes on each of ${hosts} hosts were expected`);
}
