// A transport whose hosts are child processes of this machine: the loop runs in a real shell, without SSH and without root.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { Channel, Ending, Transport } from '../../src/ssh/channel.ts';
import { TransportShell, type ShellOptions } from '../../src/ssh/shell.ts';

export const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));

/** Shells that are here, as what starts them: sh -c … */
export const shells: readonly (readonly [name: string, argv: readonly string[]])[] = [
  ['sh', ['/bin/sh']],
  ...(existsSync('/bin/bash') ? [['bash', ['/bin/bash', '--posix']] as const] : []),
  ...(busybox ? [['busybox ash', [busybox, 'ash']] as const] : []),
];

const bases: string[] = [];
afterAll(() => {
  for (const base of bases) rmSync(base, { recursive: true, force: true });
});

/** A directory in which runs and the lock live, on a tmpfs where there is one. Gone when the tests are. */
export function newBase(): string {
  const parent = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'cellwise-test-'));
  bases.push(parent);
  return join(parent, 'base');
}

export interface LocalTransport extends Transport {
  readonly children: ChildProcess[];
}

/** Starts commands with `argv -c`; the loop itself gets the same shell. */
export function localTransport(argv: readonly string[] = ['/bin/sh']): LocalTransport {
  const children: ChildProcess[] = [];
  return {
    children,
    exec(command) {
      const [file = '/bin/sh', ...rest] = argv;
      const inShell = command.replace('/bin/sh -c', [file, ...rest, '-c'].join(' '));
      const child = spawn('/bin/sh', ['-c', inShell], { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
      children.push(child);
      return Promise.resolve(channelOf(child));
    },
    dial: () => Promise.reject(new Error('not here')),
    close() {
      for (const child of children) if (child.exitCode === null) child.stdin?.destroy();
    },
  };
}

function channelOf(child: ReturnType<typeof spawn>): Channel {
  const [input, output, errors] = [child.stdin!, child.stdout!, child.stderr!];
  for (const stream of [input, output, errors]) stream.on('error', () => undefined);
  const closed = new Promise<Ending>((resolve) => {
    child.on('exit', (code, signal) => {
      resolve({ code: code ?? undefined, signal: signal ?? undefined });
    });
  });
  return {
    input,
    output,
    errors,
    closed,
    destroy() {
      for (const stream of [input, output, errors]) stream.destroy();
    },
  };
}

const defaults: ShellOptions = {
  host: 'here',
  user: 'me',
  sudo: 'no',
  root: false,
  base: '',
  maxOut: 16 * 1024 * 1024,
  maxErr: 16 * 1024 * 1024,
  openTimeout: 10,
  reconnect: 10,
  patience: 10,
  silence: 60,
};

/** A shell on this machine, and the transports it used so far. */
export async function openLocal(
  options: Partial<ShellOptions> & { argv?: readonly string[] } = {},
): Promise<{ shell: TransportShell; transports: LocalTransport[] }> {
  const transports: LocalTransport[] = [];
  const shell = new TransportShell(
    () => {
      const transport = localTransport(options.argv);
      transports.push(transport);
      return Promise.resolve(transport);
    },
    { ...defaults, base: options.base ?? newBase(), ...options },
  );
  await shell.open();
  return { shell, transports };
}
