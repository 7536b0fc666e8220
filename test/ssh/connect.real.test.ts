// Against OpenSSH itself, on Debian machines with systemd.
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withInput, type Output } from '../../src/base/command.ts';
import { Secret } from '../../src/base/secret.ts';
import { Unreachable, type Shell } from '../../src/base/shell.ts';
import { connect, Shared, type ConnectOptions, type SshTarget, type Sudo } from '../../src/ssh/connect.ts';
import { startMachine, type Machine } from '../machines.ts';

let machine: Machine;
let root: SshTarget;

beforeAll(async () => {
  machine = await startMachine();
  root = { name: machine.name, address: machine.address, user: 'root', identities: [machine.identity], hostKeys: [machine.hostKey] };
});
afterAll(() => machine.stop());

async function here(script: string): Promise<string> {
  const { code, out, err } = await machine.exec(script);
  if (code !== 0) throw new Error(`${script}: ${err}`);
  return out;
}

async function newUser(name: string, sudoers: string, shell = '/bin/bash'): Promise<void> {
  await here(`
    command -v sudo >/dev/null || { apt-get -qq update; apt-get -qq install -y sudo; } >/dev/null 2>&1
    id ${name} >/dev/null 2>&1 || useradd -m -s ${shell} ${name}
    echo '${name}:pa ss"w0rd' | chpasswd
    install -d -m 700 -o ${name} /home/${name}/.ssh
    install -m 600 -o ${name} /root/.ssh/authorized_keys /home/${name}/.ssh/authorized_keys
    printf '%s\\n' ${sudoers
      .split('\n')
      .map((line) => `'${line}'`)
      .join(' ')} >/etc/sudoers.d/${name}`);
}

/** Kills the sshd process that serves the shell, as a crash or a network that says "reset" would end the connection. */
const cut = () => here('kill -KILL $(ps -o ppid= -p "$(cat /run/cellwise/*/loop)")');

const open = (target: Partial<SshTarget> = {}, options: ConnectOptions = {}) => connect({ ...root, ...target }, options);

async function uid(shell: Shell): Promise<string> {
  return String((await shell.run({ script: 'id -u' })).out).trim();
}

