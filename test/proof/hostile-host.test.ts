// A host that lies, floods or falls silent, beside two good ones: what a whole run makes of it. What the connection alone
// makes of it is in test/ssh/connect.test.ts.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerChannel } from 'ssh2';
import { afterAll, describe, expect, test } from 'vitest';
import type { Command } from '../../src/base/command.ts';
import type { Event, Summary } from '../../src/base/event.ts';
import type { Shell } from '../../src/base/shell.ts';
import * as engine from '../../src/engine/run.ts';
import type { EarlyShell, Open } from '../../src/engine/work.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { connect, type ConnectOptions } from '../../src/ssh/connect.ts';
import { inventoryOf, planOf, rolesOf } from '../plan/clouds.ts';
import { newBase } from '../ssh/local.ts';
import { startServer, type Behaviour } from '../ssh/server.ts';

const root = mkdtempSync(join(tmpdir(), 'cellwise-hostile-'));
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});
let runs = 0;

/** Ours are minutes: a test cannot wait as long. What counts is that each of them ends the waiting. */
const limits: ConnectOptions = { connectTimeout: 3, handshakeTimeout: 3, openTimeout: 4, tries: 2, reconnect: 4, patience: 1 };
const commandLimit = 3;

const megabytes = (bytes: number): number => Math.round(bytes / 1024 / 1024);

/** The good hosts are this machine, whatever it runs and is called; and commands get less time than they ask for. */
function onTest(shell: Shell): Shell {
  const os = { id: 'debian', like: [], version: '13', codename: 'trixie' };
  return {
    host: shell.host,
    facts: { ...shell.facts, hostname: shell.host, os },
    get roundTrips() {
      return shell.roundTrips;
    },
    ...early(shell),
    mend: (command) => shell.mend(hasty(command)),
    dial: (address, port) => shell.dial(address, port),
    close: () => shell.close(),
  };
}

const hasty = (command: Command): Command => ({ ...command, timeout: commandLimit });
const early = (shell: EarlyShell): EarlyShell => ({ run: (command) => shell.run(hasty(command)), lock: (holder) => shell.lock(holder) });

interface Ran {
  readonly summary: Summary;
  readonly events: readonly Event[];
  readonly seconds: number;
  /** Megabytes by which this process grew, at most. */
  readonly grown: number;
  /** The directory that the role makes on each host. */
  readonly made: (host: string, file: string) => string | undefined;
}

/** One apply over a hostile host and two good ones, of a role that keeps a directory and files in it on each. */
async function applyWith(bad: Behaviour): Promise<Ran> {
  const top = join(root, String(runs++));
  const plan: Plan = planOf(
    inventoryOf(`  bad: {address: 10.77.0.11, kind: controller}\n  good[1-2]: {address: 10.77.0.21, kind: compute}\n`),
    rolesOf({
      work: {
        on: ['controller', 'compute'],
        scope: 'host',
        steps: [
          { directory: `${top}-{{host.name}}` },
          ...['one', 'two', 'three'].map((name) => ({ file: `${top}-{{host.name}}/${name}`, content: `${name} of {{host.name}}\n` })),
        ],
      },
    }),
  );
  const servers = { bad: await startServer(bad), good1: await startServer(), good2: await startServer() };
  const open: Open = async (host, ask) => {
    const { target } = servers[host as keyof typeof servers];
    return onTest(
      await connect(
        { ...target, name: host },
        {
          ...limits,
          base: newBase(),
          ...(ask
            ? {
                early: (shell) => {
                  ask(early(shell));
                },
              }
            : {}),
        },
      ),
    );
  };
  const events: Event[] = [];
  const [at, before] = [performance.now(), process.memoryUsage().rss];
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20);
  try {
    const summary = await engine.apply({
      plan,
      open,
      emit: (event) => events.push(event),
      command: 'apply',
      run: `r${runs}`,
      drain: new AbortController().signal,
      holder: { run: `r${runs}`, who: 'test', what: 'cellwise apply', since: 'now' },
      journal: { record: () => undefined, synced: () => Promise.resolve(), close: () => Promise.resolve() },
      confirm: () => Promise.resolve(true),
    });
    const made = (host: string, file: string) =>
      existsSync(`${top}-${host}/${file}`) ? readFileSync(`${top}-${host}/${file}`, 'utf8') : undefined;
    return { summary, events, seconds: (performance.now() - at) / 1000, grown: megabytes(most - before), made };
  } finally {
    clearInterval(watch);
    if (process.env['CELLWISE_EVENTS'])
      process.stderr.write(
        `${events.map((event) => JSON.stringify(event).slice(0, 400)).join('\n')}\n${(performance.now() - at) / 1000} s, ${megabytes(most - before)} MB\n`,
      );
    for (const server of Object.values(servers)) server.close();
  }
}

