import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Event } from '../../src/base/event.ts';
import { TestCloud, type Applied } from '../cli/test-cloud.ts';

// Networks, clocks, logins and operators that are not as they should be, each under a whole `apply` of a role that is slow
// in three ways: packages, a file whose check takes its time, a service that starts slowly.
const cloud = new TestCloud('trouble', '10.119');
const deployer = '10.119.0.1';
const hosts = ['cmp1', 'cmp2', 'cmp3'];
const slow = 20;

const unit = `[Service]\nExecStartPre=/bin/sh -c 'sleep ${slow}; echo ready at last'\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n`;
const role = {
  role: 'slow',
  summary: 'What takes its time.',
  on: ['compute'],
  scope: 'host',
  needs: ['base'],
  steps: [
    { package: ['tree'] },
    { file: '/srv/slow', content: 'whole\n', validate: `grep -q whole "$1" && sleep $(cat /srv/slower 2>/dev/null || echo 0)` },
    { file: '/etc/systemd/system/slow.service', content: unit },
    { service: 'slow', watches: ['/etc/systemd/system/slow.service'] },
    { file: '/srv/last', content: 'last\n' },
  ],
};

const apply = (): Promise<Applied> => cloud.apply('--only', 'role:slow');

beforeAll(async () => {
  // Their own users and shells are said below, host by host.
  writeInventory({});
  const directory = join(cloud.directory, 'roles/slow');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'role.yaml'), JSON.stringify(role));
  await cloud.up();
  expect(await apply()).toMatchObject({ code: 0 });
  await onAll(`echo ${slow} >/srv/slower`);
}, 300_000);

afterAll(async () => {
  await cloud.down();
}, 120_000);

