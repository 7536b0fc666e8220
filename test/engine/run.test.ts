import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Event } from '../../src/base/event.ts';
import { Unreachable } from '../../src/base/shell.ts';
import { plan as look, verify } from '../../src/engine/run.ts';
import { Locked } from '../../src/engine/work.ts';
import { select } from '../../src/plan/select.ts';
import { openSecrets } from '../../src/secrets/store.ts';
import { newDirectory } from '../roles/directories.ts';
import { inventoryOf, planOf, rolesOf } from '../plan/clouds.ts';
import { cloudOf, run, stepsOf, type Ran } from './clouds.ts';
import { localHosts } from './local-shell.ts';

// Real processes on two cores that others work on too.
vi.setConfig({ testTimeout: 30_000 });

const all = ['controller', 'compute'];
const hosts = ['ctl1', 'cmp1', 'cmp2'];

/** Every step that was planned came to one end, and the summary counts just these. */
function consistent({ summary, events }: Ran): void {
  const count = (type: Event['type']): number =>
    new Set(events.flatMap((event) => (event.type === type && 'step' in event ? [event.step] : []))).size;
  const failed = events.filter((event) => event.type === 'step-failed').length;
  expect({
    ok: count('step-ok'),
    changed: count('step-changed'),
    failed,
    blocked: count('step-blocked'),
    skipped: count('step-skipped'),
  }).toEqual({
    ok: summary.ok,
    changed: summary.changed,
    failed: summary.failed,
    blocked: summary.blocked,
    skipped: summary.skipped,
  });
  const ends = events.filter((event) => ['step-ok', 'step-changed', 'step-failed', 'step-blocked', 'step-skipped'].includes(event.type));
  const steps = ends.flatMap((event) => ('step' in event ? [event.step] : []));
  expect(new Set(steps).size).toBe(steps.length);
  expect(steps.filter((step) => !step.endsWith('/health'))).toHaveLength(summary.steps);
  expect(events.filter((event) => event.type === 'host-down')).toHaveLength(summary.unreachable);
}

/** base: a directory and a file everywhere; web: on the controller, behind base. */
const cloud = (secrets = {}) =>
  cloudOf(
    (dir) => ({
      base: { on: all, scope: 'host', steps: [{ directory: dir }, { file: `${dir}/motd`, content: 'This is {{host.name}}.\n' }] },
      web: {
        needs: ['base'],
        params: { pw: { type: 'string', format: 'secret' } },
        steps: [
          { directory: `${dir}/web`, mode: '0700' },
          { file: `${dir}/web/conf`, content: 'password = {{pw}}\nport = 80\n', mode: '0600' },
          { command: `cat ${dir}/web/conf >${dir}/web/seen`, creates: `${dir}/web/seen` },
        ],
        health: [{ run: `test -e ${dir}/web/seen`, within: '1s' }],
      },
    }),
    undefined,
    secrets,
  );
const prepare = (directory: string): void => {
  mkdirSync(directory, { recursive: true });
};