// --- how hosts are hostile -----------------------------------------------------------------------------------------------

type Act = (stream: ServerChannel, nonce: string, id: string, frame: string) => void;
/** What a host is sent: `take` is the lock, `run` looks, `mend` changes. */
type Sent = 'take' | 'run' | 'mend' | 'run|mend';

/** A real shell until something of this kind is sent to it, and then this. */
const turning = (when: Sent, act: Act): Behaviour => meddling(when, act, true);

/** A real shell, but for what is of this kind: that is answered so instead. `turned`: and nothing else ever again. */
function meddling(when: Sent, act: Act, turns = false): Behaviour {
  return {
    exec(stream, command) {
      const child = spawn('/bin/sh', ['-c', command], { stdio: ['pipe', 'pipe', 'ignore'] });
      let [nonce, turned] = ['', false];
      for (const end of [child.stdin, child.stdout]) end.on('error', () => undefined);
      const greeted = new Promise<void>((resolve) =>
        child.stdout.once('data', () => {
          resolve();
        }),
      );
      child.stdout.on('data', (chunk: Buffer) => turned || stream.write(chunk));
      const take = cutter(Number(/head -c (\d+)/.exec(command)![1]), (frame) => {
        if (turned) return;
        const header = frame.subarray(0, 200).toString('latin1');
        nonce ||= /^n=([0-9a-f]{32})/.exec(header)?.[1] ?? '';
        const [, id] = new RegExp(when === 'take' ? '^take (\\d+)' : `^job (\\d+) (?:${when}) `).exec(header) ?? [];
        if (id === undefined) child.stdin.write(frame);
        else {
          void greeted.then(() => {
            turned = turns;
            act(stream, nonce, id, frame.toString('latin1'));
          });
        }
      });
      stream.on('data', take);
      stream.on('close', () => child.kill('SIGKILL'));
    },
  };
}

/** Cuts what is sent to a host into the loop's text, of this length, and frames behind it. */
function cutter(length: number, found: (frame: Buffer) => void): (chunk: Buffer) => void {
  let held = Buffer.alloc(0);
  let wanted = length;
  return (chunk) => {
    held = Buffer.concat([held, chunk]);
    for (;;) {
      if (wanted === 0) {
        const end = held.indexOf('\n') + 1;
        if (end === 0) return;
        const [kind, , , more = '0', script = '0', input = '0'] = held.toString('latin1', 0, end - 1).split(' ');
        wanted = end + (kind === 'job' ? Number(script) + Number(input) + 2 : kind === 'take' ? Number(more) + 2 : 0);
      }
      if (held.length < wanted) return;
      found(held.subarray(0, wanted));
      held = held.subarray(wanted);
      wanted = 0;
    }
  };
}

/** Writes as fast as it is read: `bytes` in all, or without end. */
function flood(stream: ServerChannel, chunk: Buffer, bytes = Infinity, then: () => void = () => undefined): void {
  let [left, over] = [bytes, false];
  stream.on('close', () => (over = true));
  const more = (): void => {
    if (over || stream.destroyed) return;
    if (left <= 0) {
      then();
      return;
    }
    left -= chunk.length;
    if (stream.write(chunk)) setImmediate(more);
    else stream.once('drain', more);
  };
  more();
}

const mega = (character: string): Buffer => Buffer.alloc(1024 * 1024, character);
const gigabyte = 1024 ** 3;
const answer = (nonce: string, id: string, code: number | string, out = 0): string => `${nonce} ${id} ${code} ${out} 0 ${out} 0\n`;

