import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Output } from '../base/command.ts';
import type { Names } from '../engine/upgrade.ts';
import type { Hook } from '../inventory/types.ts';

/** Runs a hook where Cellwise runs; what does not end in time is ended with all that it started. */
export function runHere({ run: script, within }: Hook, names: Names): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', script], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...environment(), ...names },
    });
    const [out, err] = [endOf(child.stdout), endOf(child.stderr)];
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      process.kill(-child.pid!, 'SIGKILL');
    }, within * 1000);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({
        code: timedOut ? 124 : (code ?? 255),
        out: out(),
        err: err(),
        ...(timedOut ? { timedOut } : {}),
      });
    });
  });
}

/** Drains a stream, and keeps the end of what it says: of a hook, its last line is told. */
function endOf(stream: Readable): () => Buffer {
  let end = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    end = Buffer.concat([end, chunk]).subarray(-64 * 1024);
  });
  return () => end;
}

/** What programs cannot do without. The rest of an operator's environment holds tokens and agents that are not the inventory's. */
function environment(): Record<string, string> {
  return Object.fromEntries(
    ['PATH', 'HOME', 'USER', 'LANG'].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