async function failure(target: Partial<SshTarget>): Promise<Unreachable> {
  const error: unknown = await open(target, { openTimeout: 5 }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(Unreachable);
  return error as Unreachable;
}

test('root logs in, and learns about the host', async () => {
  const shell = await open();
  expect(shell.facts).toMatchObject({ hostname: machine.name, os: { id: 'debian', version: '13', codename: 'trixie' } });
  expect(await uid(shell)).toBe('0');
  const environment = String((await shell.run({ script: 'env; umask; pwd' })).out);
  expect(environment).toMatch(/LC_ALL=C\.UTF-8/);
  expect(environment).toMatch(/\b0077\n\/\n$/);
  await shell.close();
  await delay(500);
  expect(await here('ls /run/cellwise; pgrep -x head || true')).toBe('');
});

test('an sshd that forwards nothing is told what to allow', async () => {
  await here("printf 'AllowTcpForwarding no\\n' >/etc/ssh/sshd_config.d/hardened.conf && systemctl reload ssh");
  const shell = await open();
  await expect(shell.dial('127.0.0.1', 22)).rejects.toThrow(
    `sshd of ${machine.name} forwards no connections, and its APIs are reached by these: write \`AllowTcpForwarding local\` in its sshd_config`,
  );
  await shell.close();
  await here("printf 'AllowTcpForwarding local\\n' >/etc/ssh/sshd_config.d/hardened.conf && systemctl reload ssh");
  const allowed = await open();
  (await allowed.dial('127.0.0.1', 22)).destroy();
  await allowed.close();
  await here('rm /etc/ssh/sshd_config.d/hardened.conf && systemctl reload ssh');
});

describe('a user with sudo', () => {
  const cases: [string, string, Sudo][] = [
    ['nopass', 'nopass ALL=(ALL) NOPASSWD: ALL', 'passwordless'],
    ['nopass', 'nopass ALL=(ALL) NOPASSWD: ALL', { password: Secret.of('sudo', 'not needed') }],
    ['withpass', 'Defaults:withpass lecture=always\nwithpass ALL=(ALL) ALL', { password: Secret.of('sudo', 'pa ss"w0rd') }],
  ];
  test.each(cases)('%s', async (user, sudoers, sudo) => {
    await newUser(user, sudoers);
    const shell = await open({ user, sudo });
    expect(await uid(shell)).toBe('0');
    expect((await shell.mend({ script: 'exit 4' })) as Output).toMatchObject({ code: 4 });
    await shell.close();
  });

  const refused: [string, string, Sudo, string][] = [
    ['withpass2', 'withpass2 ALL=(ALL) ALL', 'passwordless', 'sudo-password'],
    ['withpass3', 'withpass3 ALL=(ALL) ALL', { password: Secret.of('sudo', 'wrong') }, 'sudo-password'],
    ['nosudo', '', 'passwordless', 'sudo-password'],
    ['nosudo2', '', { password: Secret.of('sudo', 'pa ss"w0rd') }, 'sudo-denied'],
    ['wantstty', 'Defaults:wantstty requiretty\nwantstty ALL=(ALL) NOPASSWD: ALL', 'passwordless', 'sudo-tty'],
    ['plain', '', 'no', 'not-root'],
    ['shut', 'shut ALL=(ALL) NOPASSWD: ALL', 'passwordless', 'no-shell'],
  ];
  test.each(refused)('%s is told why not', async (user, sudoers, sudo, reason) => {
    await newUser(user, sudoers, user === 'shut' ? '/usr/sbin/nologin' : '/bin/bash');
    const error = await failure({ user, sudo });
    expect([error.reason, error.message]).toEqual([reason, expect.any(String)]);
    expect(error.hint).toBeTruthy();
  });
});

test('login shells and their profiles do not matter', async () => {
  const installed = await machine.exec('apt-get -qq update && apt-get -qq install -y zsh fish tcsh >/dev/null 2>&1');
  const shells =
    installed.code === 0 ? ['/bin/bash', '/bin/dash', '/usr/bin/zsh', '/usr/bin/fish', '/bin/tcsh'] : ['/bin/bash', '/bin/dash'];
  for (const [i, path] of shells.entries()) {
    const user = `user${i}`;
    await newUser(user, `${user} ALL=(ALL) NOPASSWD: ALL`, path);
    await here(
      `cd /home/${user}; for f in .bashrc .zshenv .cshrc .profile; do echo 'echo NOISE; echo noise >&2' >$f; done; sed -i '1i echo early' .bashrc`,
    );
    const shell = await open({ user, sudo: 'passwordless' });
    expect(await uid(shell), path).toBe('0');
    await shell.close();
  }
  expect(shells.length).toBeGreaterThanOrEqual(2);
}, 300_000);

test('auth: the keys that were offered are named', async () => {
  await here('useradd -m nokey || true');
  const error = await failure({ user: 'nokey', sudo: 'passwordless' });
  expect([error.reason, error.message]).toEqual(['auth', expect.stringMatching(/refuses the keys SHA256:/)]);
});

test('sshd restarted mid-run changes nothing', async () => {
  const shell = await open();
  const mending = shell.mend({ script: 'sleep 2; echo done' });
  await delay(200);
  await here('systemctl restart ssh');
  expect((await shell.run({ script: 'echo still here' })).code).toBe(0);
  expect(String(((await mending) as Output).out)).toBe('done\n');
  await shell.close();
});

test('a connection killed during a command: its outcome is collected, and it ran once', async () => {
  const shell = await open();
  expect(await shell.lock({ run: 'r1', who: 'me@desk', what: 'cellwise apply', since: 'now' })).toBe('locked');
  const mending = shell.mend(
    withInput({ script: 'read -r word; echo begun >>/tmp/count; sleep 3; echo "ended $word"; exit 5' }, 'input\n'),
  );
  await delay(500);
  await cut();
  const outcome = (await mending) as Output;
  expect([outcome.code, String(outcome.out)]).toEqual([5, 'ended input\n']);
  expect(await here('cat /tmp/count')).toBe('begun\n');
  const other = await open();
  expect(await other.lock({ run: 'r2', who: 'you@desk', what: 'w', since: 'now' })).toMatchObject({ run: 'r1', who: 'me@desk' });
  await shell.close();
  expect(await other.lock({ run: 'r2', who: 'you@desk', what: 'w', since: 'now' })).toBe('locked');
  await other.close();
});

test('a host that was restarted knows nothing', async () => {
  const shell = await open();
  const mending = shell.mend({ script: 'sleep 60' });
  await delay(300);
  // What a restart does to us: the connection ends and /run is empty.
  await cut();
  await here('rm -rf /run/cellwise');
  expect(await mending).toBe('unknown');
  await shell.close();
});

test('a hundred commands at once', async () => {
  const shell = await open();
  const outputs = await Promise.all(Array.from({ length: 100 }, (_, i) => shell.run({ script: `sleep 0.2; echo ${i}` })));
  expect(outputs.map((o) => String(o.out))).toEqual(Array.from({ length: 100 }, (_, i) => `${i}\n`));
  await shell.close();
});

test('a megabyte of any bytes, both ways', async () => {
  const shell = await open();
  const bytes = Buffer.from(Array.from({ length: 1_048_576 }, (_, i) => (i * 7 + (i >> 8)) & 255));
  expect((await shell.run({ script: 'cat', stdin: bytes })).out.equals(bytes)).toBe(true);
  await shell.close();
});

test('no secret is seen in a process list or an environment', async () => {
  const shell = await open();
  const canary = 'canary-4711-secret';
  const running = shell.run(withInput({ script: 'sleep 2; cat' }, Secret.of('x', canary)));
  await delay(500);
  // The pattern is written so that the searching process does not find itself.
  expect(await here('grep -la "canary-[4]711-secret" /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null || true')).toBe('');
  expect(String((await running).out)).toBe(canary);
  await shell.close();
});

test('thirty hosts behind one bastion', async () => {
  const shared = new Shared();
  const bastion = { ...root, name: 'gate' };
  const shells = await Promise.all(
    Array.from({ length: 30 }, (_, i) => open({ name: `h${i}`, address: '127.0.0.1', bastion }, { shared })),
  );
  expect(await Promise.all(shells.map(uid))).toEqual(Array.from({ length: 30 }, () => '0'));
  await Promise.all(shells.map((shell) => shell.close()));
});

test('how long things take', async () => {
  const time = async (work: () => Promise<unknown>, times: number) => {
    const taken: number[] = [];
    for (let i = 0; i < times; i++) {
      const start = performance.now();
      await work();
      taken.push(performance.now() - start);
    }
    return Number(taken.toSorted((a, b) => a - b)[times >> 1]!.toFixed(1));
  };
  const connecting = await time(async () => (await open()).close(), 9);
  const shell = await open();
  const figures = {
    'connect and close': connecting,
    run: await time(() => shell.run({ script: ':' }), 50),
    mend: await time(() => shell.mend({ script: ':' }), 50),
    '100 at once': await time(() => Promise.all(Array.from({ length: 100 }, () => shell.run({ script: ':' }))), 5),
    '1 MiB there and back': await time(() => shell.run({ script: 'cat', stdin: Buffer.alloc(1_048_576) }), 9),
  };
  process.stderr.write(`[ssh] milliseconds (median): ${JSON.stringify(figures)}\n`);
  expect(figures.run).toBeLessThan(1000);
  await shell.close();
});