/** Answers each question with 16 MiB, the most that is taken, in a form that is right: what is in it is for those who asked. */
const stuffed =
  (fill: string): Act =>
  (stream, nonce, id, frame) => {
    const mark = /mark\(\) \{ printf '[^']+' ([0-9a-f]{32}) /.exec(frame)?.[1] ?? '';
    const bytes = Buffer.alloc(16 * 1024 * 1024, fill.replaceAll('MARK', mark));
    bytes.write(`\n${mark} 0\n`, bytes.length - mark.length - 4, 'latin1');
    stream.write(answer(nonce, id, 0, bytes.length));
    stream.write(bytes);
  };

const before: readonly [name: string, behaviour: Behaviour, reason: string][] = [
  ['closes its shell at once', { exec: (stream) => (stream.exit(1), stream.end()) }, 'no-shell'],
  ['has a banner of 1 MB', { banner: 'b'.repeat(1_000_000) }, 'protocol'],
  [
    'says a gigabyte before its shell',
    {
      exec: (stream) => {
        flood(stream, mega('g'), gigabyte);
      },
    },
    'protocol',
  ],
  [
    'says a gigabyte of errors before its shell',
    {
      exec: (stream) => {
        flood(stream.stderr as unknown as ServerChannel, mega('e'), gigabyte);
      },
    },
    'timeout',
  ],
  ['never opens a shell', { exec: () => undefined }, 'timeout'],
];
const looking: readonly [name: string, behaviour: Behaviour, reason: string | RegExp][] = [
  ['answers with an exit code out of range', turning('run', (stream, nonce, id) => stream.write(answer(nonce, id, 999))), 'protocol'],
  ['answers with a negative exit code', turning('run', (stream, nonce, id) => stream.write(answer(nonce, id, -1))), 'protocol'],
  [
    'announces a terabyte',
    turning('run', (stream, nonce, id) => stream.write(`${nonce} ${id} 0 999999999 0 999999999999 0\n`)),
    'protocol',
  ],
  ['answers what was not asked', turning('run', (stream, nonce) => stream.write(answer(nonce, '77777', 0))), 'protocol'],
  [
    'answers without end',
    turning('run', (stream, nonce, id) => {
      stream.write(answer(nonce, id, 0, 1024));
      flood(stream, mega('x'));
    }),
    'protocol',
  ],
  [
    'sends a header without end',
    turning('run', (stream, nonce) => {
      stream.write(`${nonce} `);
      flood(stream, mega('1'));
    }),
    'protocol',
  ],
  ['never answers', turning('run', () => undefined), 'lost'],
  ['drops its shell at each question', turning('run', (stream) => (stream.exit(1), stream.end())), /^(lost|no-shell)$/],
  ['never gives its lock', turning('take', () => undefined), 'lost'],
];
const lying: readonly [name: string, fill: string][] = [
  ['zeros', '\0'],
  ['newlines', '\n'],
  ['words and zeros', '/x\0directory\0root:root\x00755\0'],
  ['ends of answers', '\nMARK 0\n'],
  ['sums without files', `${'0'.repeat(64)}  /x\0`],
];
const changing: readonly [name: string, behaviour: Behaviour, reason: string][] = [
  [
    'sends a gigabyte when it is to change',
    turning('mend', (stream, nonce, id) => {
      stream.write(answer(nonce, id, 0));
      flood(stream, mega('m'), gigabyte);
    }),
    'protocol',
  ],
  ['exits out of range when it is to change', turning('mend', (stream, nonce, id) => stream.write(answer(nonce, id, 4711))), 'protocol'],
  ['falls silent when it is to change', turning('mend', () => undefined), 'lost'],
];

function othersFinished({ made, summary }: Ran): void {
  for (const host of ['good1', 'good2']) {
    for (const file of ['one', 'two', 'three']) expect(made(host, file)).toBe(`${file} of ${host}\n`);
  }
  expect(summary).toMatchObject({ changed: 8, hosts: 3 });
}