describe('a run', () => {
  it('makes everything so; the second has nothing to do and asks each host once', async () => {
    const { plan, on, directory } = cloud();
    prepare(directory);
    const first = await run(plan, localHosts());
    expect(first.summary).toMatchObject({ ok: 0, changed: 9, failed: 0, blocked: 0, skipped: 0, unreachable: 0, hosts: 3, steps: 9 });
    consistent(first);
    for (const host of hosts) expect(readFileSync(on(host, 'motd'), 'utf8')).toBe(`This is ${host}.\n`);
    expect(readFileSync(on('ctl1', 'web/conf'), 'utf8')).toBe('password = value of web.pw\nport = 80\n');
    expect((statSync(on('ctl1', 'web/conf')).mode & 0o777).toString(8)).toBe('600');
    expect(readdirSync(on('ctl1', 'web')).toSorted()).toEqual(['conf', 'seen']);

    const local = localHosts();
    const second = await run(plan, local);
    expect(second.summary).toMatchObject({ ok: 9, changed: 0, failed: 0, blocked: 0 });
    consistent(second);
    for (const shell of local.shells.values()) {
      expect(shell.sent.every(({ what }) => what === 'run')).toBe(true);
      // One batch of probes; beside it, at the same time, the one check that may be slow.
      expect(shell.roundTrips).toBe(shell.host === 'ctl1' ? 2 : 1);
      expect(shell).toMatchObject({ locked: true, closed: true });
    }
    expect(second.journal).toEqual([]);
    expect(second.events.filter((event) => event.type === 'step-planned')).toEqual([]);
  });

  it('tells in order: who is up, what would change, and then what does', async () => {
    const { plan, directory } = cloud();
    prepare(directory);
    const { events } = await run(plan, localHosts());
    const types = events.map(({ type }) => type);
    expect(types[0]).toBe('run-start');
    const [told, walk] = [types.indexOf('told'), types.indexOf('walk-start')];
    expect(types.lastIndexOf('host-up')).toBeLessThan(types.indexOf('host-surveyed'));
    expect(types.lastIndexOf('step-planned')).toBeLessThan(told);
    expect(told).toBeLessThan(walk);
    expect(walk).toBeLessThan(types.indexOf('step-start'));
    expect(types.at(-1)).toBe('critical-path');
    expect(events[told]).toMatchObject({ changes: 9, unknown: 0, hosts: 3 });
  });

  it('writes down what it means to do before it does, and what came of it', async () => {
    const { plan, directory, on } = cloud();
    prepare(directory);
    const seen: boolean[] = [];
    const ran = await run(plan, {
      ...localHosts(),
      heard: (event) => {
        if (event.type === 'step-start' && event.step.endsWith('/motd')) seen.push(existsSync(on(event.host, 'motd')));
      },
    });
    expect(seen).toEqual([false, false, false]);
    for (const step of stepsOf(ran, 'step-changed')) {
      const types = ran.journal.filter((event) => 'step' in event && event.step === step).map(({ type }) => type);
      expect(types).toEqual(['step-start', 'step-changed']);
    }
  });

  it.each<[string, (on: (host: string, path: string) => string) => void, string]>([
    [
      'content',
      (on) => {
        writeFileSync(on('cmp1', 'motd'), 'by hand\n');
      },
      'cmp1/base/file',
    ],
    [
      'a mode',
      (on) => {
        chmodSync(on('ctl1', 'web'), 0o755);
      },
      'ctl1/web/directory',
    ],
    [
      'a file that is gone',
      (on) => {
        rmSync(on('ctl1', 'web/conf'));
      },
      'ctl1/web/file',
    ],
  ])('mends what was changed by hand, and nothing else: %s', async (_, spoil, step) => {
    const { plan, on, directory } = cloud();
    prepare(directory);
    await run(plan, localHosts());
    spoil(on);
    const local = localHosts();
    const ran = await run(plan, local);
    expect(ran.summary).toMatchObject({ ok: 8, changed: 1, failed: 0 });
    expect(stepsOf(ran, 'step-changed')).toEqual([expect.stringContaining(step)]);
    expect([...local.shells.values()].flatMap(({ sent }) => sent.filter(({ what }) => what === 'mend'))).toHaveLength(1);
    expect((await run(plan, localHosts())).summary.changed).toBe(0);
  });

  it('does a part of a plan and leaves the rest', async () => {
    const { plan, on, directory } = cloud();
    prepare(directory);
    const ran = await run(plan, { ...localHosts(), only: select(plan, 'host:cmp2') });
    expect(ran.summary).toMatchObject({ changed: 2, hosts: 1, steps: 2 });
    expect([existsSync(on('cmp2', 'motd')), existsSync(on('cmp1', 'motd')), existsSync(on('ctl1', 'motd'))]).toEqual([true, false, false]);
  });

  it('changes what is near together in one exchange, and looks at it in the same', async () => {
    const { plan, on } = cloudOf((dir) => ({
      one: {
        steps: [
          { directory: `${dir}/d` },
          ...Array.from({ length: 20 }, (_, i) => ({ file: `${dir}/d/f${i}`, content: `${'x'.repeat(i)}\n` })),
          { symlink: `${dir}/link`, target: `${dir}/d/f1` },
          { command: `cat ${dir}/d/f19 >${dir}/seen`, creates: `${dir}/seen` },
          { directory: `${dir}/e` },
        ],
      },
    }));
    prepare(on('ctl1', ''));
    const local = localHosts();
    const ran = await run(plan, local);
    consistent(ran);
    expect(ran.summary).toMatchObject({ changed: 24, failed: 0 });
    expect(readFileSync(on('ctl1', 'd/f19'), 'utf8')).toBe(`${'x'.repeat(19)}\n`);
    // Before the walk: the survey and the old contents. Then 22 steps at once; the command, looked at before and behind; and the last.
    expect(
      local.shells
        .get('ctl1')!
        .sent.map(({ what }) => what)
        .join(' '),
    ).toBe('run run mend run mend run run mend run');
    const starts = ran.journal.map(({ type }) => type);
    expect(starts.slice(0, 22)).toEqual(Array(22).fill('step-start'));
    expect(starts.slice(22, 44)).toEqual(Array(22).fill('step-changed'));
  });

  it('touches nothing when the answer is no', async () => {
    const { plan, directory } = cloud();
    prepare(directory);
    const local = localHosts();
    const asked: unknown[] = [];
    const ran = await run(plan, {
      ...local,
      confirm: (told) => {
        asked.push(told.pending);
        return Promise.resolve(false);
      },
    });
    expect(asked).toEqual([9]);
    expect(ran.summary).toMatchObject({ ok: 0, changed: 0, failed: 0, steps: 9 });
    expect(readdirSync(directory)).toEqual([]);
    expect(ran.events.some(({ type }) => type === 'walk-start' || type === 'step-start')).toBe(false);
    expect(ran.journal).toEqual([]);
    for (const shell of local.shells.values()) {
      expect(shell.closed).toBe(true);
      expect(shell.sent.every(({ what }) => what === 'run')).toBe(true);
    }
  });

  it('that only looks changes nothing, takes no lock, and tells what it found', async () => {
    const { plan, directory } = cloud();
    prepare(directory);
    const local = localHosts();
    const events: Event[] = [];
    const { summary, told } = await look({
      plan,
      open: local.open,
      emit: (event) => events.push(event),
      command: 'plan',
      run: 'r',
      drain: new AbortController().signal,
    });
    expect(summary).toMatchObject({ changed: 0, steps: 9, hosts: 3 });
    expect(told.pending).toBe(9);
    expect(readdirSync(directory)).toEqual([]);
    expect([...local.shells.values()].every(({ locked, closed }) => !locked && closed)).toBe(true);
    const motd = events.find((event) => event.type === 'step-planned' && event.step === 'ctl1/base/file ' + directory + '/ctl1/motd');
    expect(motd).toMatchObject({ change: { action: 'create', diff: expect.stringContaining('+This is ctl1.') as string } });
  });
});

