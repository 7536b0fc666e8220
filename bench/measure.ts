import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A whole process, from its start to its end. */
export interface Measured {
  readonly seconds: number;
  /** Seconds of processor time, user and system, of the process and those of its children that it waited for. */
  readonly cpu: number;
  readonly code: number;
  /** What it printed, on either stream. */
  readonly out: string;
}

/** Runs a command line and measures it by bash's `time`, which counts children too. `log` is where its output goes. */
export async function measure(command: readonly string[], log: string, env: NodeJS.ProcessEnv = process.env): Promise<Measured> {
  const script = 'TIMEFORMAT="%3R %3U %3S"; time "$@" >"$LOG" 2>&1 </dev/null';
  const { code, err } = await bash(['-c', script, 'bench', ...command], { ...env, LOG: log });
  const [seconds = NaN, user = NaN, system = NaN] = (err.trim().split('\n').at(-1) ?? '').split(' ').map(Number);
  return { seconds, cpu: user + system, code, out: await readFile(log, 'utf8') };
}

function bash(args: readonly string[], env: NodeJS.ProcessEnv): Promise<{ code: number; err: string }> {
  return new Promise((resolve) => {
    execFile('bash', args, { env }, (error, _out, err) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, err });
    });
  });
}

/** Seconds of processor time that containers have used so far, as their control groups count it; undefined where they don't. */
export function containerCpu(ids: readonly string[]): number | undefined {
  const each = ids.map((id) => v1(id) ?? v2(id));
  return each.every((seconds) => seconds !== undefined) ? each.reduce((sum, seconds) => sum + seconds, 0) : undefined;
}

function v1(id: string): number | undefined {
  const text = read(join('/sys/fs/cgroup/cpuacct/docker', id, 'cpuacct.usage'));
  return text === undefined ? undefined : Number(text) / 1e9;
}

function v2(id: string): number | undefined {
  const text = read(`/sys/fs/cgroup/system.slice/docker-${id}.scope/cpu.stat`) ?? read(`/sys/fs/cgroup/docker/${id}/cpu.stat`);
  const usage = /^usage_usec (\d+)$/m.exec(text ?? '')?.[1];
  return usage === undefined ? undefined : Number(usage) / 1e6;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