// The loop wants to be root.
describe.runIf(process.getuid?.() === 0)('a host that', () => {
  test.concurrent.each([...before, ...looking])(
    '%s: it is named, the others finish',
    { timeout: 60_000 },
    async (_name, behaviour, reason) => {
      const ran = await applyWith(behaviour);
      const down = ran.events.filter((event) => event.type === 'host-down');
      // Whether the last try to get it back was cut short or refused is a matter of milliseconds.
      expect(down).toMatchObject([
        { host: 'bad', reason: typeof reason === 'string' ? reason : (expect.stringMatching(reason) as string) },
      ]);
      expect(down[0]!.message).toMatch(/^[\x20-\x7e]{10,400}$/);
      othersFinished(ran);
      expect(ran.summary).toMatchObject({ unreachable: 1, failed: 0, blocked: 4 });
      expect(ran.grown).toBeLessThan(300);
      expect(ran.seconds).toBeLessThan(40);
    },
  );

  test.each(lying)('answers 16 MiB of %s: what it says is not believed, the others finish', { timeout: 60_000 }, async (_name, fill) => {
    const ran = await applyWith(meddling('run|mend', stuffed(fill)));
    othersFinished(ran);
    expect(ran.summary.unreachable + ran.summary.failed).toBeGreaterThan(0);
    expect(JSON.stringify(ran.events).length).toBeLessThan(200_000);
    // Taken apart into words, 16 MiB of zeros are 16 million of them, and changing asks twice; both ends are in this process.
    expect(ran.grown).toBeLessThan(600);
    expect(ran.seconds).toBeLessThan(40);
  });

  test.concurrent.each(changing)('%s: it is named, the others finish', { timeout: 60_000 }, async (_name, behaviour, reason) => {
    const ran = await applyWith(behaviour);
    expect(ran.events.filter((event) => event.type === 'host-down')).toMatchObject([{ host: 'bad', reason }]);
    othersFinished(ran);
    expect(ran.summary).toMatchObject({ unreachable: 1, failed: 0, blocked: 4 });
    expect(ran.grown).toBeLessThan(300);
    expect(ran.seconds).toBeLessThan(40);
  });

  test('drops its shell whenever it is to change: it is not tried for ever', { timeout: 60_000 }, async () => {
    const ran = await applyWith(turning('mend', (stream) => (stream.exit(1), stream.end())));
    expect(ran.events.filter((event) => event.type === 'step-failed')).toMatchObject([{ host: 'bad', stepType: 'directory' }]);
    othersFinished(ran);
    expect(ran.summary).toMatchObject({ unreachable: 0, failed: 1, blocked: 3 });
  });

  test('claims to have changed what it has not: looking again finds out', { timeout: 60_000 }, async () => {
    const ran = await applyWith(meddling('mend', (stream, nonce, id) => stream.write(answer(nonce, id, 0))));
    expect(ran.events.filter((event) => event.type === 'step-failed')).toMatchObject([
      { host: 'bad', stepType: 'directory', message: expect.stringMatching(/still kind is missing, should be "directory"/) as string },
    ]);
    expect(ran.summary).toMatchObject({ unreachable: 0, failed: 1, blocked: 3 });
    othersFinished(ran);
  });

  test('prints what a terminal would obey: events hold no control characters', { timeout: 60_000 }, async () => {
    const evil = '\x1b]0;owned\x07\x1b[2Jall is well\r';
    const ran = await applyWith(
      meddling('mend', (stream, nonce, id) => {
        stream.write(`${nonce} ${id} 1 ${evil.length} ${evil.length} ${evil.length} ${evil.length}\n${evil}${evil}`);
      }),
    );
    othersFinished(ran);
    expect(ran.events.find((event) => event.type === 'step-failed')).toHaveProperty(
      'output',
      expect.arrayContaining([expect.stringContaining('all is well')]),
    );
    const told = ran.events.map((event) => JSON.stringify(event));
    // eslint-disable-next-line no-control-regex -- they are what is searched for
    expect(told.flatMap((event) => event.match(/\\u00(0[0-8be-f]|1[0-9a-f])|[\0-\x1f]/g) ?? [])).toEqual([]);
  });
});