describe('what goes wrong', () => {
  it('a failing step blocks what needs it, and nothing else', async () => {
    const { plan, directory, on } = cloudOf((dir) => ({
      base: { on: all, scope: 'host', steps: [{ directory: dir }] },
      bad: {
        needs: ['base'],
        steps: [
          { directory: `${dir}/before` },
          { command: 'echo out; seq 30 >&2; exit 7', creates: `${dir}/never` },
          { directory: `${dir}/behind` },
          { directory: `${dir}/behind2` },
        ],
      },
      needy: { on: ['compute'], needs: ['bad'], steps: [{ directory: `${dir}/needy` }] },
      free: { on: all, needs: ['base'], steps: [{ directory: `${dir}/free` }] },
    }));
    prepare(directory);
    const ran = await run(plan, localHosts());
    consistent(ran);
    expect(ran.summary).toMatchObject({ changed: 7, failed: 1, blocked: 4, skipped: 0 });
    const bad = 'ctl1/bad/command echo out; seq 30 >&2; exit 7';
    expect(stepsOf(ran, 'step-failed')).toEqual([bad]);
    const failed = ran.events.find((event) => event.type === 'step-failed');
    expect(failed).toMatchObject({ message: expect.stringMatching(/^exit code 7; still done is missing, should be true/) as string });
    expect(failed?.type === 'step-failed' && failed.output).toEqual(Array.from({ length: 20 }, (_, i) => String(i + 11)));
    expect(stepsOf(ran, 'step-blocked').map((step) => step.replace(directory, ''))).toEqual([
      'cmp1/needy/directory /cmp1/needy',
      'cmp2/needy/directory /cmp2/needy',
      'ctl1/bad/directory /ctl1/behind',
      'ctl1/bad/directory /ctl1/behind2',
    ]);
    for (const event of ran.events) if (event.type === 'step-blocked') expect(event.by).toBe(bad);
    for (const host of hosts) expect(existsSync(on(host, 'free'))).toBe(true);
    expect(existsSync(on('ctl1', 'behind'))).toBe(false);
    expect(ran.journal.filter(({ type }) => type === 'step-failed')).toHaveLength(1);
  });

  it('what follows a failing one in the same exchange is not touched; what came before it is done', async () => {
    const { plan, directory, on } = cloudOf((dir) => ({
      one: {
        steps: [
          { directory: `${dir}/first` },
          { file: `${dir}/first/same`, content: 'same\n' },
          { file: `${dir}/first/bad`, content: 'x\n', validate: 'echo no good >&2; exit 3' },
          { file: `${dir}/first/never`, content: 'x\n' },
        ],
      },
    }));
    mkdirSync(on('ctl1', 'first'), { recursive: true, mode: 0o700 });
    chmodSync(on('ctl1', 'first'), 0o700);
    writeFileSync(on('ctl1', 'first/same'), 'same\n');
    prepare(directory);
    const ran = await run(plan, localHosts());
    consistent(ran);
    expect(ran.summary).toMatchObject({ ok: 1, changed: 1, failed: 1, blocked: 1 });
    expect(readdirSync(on('ctl1', 'first'))).toEqual(['same']);
    expect(ran.events.find((event) => event.type === 'step-failed')).toMatchObject({ output: ['no good'] });
    // Every intent has its end, though some were meant twice.
    const open = new Set<string>();
    for (const event of ran.journal) {
      if (event.type === 'step-start') open.add(event.step);
      else if ('step' in event) open.delete(event.step);
    }
    expect([...open]).toEqual([]);
  });

  it('a command that says it worked and did not is a failure', async () => {
    const { plan, directory } = cloudOf((dir) => ({ one: { steps: [{ command: 'true', creates: `${dir}/never` }] } }));
    prepare(directory);
    const ran = await run(plan, localHosts());
    expect(ran.summary).toMatchObject({ failed: 1, changed: 0 });
    expect(ran.events.find((event) => event.type === 'step-failed')).toMatchObject({
      message: 'the command said it worked, but still done is missing, should be true',
    });
  });

  it('a command that says it failed and did it all the same has done it', async () => {
    const { plan, directory } = cloudOf((dir) => ({
      one: { steps: [{ directory: dir }, { command: `touch ${dir}/x; exit 1`, creates: `${dir}/x` }] },
    }));
    prepare(directory);
    expect((await run(plan, localHosts())).summary).toMatchObject({ failed: 0, changed: 2 });
  });

  it('a step whose state cannot be told fails, and says why', async () => {
    // There is no MariaDB here.
    const { plan, on } = cloudOf((dir) => ({ one: { steps: [{ 'mysql-database': 'x' }, { directory: `${dir}/behind` }] } }));
    prepare(on('ctl1', ''));
    const ran = await run(plan, localHosts());
    consistent(ran);
    expect(ran.summary).toMatchObject({ failed: 1, blocked: 1 });
    expect(ran.events.find((event) => event.type === 'step-unknown')).toMatchObject({ step: 'ctl1/one/mysql-database x' });
    expect(ran.events.find((event) => event.type === 'step-failed')).toMatchObject({
      message: expect.stringMatching(/^its state cannot be told: ./) as string,
    });
  });

  it('a role that does not become healthy blocks those that need it, and is tried until its time is up', async () => {
    const { plan, directory, on } = cloudOf((dir) => ({
      ill: { steps: [{ directory: dir }], health: [{ run: `echo x >>${dir}/tries; echo not yet; false`, within: '1s' }] },
      next: { needs: ['ill'], steps: [{ directory: `${dir}/next` }] },
    }));
    prepare(directory);
    const ran = await run(plan, localHosts());
    consistent(ran);
    expect(ran.summary).toMatchObject({ changed: 1, failed: 1, blocked: 1 });
    expect(ran.events.find((event) => event.type === 'step-failed')).toMatchObject({
      step: 'ctl1/ill/health',
      message: expect.stringContaining('not yet') as string,
    });
    expect(readFileSync(on('ctl1', 'tries'), 'utf8').split('\n').length).toBeGreaterThan(3);
    expect(existsSync(on('ctl1', 'next'))).toBe(false);
  });

  it('a role that was not healthy before is waited for, though nothing changes', async () => {
    const { plan, on } = cloudOf((dir) => ({ one: { steps: [{ directory: dir }], health: [{ run: `test -e ${dir}/up`, within: '5s' }] } }));
    prepare(on('ctl1', ''));
    const ran = await run(plan, {
      ...localHosts(),
      heard: (event) => {
        if (event.type === 'walk-start')
          setTimeout(() => {
            writeFileSync(on('ctl1', 'up'), '');
          }, 300);
      },
    });
    expect(ran.summary).toMatchObject({ ok: 1, changed: 0, failed: 0 });
    expect(ran.events.filter(({ type }) => type === 'health-ok')).toHaveLength(1);
  });
});

