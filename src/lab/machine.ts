import { existsSync } from 'node:fs';
import { sh } from '../base/command.ts';

/**
 * Every capability that a machine needs, by name: engines that lack one of all (SYS_RESOURCE in many sandboxes) refuse
 * `--privileged` and `--cap-add ALL`. SYS_TIME is left out on purpose: the clock is the real machine's.
 */
export const capabilities: readonly string[] = [
  ...['CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP', 'SETFCAP'],
  ...['LINUX_IMMUTABLE', 'NET_BIND_SERVICE', 'NET_BROADCAST', 'NET_ADMIN', 'NET_RAW', 'IPC_LOCK', 'IPC_OWNER', 'MKNOD', 'LEASE'],
  ...['SYS_MODULE', 'SYS_RAWIO', 'SYS_CHROOT', 'SYS_PTRACE', 'SYS_PACCT', 'SYS_ADMIN', 'SYS_BOOT', 'SYS_NICE', 'SYS_TTY_CONFIG'],
  ...['AUDIT_WRITE', 'AUDIT_CONTROL'],
];

/** systemd mounts, and its units make namespaces: Docker's filters for system calls are in the way of both. */
export const securityOptions: readonly string[] = ['seccomp=unconfined', 'apparmor=unconfined'];

/** What a machine has in memory, with mount options. Docker's default noexec is too strict for /tmp. */
export const tmpfs: Readonly<Record<string, string>> = { '/run': '', '/run/lock': '', '/tmp': 'exec,mode=1777' };

/** Devices of the real machine that a machine gets, as far as they exist. */
export function devices(): string[] {
  return ['/dev/net/tun', '/dev/kvm', '/dev/vhost-net'].filter((path) => existsSync(path));
}

/** The arguments of `docker create` that make a container a machine. */
export function machineArguments(): string[] {
  return [
    '--cgroupns=private',
    ...securityOptions.flatMap((option) => ['--security-opt', option]),
    ...capabilities.flatMap((capability) => ['--cap-add', capability]),
    ...Object.entries(tmpfs).flatMap(([path, options]) => ['--tmpfs', options === '' ? path : `${path}:${options}`]),
    ...devices().flatMap((path) => ['--device', path]),
  ];
}

/**
 * Shell script for the machine itself: lets the owner of `publicKey` in as root, has apt ask `cache` (a URL, or undefined),
 * waits until systemd has started everything and sshd listens, then prints the machine's public host key. Exits 1 with the
 * failed units when that takes over 30 s.
 */
export function untilReady(publicKey: string, cache: string | undefined): string {
  const proxy = cache === undefined ? '' : `Acquire::http::Proxy "${cache}";\n`;
  return sh`
printf %s ${proxy} >/etc/apt/apt.conf.d/90lab
mkdir -p -m 0700 /root/.ssh
grep -qsxF ${publicKey} /root/.ssh/authorized_keys || printf '%s\\n' ${publicKey} >>/root/.ssh/authorized_keys
tries=0
until state=$(systemctl is-system-running 2>/dev/null); [ "$state" = running ] || [ "$state" = degraded ] && ss -Hltn 'sport = 22' | grep -q .; do
  tries=$((tries + 1))
  if [ $tries -gt 600 ]; then echo "systemd: $state"; systemctl --failed --no-legend --plain; exit 1; fi >&2
  sleep 0.05
done
cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub`.script;
}