/** The lab's inventory with one controller and three compute hosts, these with `more` each. */
function writeInventory(more: Readonly<Record<string, string>>): void {
  const lines = hosts.map((host, i) => `  ${host}: { address: 10.119.0.2${i + 1}, kind: compute${more[host] ?? ''} }\n`);
  cloud.write((text) =>
    text
      .replace('services: [keystone]', 'services: [slow]')
      .replace('networks:', 'roles: [roles]\n\nnetworks:')
      .replace(/^ {2}cmp\[[^]*?(?=\n\n)/m, lines.join('').trimEnd()),
  );
}

async function onAll(script: string): Promise<void> {
  await Promise.all(hosts.map((host) => cloud.on(host, script)));
}

/** Until a shell script on a host prints something. */
async function until(host: string, script: string): Promise<void> {
  await expect.poll(() => cloud.on(host, `${script} || true`), { timeout: 90_000, interval: 100 }).not.toBe('');
}

/** Spoils something else on each host, so that one apply works on packages, a file and a restart at the same time. */
async function spoil(): Promise<void> {
  await cloud.on('cmp1', 'apt-get remove -qq -y tree >/dev/null 2>&1');
  await cloud.on('cmp2', 'echo spoilt >/srv/slow');
  await cloud.on('cmp3', 'rm -f /var/lib/cellwise/units/slow.service; journalctl -q --rotate --vacuum-time=1s >/dev/null 2>&1');
}

/** What goes on on each host after `spoil`, seen from the host. */
async function untilAllAtIt(): Promise<void> {
  await Promise.all([
    until('cmp1', 'pgrep -x apt-get'),
    until('cmp2', 'ls -d /srv/.cellwise.slow'),
    until('cmp3', 'systemctl show -p ActiveState slow | grep activating'),
  ]);
}

// Answers to the deployer vanish, no packet is refused: it hears nothing, and its own packets are lost on the way back.
const cut = `ip route add blackhole ${deployer}/32`;
const mend = `ip route del blackhole ${deployer}/32`;

describe('a network that loses all packets while apt, a file and a restart are under way', () => {
  it('for 30 seconds: nothing is cut in half or done twice', { timeout: 300_000 }, async () => {
    await spoil();
    const run = apply();
    await untilAllAtIt();
    await onAll(cut);
    await delay(30_000);
    await onAll(mend);
    const { code, changed, err } = await run;
    expect(code, err).toBe(0);
    expect(changed.toSorted()).toEqual(['cmp1/packages', 'cmp2/slow/file /srv/slow', 'cmp3/slow/service slow']);
    expect(await cloud.on('cmp1', 'dpkg --audit; command -v tree')).toBe('/usr/bin/tree');
    expect(await cloud.on('cmp2', 'cat /srv/slow; ls -A /srv')).toBe('whole\nlast\nslow\nslower');
    expect(await cloud.on('cmp3', 'journalctl -q -o cat -u slow | grep -c "ready at last"; systemctl is-active slow')).toBe('1\nactive');
    expect(await apply()).toMatchObject({ code: 0, changed: [] });
  });

  it('for good: the run ends, the hosts are named, and the next run finds all of it done', { timeout: 700_000 }, async () => {
    await spoil();
    const began = Date.now();
    const run = apply();
    await untilAllAtIt();
    await onAll(cut);
    const { code, summary, events } = await run;
    await onAll(mend);
    expect(code).toBe(4);
    expect(summary).toMatchObject({ unreachable: 3, failed: 0 });
    expect(Date.now() - began).toBeLessThan(500_000);
    const down = events.filter((event) => event.type === 'host-down');
    expect(down.map(({ host, reason }) => [host, reason]).toSorted()).toEqual(hosts.map((host) => [host, 'lost']));
    for (const { message, host } of down) expect(message).toContain(host);
    // What ran went on to its end without us.
    expect(await cloud.on('cmp2', 'cat /srv/slow; ls -A /srv')).toBe('whole\nlast\nslow\nslower');
    const next = await apply();
    expect(next.code, next.err).toBe(0);
    // Only the restart is owed still: whether it went well was to be recorded by the command itself, so it is not.
    expect(next.changed).toEqual([]);
    expect(await cloud.on('cmp3', 'journalctl -q -o cat -u slow | grep -c "ready at last"')).toBe('1');
  });
});

describe('a deployer that is killed', () => {
  it('while apt works: the next one says what it waits for, and goes on behind it', { timeout: 300_000 }, async () => {
    await cloud.on('cmp1', 'apt-get remove -qq -y tree >/dev/null 2>&1');
    const run = cloud.start('apply', '--yes', '--only', 'role:slow');
    const ended = once(run, 'exit');
    await until('cmp1', 'pgrep -x apt-get');
    // apt is stopped, so that it is surely there when the next one comes.
    await cloud.on('cmp1', 'pkill -STOP -x apt-get');
    run.kill('SIGKILL');
    await ended;
    const next = apply();
    await delay(8000);
    await cloud.on('cmp1', 'pkill -CONT -x apt-get');
    const { code, events, changed, err } = await next;
    expect(code, err).toBe(0);
    const notes = events.flatMap((event) => (event.type === 'note' && event.host === 'cmp1' ? [event.text] : []));
    expect(notes).toContainEqual(
      expect.stringMatching(/^waiting for a command that a run which was cut off still has running \(cellwise apply by /),
    );
    expect(changed).toEqual([]);
    expect(await cloud.on('cmp1', 'dpkg --audit; command -v tree')).toBe('/usr/bin/tree');
  });

  it.each([
    ['once: what runs is finished and nothing more is begun', 1],
    ['twice: at once, and what runs on the host goes on', 2],
  ])('by Ctrl-C %s', { timeout: 200_000 }, async (_, times) => {
    await cloud.on('cmp2', 'echo spoilt >/srv/slow; rm -f /srv/last');
    const run = cloud.start('apply', '--yes', '--only', 'role:slow');
    const ended = once(run, 'exit');
    await until('cmp2', 'ls -d /srv/.cellwise.slow');
    for (let i = 0; i < times; i++) {
      run.kill('SIGINT');
      await delay(300);
    }
    const at = Date.now();
    expect(await ended).toEqual([130, null]);
    if (times === 2) {
      expect(Date.now() - at).toBeLessThan(5000);
      expect(await cloud.on('cmp2', 'cat /srv/slow')).toBe('spoilt');
      await until('cmp2', 'grep whole /srv/slow');
    }
    expect(await cloud.on('cmp2', 'cat /srv/slow; ls /srv/last 2>&1 || true')).toMatch(/^whole\nls: /);
    expect(await apply()).toMatchObject({ code: 0, changed: ['cmp2/slow/file /srv/last'] });
  });
});

describe('a clock that is an hour off', () => {
  // Containers have this machine's clock, so it is the deployer's that is wrong: all its times, as Node tells them.
  const shifted = (hours: number): string =>
    `--import data:text/javascript,${encodeURIComponent(`
      const real = Date, by = ${hours} * 3600_000;
      globalThis.Date = class extends real { constructor(...of) { of.length ? super(...of) : super(real.now() + by); } static now() { return real.now() + by; } };
    `)}`;

  it.each([1, -1])('%i: changes what is to be changed, and nothing the second time', { timeout: 200_000 }, async (hours) => {
    await onAll('rm -f /srv/last; rm -f /var/lib/cellwise/units/slow.service');
    process.env['NODE_OPTIONS'] = shifted(hours);
    try {
      const { code, changed } = await apply();
      const runs = join(cloud.directory, '.cellwise/cloud/runs');
      const journal = readdirSync(runs).map((name) => readFileSync(join(runs, name), 'utf8'));
      // It was wrong indeed.
      const times = journal.flatMap((text) =>
        text
          .trim()
          .split('\n')
          .map((line) => Date.parse((JSON.parse(line) as Event & { at: string }).at)),
      );
      expect(times.some((time) => Math.abs(time - Date.now() - hours * 3600_000) < 200_000)).toBe(true);
      expect(code).toBe(0);
      expect(changed).toHaveLength(6);
    } finally {
      delete process.env['NODE_OPTIONS'];
    }
    expect(await apply()).toMatchObject({ code: 0, changed: [] });
  });
});

describe('logins that nobody would wish for', () => {
  it('zsh, fish, a noisy bash, sudo with a lecture and a password, /tmp noexec, no locale, no Python', { timeout: 600_000 }, async () => {
    await onAll(
      'rm -f /srv/slower /srv/last; apt-get update -qq && apt-get install -qq -y --no-install-recommends sudo zsh fish >/dev/null 2>&1',
    );
    const user = (shell: string, rules: string): string => `
      useradd -m -s ${shell} ops && install -d -m 700 -o ops -g ops /home/ops/.ssh && install -m 600 -o ops -g ops /root/.ssh/authorized_keys /home/ops/.ssh/
      echo 'ops:pa ss"w0rd' | chpasswd
      printf 'Defaults:ops ${rules}\\n' >/etc/sudoers.d/ops`;
    await cloud.on(
      'cmp1',
      `${user('/usr/bin/zsh', 'lecture=always\\nops ALL=(ALL) ALL')}
      echo 'echo zsh talks; setopt no_nomatch; alias sh=false' >/home/ops/.zshenv`,
    );
    await cloud.on(
      'cmp2',
      `${user('/usr/bin/fish', '!requiretty, lecture=always\\nops ALL=(ALL) NOPASSWD: ALL')}; mount -o remount,noexec /tmp`,
    );
    await cloud.on(
      'cmp3',
      `${user('/bin/bash', 'lecture=once\\nops ALL=(ALL) NOPASSWD: ALL')}
      printf 'echo hello from bash\\nyes talkative | head -n 10000\\nexport LC_ALL=C LANG=C PATH=/nowhere:$PATH\\nset -o noclobber\\n' >/tmp/rc
      cat /tmp/rc /home/ops/.bashrc >/home/ops/.new; mv /home/ops/.new /home/ops/.bashrc; rm -f /etc/locale.conf /etc/default/locale
      apt-get remove -qq -y 'python3*' >/dev/null 2>&1; ! command -v python3`,
    );
    await secret('ops.sudo', 'pa ss"w0rd');
    writeInventory({
      cmp1: ', ssh: { user: ops, sudo: { password: { secret: ops.sudo } } }',
      cmp2: ', ssh: { user: ops }',
      cmp3: ', ssh: { user: ops }',
    });
    const { code, err, changed } = await apply();
    expect(code, err).toBe(0);
    expect(changed.toSorted()).toEqual(hosts.map((host) => `${host}/slow/file /srv/last`));
    expect(await apply()).toMatchObject({ code: 0, changed: [] });
  });

  it('sudo that wants a terminal is named, with what to do', { timeout: 200_000 }, async () => {
    await cloud.on('cmp2', "sed -i 's/!requiretty/requiretty/' /etc/sudoers.d/ops");
    const { code, events } = await apply();
    expect(code).toBe(4);
    expect(events.filter((event) => event.type === 'host-down')).toMatchObject([
      { host: 'cmp2', reason: 'sudo-tty', hint: expect.any(String) as string },
    ]);
  });
});

async function secret(name: string, value: string): Promise<void> {
  const run = cloud.start('secrets', 'set', name);
  run.stdin!.end(value);
  expect(await once(run, 'exit')).toEqual([0, null]);
}