describe('hosts that are lost', () => {
  it('one that cannot be reached: the others finish', async () => {
    const { plan, directory, on } = cloud();
    prepare(directory);
    const local = localHosts({ cmp1: new Unreachable('cmp1', 'refused', 'cmp1 refused the connection', 'Is it on?') });
    const ran = await run(plan, local);
    consistent(ran);
    expect(ran.summary).toMatchObject({ changed: 7, failed: 0, blocked: 2, unreachable: 1, hosts: 3 });
    expect(ran.events.filter(({ type }) => type === 'host-down')).toEqual([
      { type: 'host-down', host: 'cmp1', reason: 'refused', message: 'cmp1 refused the connection', hint: 'Is it on?' },
    ]);
    for (const event of ran.events) if (event.type === 'step-blocked') expect(event.by).toBe('cmp1 is unreachable');
    expect(existsSync(on('cmp2', 'motd'))).toBe(true);
    expect([...local.shells.values()].every(({ closed }) => closed)).toBe(true);
  });

  it('all of them', async () => {
    const { plan, directory } = cloud();
    prepare(directory);
    const ran = await run(plan, localHosts(Object.fromEntries(hosts.map((host) => [host, new Unreachable(host, 'dns', 'no')]))));
    consistent(ran);
    expect(ran.summary).toMatchObject({ changed: 0, blocked: 9, unreachable: 3 });
  });

  it.each(['run', 'mend'] as const)('one in the middle of the walk, while it should %s: the others finish', async (when) => {
    const { plan, directory, on } = cloud();
    prepare(directory);
    let mends = 0;
    const local = localHosts({
      ctl1: { lost: (_, what) => (what === 'mend' && (mends += 1), when === 'mend' ? mends === 2 : mends === 1 && what === 'run') },
    });
    const ran = await run(plan, local);
    consistent(ran);
    expect(ran.summary).toMatchObject({ unreachable: 1, failed: 0 });
    expect(ran.summary.changed + ran.summary.blocked).toBe(9);
    // Both steps of base were one exchange, and those of web would have been the next.
    expect(ran.summary.changed).toBe(6);
    for (const host of ['cmp1', 'cmp2']) expect(existsSync(on(host, 'motd'))).toBe(true);
    // What was begun there and not heard of stays open in the journal.
    const open =
      ran.journal.filter(({ type }) => type === 'step-start').length - ran.journal.filter(({ type }) => type === 'step-changed').length;
    expect(open).toBe(when === 'mend' ? 2 : 0);
    const again = await run(plan, localHosts());
    expect(again.summary).toMatchObject({ failed: 0, blocked: 0, unreachable: 0 });
    expect(again.summary.ok + again.summary.changed).toBe(9);
  });

  it('one while it is looked at', async () => {
    const { plan, directory } = cloud();
    prepare(directory);
    const ran = await run(plan, localHosts({ cmp2: { lost: () => true } }));
    consistent(ran);
    expect(ran.summary).toMatchObject({ changed: 7, blocked: 2, unreachable: 1 });
    expect(ran.events.filter((event) => event.type === 'host-surveyed').map(({ host }) => host)).toEqual(['ctl1', 'cmp1']);
    expect(ran.events.find((event) => event.type === 'told')).toMatchObject({ hosts: 2 });
  });

  it.each([
    ['before it did anything', 'before', 2],
    ['when it was done', 'after', 1],
  ] as const)('an outcome that nobody heard, %s: it is looked at, and tried once more if need be', async (_, when, times) => {
    const { plan, on } = cloudOf((dir) => ({
      one: {
        steps: [
          { file: `${dir}/count`, content: '' },
          { command: `echo x >>${dir}/count`, unless: `test -s ${dir}/count` },
        ],
      },
    }));
    prepare(on('ctl1', ''));
    writeFileSync(on('ctl1', 'count'), '');
    let first = true;
    const local = localHosts({
      ctl1: {
        restarted: () => {
          const now = first ? when : undefined;
          first = false;
          return now;
        },
      },
    });
    const ran = await run(plan, { ...local, only: new Set([...plan.nodes.keys()].filter((id) => id.includes('command'))) });
    expect(ran.summary).toMatchObject({ changed: 1, failed: 0, unreachable: 0 });
    expect(local.shells.get('ctl1')!.sent.filter(({ what }) => what === 'mend')).toHaveLength(times);
    expect(readFileSync(on('ctl1', 'count'), 'utf8')).toBe('x\n');
  });

  it('an outcome that is never heard is a failure at the second time', async () => {
    const { plan, directory } = cloudOf((dir) => ({ one: { steps: [{ directory: dir }] } }));
    prepare(directory);
    const local = localHosts({ ctl1: { restarted: () => 'before' } });
    const ran = await run(plan, local);
    consistent(ran);
    expect(ran.summary).toMatchObject({ changed: 0, failed: 1 });
    expect(local.shells.get('ctl1')!.sent.filter(({ what }) => what === 'mend')).toHaveLength(2);
  });
});

