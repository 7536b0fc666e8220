// Hosts that are this machine: a Shell whose commands run here by `sh`, with what can happen to a host to be switched on.
import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Command, Output } from '../../src/base/command.ts';
import { reveal } from '../../src/base/secret.ts';
import { Unreachable, type Holder, type HostFacts, type Shell } from '../../src/base/shell.ts';
import { newDirectory } from '../roles/directories.ts';

const scratch = newDirectory();
let scripts = 0;

/** Runs a command here, as a host's shell would: the script from a file, the input by standard input, a group to end. */
export function runHere(command: Command): Promise<Output> {
  const file = join(scratch, String(scripts++));
  writeFileSync(file, command.script);
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', [file], { detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    let timedOut = false;
    const timer = setTimeout(
      () => {
        timedOut = true;
        process.kill(-child.pid!, 'SIGKILL');
      },
      (command.timeout ?? 120) * 1000,
    );
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    // A command that does not read its input is no failure.
    child.stdin.on('error', () => undefined);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      rmSync(file, { force: true });
      resolve({
        code: timedOut ? 124 : (code ?? 255),
        out: Buffer.concat(out),
        err: Buffer.concat(err),
        ...(timedOut ? { timedOut } : {}),
      });
    });
    child.stdin.end(bytes(command));
  });
}

function bytes({ stdin = '' }: Command): Uint8Array {
  return stdin instanceof Uint8Array ? stdin : Buffer.from(reveal(stdin));
}

/** What happens to a host. Each is asked before a command runs and gets its script. */
interface Fate {
  /** True: the host does not answer from now on. */
  readonly lost?: (script: string, what: 'run' | 'mend') => boolean;
  /** `before`: the host is restarted before the command has done anything; `after`: when it is done. Nobody hears of it. */
  readonly restarted?: (script: string) => 'before' | 'after' | undefined;
  readonly holder?: Holder;
}

export class LocalShell implements Shell {
  readonly host: string;
  readonly facts: HostFacts;
  /** Everything that was sent, in order. */
  readonly sent: { readonly what: 'run' | 'mend'; readonly script: string }[] = [];
  roundTrips = 0;
  closed = false;
  locked = false;
  #gone = false;
  readonly #fate: Fate;

  constructor(host: string, fate: Fate = {}) {
    this.host = host;
    this.facts = { hostname: host, os: { id: 'debian', like: [], version: '13', codename: 'trixie' }, bootId: 'boot', clock: 0 };
    this.#fate = fate;
  }

  async run(command: Command): Promise<Output> {
    this.#send('run', command);
    return runHere(command);
  }

  async mend(command: Command): Promise<Output | 'unknown'> {
    this.#send('mend', command);
    const restarted = this.#fate.restarted?.(command.script);
    if (restarted === 'before') return 'unknown';
    const output = await runHere(command);
    return restarted === 'after' ? 'unknown' : output;
  }

  lock(): Promise<'locked' | Holder> {
    this.locked = this.#fate.holder === undefined;
    return Promise.resolve(this.#fate.holder ?? 'locked');
  }

  dial(address: string, port: number): Promise<Duplex> {
    return dialHere(address, port);
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  #send(what: 'run' | 'mend', { script }: Command): void {
    this.roundTrips += 1;
    this.#gone ||= this.#fate.lost?.(script, what) ?? false;
    if (this.#gone) throw new Unreachable(this.host, 'lost', `The connection to ${this.host} was lost`);
    this.sent.push({ what, script });
  }
}

export function dialHere(address: string, port: number): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, address, () => {
      resolve(socket);
    });
    socket.on('error', reject);
  });
}

/** Opens shells of this machine by host name, and remembers them. */
export function localHosts(fates: Readonly<Record<string, Fate | Unreachable>> = {}): {
  readonly shells: Map<string, LocalShell>;
  readonly open: (host: string, early?: (shell: LocalShell) => void) => Promise<LocalShell>;
} {
  const shells = new Map<string, LocalShell>();
  return {
    shells,
    open: (host, early) => {
      const fate = fates[host];
      if (fate instanceof Unreachable) return Promise.reject(fate);
      const shell = new LocalShell(host, fate);
      shells.set(host, shell);
      early?.(shell);
      return Promise.resolve(shell);
    },
  };
}
