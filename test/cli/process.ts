// The command line as people have it: a process of its own.
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly seconds: number;
}

interface Options {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Typed into its standard input, which is no terminal. */
  readonly input?: string;
}

const main = resolve('src/cli/main.ts');

/** Runs `cellwise` with some words and waits for its end. */
export function cellwise(words: readonly string[], { cwd = process.cwd(), env = {}, input = '' }: Options = {}): Promise<Ended> {
  const at = performance.now();
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, [main, ...words], {
      cwd,
      env: { ...process.env, FORCE_COLOR: undefined, NO_COLOR: undefined, ...env },
    });
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', failed);
    const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
    child.on('close', (code) => {
      clearTimeout(timer);
      done({ code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString(), seconds: (performance.now() - at) / 1000 });
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** Every line of a text as JSON. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