describe('a run that is told to stop', () => {
  it('finishes what runs, starts nothing more, and counts what was left', async () => {
    const { plan, directory, on } = cloudOf((dir) => ({
      base: { on: all, scope: 'host', steps: [{ directory: dir }] },
      slow: {
        on: all,
        needs: ['base'],
        steps: [{ command: `sleep 0.5; touch ${dir}/slow`, creates: `${dir}/slow` }, { directory: `${dir}/behind` }],
      },
      next: { on: all, needs: ['slow'], steps: [{ directory: `${dir}/next` }] },
    }));
    prepare(directory);
    const stop = new AbortController();
    const local = localHosts();
    const ran = await run(plan, {
      ...local,
      drain: stop.signal,
      heard: (event) => {
        if (event.type === 'step-start' && event.stepType === 'command') stop.abort();
      },
    });
    consistent(ran);
    expect(ran.summary).toMatchObject({ failed: 0, blocked: 0, unreachable: 0 });
    const begun = stepsOf(ran, 'step-start');
    expect(stepsOf(ran, 'step-changed')).toEqual(begun);
    expect(ran.summary.skipped).toBe(12 - begun.length);
    expect(ran.summary.skipped).toBeGreaterThanOrEqual(6);
    for (const host of hosts) expect(existsSync(on(host, 'next'))).toBe(false);
    for (const step of begun.filter((each) => each.includes('sleep'))) expect(existsSync(on(step.split('/')[0]!, 'slow'))).toBe(true);
    expect([...local.shells.values()].every(({ closed }) => closed)).toBe(true);

    const again = await run(plan, localHosts());
    expect(again.summary).toMatchObject({ failed: 0, skipped: 0, changed: 12 - ran.summary.changed });
  });

  it('before it began does nothing', async () => {
    const { plan, directory } = cloud();
    prepare(directory);
    const ran = await run(plan, { ...localHosts(), drain: AbortSignal.abort() });
    consistent(ran);
    expect(ran.summary).toMatchObject({ changed: 0, ok: 0, skipped: 9 });
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('locks', () => {
  const other = { run: 'r0', who: 'ann@desk', what: 'cellwise apply', since: '2026-01-01T10:00:00Z' };

  it('somebody else’s stops the run before anything is touched, and all others are given back', async () => {
    const { plan, directory } = cloud();
    prepare(directory);
    const local = localHosts({ cmp1: { holder: other } });
    const refused = await run(plan, local).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Locked);
    expect((refused as Locked).message).toBe('cmp1 is locked by ann@desk, who runs "cellwise apply" since 2026-01-01T10:00:00Z');
    expect(refused).toMatchObject({ host: 'cmp1', holder: other });
    expect(readdirSync(directory)).toEqual([]);
    expect([...local.shells.keys()].toSorted()).toEqual(hosts.toSorted());
    expect([...local.shells.values()].every(({ closed }) => closed)).toBe(true);
    expect([...local.shells.values()].flatMap(({ sent }) => sent).every(({ what }) => what === 'run')).toBe(true);
  });

  it('a host that is unreachable does not hide it', async () => {
    const { plan, directory } = cloud();
    prepare(directory);
    const local = localHosts({ ctl1: new Unreachable('ctl1', 'dns', 'no'), cmp2: { holder: other } });
    await expect(run(plan, local)).rejects.toBeInstanceOf(Locked);
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('secrets', () => {
  const canary = 'cAnArY0123456789';

  it('are in no event and no journal: not in diffs, differences, names', async () => {
    const { plan, directory, on } = cloud({ 'web.pw': canary });
    prepare(directory);
    const first = await run(plan, localHosts());
    // The old file holds it too, in other places than the new one; and an older secret that we do not know any more.
    writeFileSync(on('ctl1', 'web/conf'), `port = 81\npassword = ${canary}\n${canary} = 1\npassword = oLdCaNaRy\n`);
    const second = await run(plan, localHosts());
    expect(readFileSync(on('ctl1', 'web/conf'), 'utf8')).toContain(canary);
    const diff = second.events.find((event) => event.type === 'step-planned' && event.step.endsWith('web/conf'));
    expect(JSON.stringify(diff)).toContain('‹secret web.pw›');
    for (const text of [first, second].map((each) => JSON.stringify(each))) {
      expect(text).not.toContain(canary);
      expect(text).not.toContain('oLdCaNaRy');
    }
  });

  it('that begin a line are not taken for its key', async () => {
    const { plan, on } = cloudOf(
      (dir) => ({
        one: {
          params: { pw: { type: 'string', format: 'secret' } },
          steps: [{ file: `${dir}/users`, content: '{{pw}}: admin\nport: 1\n', mode: '0600' }],
        },
      }),
      undefined,
      { 'one.pw': canary },
    );
    prepare(on('ctl1', ''));
    writeFileSync(on('ctl1', 'users'), `${canary}: somebody\nport: 2\n`);
    const ran = await run(plan, localHosts());
    expect(ran.summary.changed).toBe(1);
    expect(JSON.stringify(ran)).not.toContain(canary);
    expect(JSON.stringify(ran.events)).toContain('port:');
  });

  it('that a command prints, in any spelling, are masked on their way out', async () => {
    const directory = newDirectory();
    const store = await openSecrets({ file: `${directory}/s.age`, identity: `${directory}/identity` });
    const value = store.get('one.pw').reveal();
    const roles = rolesOf({
      one: {
        params: { pw: { type: 'string', format: 'secret' } },
        steps: [
          { command: `cat; echo; base64 <${directory}/copy; cat ${directory}/copy >&2; exit 1`, creates: '/nonexistent', stdin: '{{pw}}' },
        ],
      },
    });
    writeFileSync(`${directory}/copy`, value);
    const ran = await run(planOf(inventoryOf('  ctl1: {address: 10.77.0.11, kind: controller}\n'), roles, store.get), localHosts());
    const failed = ran.events.find((event) => event.type === 'step-failed')!;
    expect(failed).toBeDefined();
    const shown = JSON.stringify(ran.events);
    expect(shown).not.toContain(value);
    expect(shown).not.toContain(Buffer.from(value).toString('base64'));
    expect(shown.split('‹secret one.pw›').length - 1).toBe(3);
  });
});

describe('content', () => {
  it.each<[string, Buffer | string | undefined, string | undefined]>([
    ['new', undefined, '@@ -0,0 +1,2 @@\n+first\n+second\n'],
    ['changed', 'first\nother\n', '@@ -1,2 +1,2 @@\n first\n-other\n+second\n'],
    ['without a newline at its end', 'first\nsecond', '@@ -1,2 +1,2 @@\n first\n-second\n\\ No newline at end of file\n+second\n'],
    ['binary', Buffer.from([0, 1, 2, 255]), undefined],
    ['too long to read', 'x\n'.repeat(200_000), undefined],
  ])('%s is shown by its diff', async (_, before, diff) => {
    const { plan, on } = cloudOf((dir) => ({ one: { steps: [{ file: `${dir}/a`, content: 'first\nsecond\n' }] } }));
    prepare(on('ctl1', ''));
    if (before !== undefined) writeFileSync(on('ctl1', 'a'), before);
    const ran = await run(plan, localHosts());
    const planned = ran.events.find((event) => event.type === 'step-planned');
    expect(planned?.type === 'step-planned' && planned.change.diff).toBe(diff ?? undefined);
    expect(readFileSync(on('ctl1', 'a'), 'utf8')).toBe('first\nsecond\n');
  });
});

describe('verify', () => {
  it('asks every role’s health once, and counts', async () => {
    const { plan, directory } = cloudOf((dir) => ({
      base: { on: all, steps: [{ directory: dir }], health: [{ run: 'true' }] },
      ill: { steps: [{ directory: `${dir}/x` }], health: [{ run: 'echo it hurts; false', within: '60s' }] },
      quiet: { steps: [{ directory: `${dir}/y` }] },
    }));
    prepare(directory);
    const events: Event[] = [];
    const started = performance.now();
    const local = localHosts({ cmp2: new Unreachable('cmp2', 'dns', 'no') });
    const summary = await verify({
      plan,
      open: local.open,
      emit: (event) => events.push(event),
      command: 'verify',
      run: 'r',
      drain: new AbortController().signal,
    });
    expect(performance.now() - started).toBeLessThan(5000);
    expect(summary).toMatchObject({ ok: 2, failed: 1, unreachable: 1, changed: 0 });
    expect(
      events
        .filter(({ type }) => type === 'health-ok')
        .map((event) => event.type === 'health-ok' && event.host)
        .toSorted(),
    ).toEqual(['cmp1', 'ctl1']);
    expect(events.find(({ type }) => type === 'step-failed')).toMatchObject({ message: expect.stringContaining('it hurts') as string });
    expect(readdirSync(directory)).toEqual([]);
    expect([...local.shells.values()].every(({ closed }) => closed)).toBe(true);
  });
});

describe('a step behind an API', () => {
  const servers: { close(): unknown }[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });
  /** As much of Keystone as a project needs; `broken` answers what would change something by an error. */
  const keystone = async (broken: boolean): Promise<number> => {
    const projects: unknown[] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = chunks.length > 0 ? (JSON.parse(Buffer.concat(chunks).toString()) as { project?: object }) : {};
        if (request.url === '/v3/auth/tokens') response.writeHead(201, { 'x-subject-token': 't' }).end('{}');
        else if (request.method === 'GET') response.end(JSON.stringify({ projects }));
        else if (broken) response.writeHead(500).end('{"error": "oops"}');
        else {
          projects.push({ id: '1', description: '', enabled: true, ...body.project });
          response.writeHead(201).end('{}');
        }
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };
  const projectCloud = (port: number) =>
    cloudOf((dir) => ({
      keystone: {
        params: { pw: { type: 'string', format: 'secret' } },
        api: {
          service: 'identity',
          url: `http://127.0.0.1:${port}`,
          login: { user: 'admin', password: '{{pw}}', project: 'admin', region: 'r' },
        },
        steps: [{ 'keystone-project': 'service' }, { directory: `${dir}/behind` }],
      },
      free: {
        on: all,
        steps: [{ directory: dir }, { command: 'sleep 0.3', unless: `test -e ${dir}/done`, onlyif: 'false' }, { directory: `${dir}/free` }],
      },
    }));

  it('is looked at, made, and then there', async () => {
    const { plan, directory } = projectCloud(await keystone(false));
    prepare(directory);
    mkdirSync(`${directory}/ctl1`);
    const first = await run(plan, localHosts());
    consistent(first);
    expect(stepsOf(first, 'step-changed')).toContain('ctl1/keystone/keystone-project service');
    expect(first.summary.failed).toBe(0);
    const second = await run(plan, localHosts());
    expect(second.summary).toMatchObject({ changed: 0, failed: 0 });
  });

  it('is found on a host that has nothing else to do', async () => {
    const port = await keystone(false);
    const { plan } = cloudOf(() => ({
      keystone: {
        params: { pw: { type: 'string', format: 'secret' } },
        api: {
          service: 'identity',
          url: `http://127.0.0.1:${port}`,
          login: { user: 'admin', password: '{{pw}}', project: 'admin', region: 'r' },
        },
        steps: [{ 'keystone-project': 'service' }],
      },
      user: { on: ['compute'], steps: [{ 'keystone-project': '{{host.name}}' }] },
    }));
    const only = new Set([...plan.graph.ids()].filter((id) => id.startsWith('cmp1/user/keystone-project')));
    const local = localHosts();
    const ran = await run(plan, { ...local, only });
    consistent(ran);
    expect(ran.summary).toMatchObject({ changed: 1, failed: 0, unreachable: 0, hosts: 1 });
    expect([...local.shells].map(([host, { closed }]) => [host, closed])).toEqual([
      ['cmp1', true],
      ['ctl1', true],
    ]);
  });

  it('that is answered by an error fails, and blocks what needs it and nothing else', async () => {
    const { plan, directory, on } = projectCloud(await keystone(true));
    prepare(directory);
    mkdirSync(`${directory}/ctl1`);
    const local = localHosts();
    const ran = await run(plan, local);
    consistent(ran);
    expect(ran.summary).toMatchObject({ failed: 1, blocked: 1, unreachable: 0 });
    expect(ran.events.find((event) => event.type === 'step-failed')).toMatchObject({
      step: 'ctl1/keystone/keystone-project service',
      message: expect.stringContaining('500') as string,
    });
    for (const host of hosts) expect(existsSync(on(host, 'free'))).toBe(true);
    expect([...local.shells.values()].every(({ closed }) => closed)).toBe(true);
  });
});
