// The command line on a terminal: util-linux's `script` stands between, as a terminal emulator does.
import { spawn } from 'node:child_process';
import { quote } from '../../src/base/command.ts';

/** A process that has a terminal of its own. */
export interface OnTerminal {
  /** Types something: `\x03` is Ctrl-C. */
  readonly type: (text: string) => void;
  /** All that the screen was sent so far. */
  readonly shown: () => string;
  readonly ended: Promise<number>;
}

interface Options {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Called with all that the screen was sent so far, each time that something came. */
  readonly seen?: (screen: string) => void;
}

/** Starts a command on a terminal of 80 columns and 24 rows. */
export function onTerminal(command: readonly string[], { columns = 80, rows = 24, env = {}, seen }: Options = {}): OnTerminal {
  const line = `stty cols ${columns} rows ${rows}; exec ${command.map(quote).join(' ')}`;
  const child = spawn('script', ['--quiet', '--flush', '--return', '--command', line, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TERM: 'xterm', CI: undefined, ...env },
  });
  let shown = '';
  child.stdout.on('data', (chunk: Buffer) => {
    shown += chunk.toString();
    seen?.(shown);
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      resolve(code ?? 255);
    });
  });
  return {
    type: (text) => {
      child.stdin.write(text);
    },
    shown: () => shown,
    ended,
  };
}
