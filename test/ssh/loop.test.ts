import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { quote, sh, withInput } from '../../src/base/command.ts';
import { Secret } from '../../src/base/secret.ts';
import type { Holder, Shell } from '../../src/base/shell.ts';
import { newBase, openLocal, shells } from './local.ts';

const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

const text = async (shell: Shell, script: string) => (await shell.run({ script })).out.toString();

const holder = (run: string): Holder => ({ run, who: `${run}@desk`, what: 'cellwise apply', since: '2026-11-20T10:00:00Z' });

describe.concurrent.each(shells)(
  'the loop in %s',
  (_name, argv) => {
    test('greets with the facts of the host', async () => {
      const { shell } = await openLocal({ argv });
      expect(shell.facts.hostname).toBe(readFileSync('/proc/sys/kernel/hostname', 'utf8').trim());
      expect(shell.facts.bootId).toBe(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
      expect(Math.abs(shell.facts.clock - Date.now())).toBeLessThan(10_000);
      expect(shell.facts.os.id).toMatch(/^[a-z]+$/);
      expect(shell.roundTrips).toBe(1);
      await shell.close();
    });

    test('keeps exit codes, output and error output apart', async () => {
      const { shell } = await openLocal({ argv });
      const output = await shell.run({ script: 'echo out; echo err >&2; exit 7' });
      expect([output.code, output.out.toString(), output.err.toString(), output.timedOut]).toEqual([7, 'out\n', 'err\n', undefined]);
      await shell.close();
    });

    test('carries every byte in, and out again', async () => {
      const { shell } = await openLocal({ argv });
      const output = await shell.run({ script: 'cat; cat >&2 <"$0"', stdin: every });
      expect(output.out.equals(every)).toBe(true);
      const big = Buffer.alloc(3_000_000, every);
      expect((await shell.run({ script: 'cat', stdin: big })).out.equals(big)).toBe(true);
      await shell.close();
    });

    test('runs scripts of several megabytes', async () => {
      const { shell } = await openLocal({ argv });
      const script = `${'# padding that is only read\n'.repeat(150_000)}echo done`;
      expect(await text(shell, script)).toBe('done\n');
      await shell.close();
    });

    test('executes nothing of a value', async () => {
      const base = newBase();
      const { shell } = await openLocal({ argv, base });
      const canary = `${base}-canary`;
      const values = [
        `$(touch ${canary})`,
        `\`touch ${canary}\``,
        `'; touch ${canary}; '`,
        `"\n touch ${canary}\n"`,
        '-n',
        '\\',
        "''",
        '!!',
        '~',
        '*',
        '😀\t',
      ];
      for (const value of values) expect(await text(shell, sh`printf %s ${value}`.script)).toBe(value);
      expect(await text(shell, `printf %s ${quote(values.join(''))}`)).toBe(values.join(''));
      expect(existsSync(canary)).toBe(false);
      await shell.close();
    });

    test('runs commands at the same time, and gives each its own answer', async () => {
      const { shell } = await openLocal({ argv });
      const before = shell.roundTrips;
      const start = performance.now();
      const outputs = await Promise.all(
        Array.from({ length: 30 }, (_, i) => shell.run(withInput({ script: 'sleep 0.5; cat; head -c 100000 /dev/zero' }, `job ${i} `))),
      );
      expect(performance.now() - start).toBeLessThan(8_000);
      expect(outputs.map((o) => o.out.toString('latin1', 0, 8).replaceAll('\0', ''))).toEqual(
        Array.from({ length: 30 }, (_, i) => `job ${i} `),
      );
      expect(shell.roundTrips).toBe(before + 1);
      await shell.close();
    });

    test('is not fooled by output that imitates its answers', async () => {
      const base = newBase();
      const { shell } = await openLocal({ argv, base });
      const nonce = await text(shell, `tr '\\0' '\\n' </proc/$PPID/cmdline; cat /proc/self/environ | tr '\\0' '\\n'`);
      const forged = `${'0'.repeat(32)} 1 0 5 0 5 0\nhello`;
      expect(await text(shell, `printf %s ${quote(forged)}`)).toBe(forged);
      expect(nonce).not.toMatch(/[0-9a-f]{32}/);
      await shell.close();
    });

    test('ends the whole process group when the time is up', async () => {
      const { shell } = await openLocal({ argv });
      const output = await shell.run({ script: 'sleep 300 & echo $!; sleep 300', timeout: 1 });
      expect([output.code, output.timedOut]).toEqual([124, true]);
      const pid = output.out.toString().trim();
      expect(await text(shell, `kill -0 ${pid} 2>/dev/null && ! grep -q zombie /proc/${pid}/status && echo alive`)).toBe('');
      expect((await shell.run({ script: 'exit 124' })).timedOut).toBeUndefined();
      await shell.close();
    });

    test('a daemon that a command leaves behind keeps nobody waiting', async () => {
      const { shell } = await openLocal({ argv });
      const start = performance.now();
      expect(await text(shell, 'sleep 20 & echo started')).toBe('started\n');
      expect(performance.now() - start).toBeLessThan(5_000);
      await shell.close();
    });

    test('cuts long output, and says so', async () => {
      const { shell } = await openLocal({ argv, maxOut: 1000, maxErr: 1000 });
      const output = await shell.run({ script: 'head -c 5000 /dev/zero; echo e >&2' });
      expect(output.out.length).toBe(1000);
      expect(output.err.toString()).toMatch(/^e\n\ncellwise: output cut at 1000 of 5000 bytes/);
      await shell.close();
    });

    test('leaves nothing behind but the lock, and shows its files to root alone', async () => {
      const base = newBase();
      const { shell } = await openLocal({ argv, base });
      const modes = await text(shell, 'd=${0%/*}; stat -c %a "$d" "$d/.." "$d/../.." "$0" "$d/in" "$d/out"');
      expect(modes.trim().split('\n')).toEqual(['700', '700', '700', '600', '600', '600']);
      expect(await text(shell, 'tr "\\0" " " </proc/$$/cmdline')).toMatch(/^sh \S+\/script $/);
      await shell.mend(withInput({ script: 'cat >/dev/null' }, Secret.of('x', 'hidden')));
      expect(await shell.lock(holder('r1'))).toBe('locked');
      await shell.close();
      await delay(300);
      expect(readdirSync(base)).toEqual(['lock']);
    });

    test('a mended host keeps the outcome for the next connection', async () => {
      const base = newBase();
      const { shell, transports } = await openLocal({ argv, base });
      const slow = shell.mend({ script: 'echo begun; sleep 1.5; echo ended; exit 3' });
      const quick = shell.run({ script: 'sleep 1; echo again' });
      await delay(400);
      transports[0]!.children[0]!.kill('SIGKILL');
      const [outcome, ran] = await Promise.all([slow, quick]);
      expect(outcome === 'unknown' ? outcome : [outcome.code, outcome.out.toString()]).toEqual([3, 'begun\nended\n']);
      expect(ran.out.toString()).toBe('again\n');
      expect(transports.length).toBe(2);
      await shell.close();
    });

    test('a connection that is cut leaves a command whole and its lock held', async () => {
      const base = newBase();
      const a = await openLocal({ argv, base, reconnect: 1 });
      const b = await openLocal({ argv, base });
      expect(await a.shell.lock(holder('a'))).toBe('locked');
      const mark = `${base}-mark`;
      void a.shell.mend({ script: `sleep 2; echo whole >${mark}` });
      await delay(300);
      // Both the shell and its deployer die.
      a.transports[0]!.children[0]!.kill('SIGKILL');
      void a.shell.close();
      expect(await b.shell.lock(holder('b'))).toMatchObject({ run: 'a', who: 'a@desk' });
      await delay(2200);
      expect(readFileSync(mark, 'utf8')).toBe('whole\n');
      expect(await b.shell.lock(holder('b'))).toBe('locked');
      await b.shell.close();
    });

    test('an outcome that is not there is unknown', async () => {
      const base = newBase();
      const { shell, transports } = await openLocal({ argv, base });
      const outcome = shell.mend({ script: 'sleep 5' });
      await delay(300);
      for (const name of readdirSync(base)) if (name !== 'lock') await text(shell, `rm -rf ${base}/${name}/1`);
      transports[0]!.children[0]!.kill('SIGKILL');
      expect(await outcome).toBe('unknown');
      await shell.close();
    });

    test('one of two runs gets the lock, and the other is told who has it', async () => {
      const base = newBase();
      const [a, b] = await Promise.all([openLocal({ argv, base }), openLocal({ argv, base })]);
      expect(await a.shell.lock(holder('2026-a'))).toBe('locked');
      const start = performance.now();
      expect(await b.shell.lock(holder('2026-b'))).toEqual(holder('2026-a'));
      expect(performance.now() - start).toBeLessThan(900);
      await a.shell.close();
      expect(await b.shell.lock(holder('2026-b'))).toBe('locked');
      await b.shell.close();
    });

    test('the older of two runs waits for the younger to yield', async () => {
      const base = newBase();
      const [a, b] = await Promise.all([openLocal({ argv, base }), openLocal({ argv, base })]);
      expect(await b.shell.lock(holder('2026-b'))).toBe('locked');
      const waiting = a.shell.lock(holder('2026-a'));
      await delay(500);
      await b.shell.close();
      expect(await waiting).toBe('locked');
      await a.shell.close();
    });

    test('the same run takes its lock again while its own command holds it', async () => {
      const base = newBase();
      const a = await openLocal({ argv, base });
      const b = await openLocal({ argv, base });
      expect(await a.shell.lock(holder('a'))).toBe('locked');
      const slow = a.shell.mend({ script: 'sleep 2' });
      await delay(300);
      a.transports[0]!.children[0]!.kill('SIGKILL');
      // What is sent into a connection that is dying has an unknown outcome.
      await delay(100);
      const next = await a.shell.mend({ script: 'echo next' });
      expect(next === 'unknown' ? next : next.out.toString()).toBe('next\n');
      expect(await b.shell.lock(holder('b'))).toMatchObject({ run: 'a' });
      expect(await slow).toMatchObject({ code: 0 });
      await delay(300);
      expect(await b.shell.lock(holder('b'))).toMatchObject({ run: 'a' });
      await a.shell.close();
      await delay(200);
      expect(await b.shell.lock(holder('b'))).toBe('locked');
      await b.shell.close();
    });

    test('a deployer that falls silent loses its shell and its lock', async () => {
      const base = newBase();
      const a = await openLocal({ argv, base, silence: 2, reconnect: 1 });
      const b = await openLocal({ argv, base });
      expect(await a.shell.lock(holder('a'))).toBe('locked');
      const loop = a.transports[0]!.children[0]!;
      await new Promise((resolve) => loop.once('exit', resolve));
      void a.shell.close();
      expect(await b.shell.lock(holder('b'))).toBe('locked');
      await b.shell.close();
    });
  },
  30_000,
);

test('what is asked early goes along with the opening', async () => {
  const base = newBase();
  const { TransportShell } = await import('../../src/ssh/shell.ts');
  const { localTransport } = await import('./local.ts');
  const shell = new TransportShell(() => Promise.resolve(localTransport()), {
    host: 'here',
    user: 'me',
    sudo: 'no',
    root: false,
    base,
    maxOut: 1000,
    maxErr: 1000,
    openTimeout: 10,
    reconnect: 1,
    patience: 5,
    silence: 60,
  });
  const early = shell.run({ script: 'echo early' });
  const locked = shell.lock(holder('e'));
  await shell.open();
  expect((await early).out.toString()).toBe('early\n');
  expect(await locked).toBe('locked');
  expect(shell.roundTrips).toBe(1);
  await shell.close();
});

test('a hundred commands and more leave nothing', async () => {
  const base = newBase();
  const { shell } = await openLocal({ base });
  for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 20 }, () => shell.run({ script: ':' })));
  const [run = ''] = readdirSync(base);
  await delay(200);
  expect(readdirSync(join(base, run)).toSorted()).toEqual(['alive', 'beat', 'loop', expect.stringMatching(/^say\.\d+$/)]);
  expect(statSync(join(base, run)).mode & 0o777).toBe(0o700);
  await shell.close();
});
