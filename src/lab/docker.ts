import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Invalid } from '../base/problem.ts';

/** Docker, or what feeds it, said no. The message is one sentence with its own reason; `lines` are the last it printed. */
export class CommandFailed extends Invalid {
  readonly lines: readonly string[];

  constructor(what: string, output: string) {
    const lines = lastLines(output);
    const hint = lines.length > 1 ? `All that it said last: ${lines.join(' | ')}` : "The engine's own log may say more.";
    super([{ code: 'lab-command', message: `${what} failed: ${reason(lines)}`, hint }]);
    this.name = 'CommandFailed';
    this.lines = lines;
  }
}

/** Runs the `docker` command line and returns what it prints. */
export function docker(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('docker', args, { maxBuffer: 64 << 20 }, (error, out, err) => {
      if (error) reject(error.code === 'ENOENT' ? noEngine('There is no docker command here') : new CommandFailed(title(args), err));
      else resolve(out.trimEnd());
    });
  });
}

/** What another command of this machine prints; nothing when it is missing or fails. */
export function read(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(command, args, (error, out) => {
      resolve(error ? '' : out);
    });
  });
}

/** Throws Invalid with the code `no-engine` unless a Docker engine answers. */
export async function requireEngine(): Promise<void> {
  try {
    await docker(['version', '--format', '{{.Server.Version}}']);
  } catch (error) {
    if (error instanceof CommandFailed) throw noEngine(`No Docker engine answers (${error.lines.at(-1) ?? 'no reason given'})`);
    throw error;
  }
}

/**
 * Runs a command line whose standard output feeds another's (`make-a-tar | docker import -`). Every line that the first
 * prints on standard error goes to `onLine`. Returns what the second prints.
 */
export async function pipe(from: readonly string[], to: readonly string[], onLine: (line: string) => void): Promise<string> {
  const source = spawn(from[0]!, from.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  const target = spawn(to[0]!, to.slice(1), { stdio: [source.stdout, 'pipe', 'pipe'] });
  // The target holds the pipe now. Node must not read from it, and must let go of it for the source to notice a dead target.
  source.stdout.destroy();
  createInterface({ input: source.stderr }).on('line', onLine);
  const [fed, taken] = await Promise.all([ended(source), ended(target)]);
  if (fed.code !== 0) throw new CommandFailed(from[0]!, fed.err);
  if (taken.code !== 0) throw new CommandFailed(title(to.slice(1)), taken.err);
  return taken.out.trim();
}

function ended(child: ChildProcess): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve, reject) => {
    let [out, err] = ['', ''];
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (err = (err + text).slice(-20_000)));
    child.on('error', reject).on('close', (code) => {
      resolve({ code, out, err });
    });
  });
}

function noEngine(message: string): Invalid {
  return new Invalid([{ code: 'no-engine', message, hint: 'Run `npm run setup`: it says what it installs and starts an engine.' }]);
}

function title(args: readonly string[]): string {
  const words = args.filter((arg) => !arg.startsWith('-')).slice(0, args[0] === 'network' || args[0] === 'image' ? 2 : 1);
  return ['docker', ...words].join(' ');
}

function lastLines(output: string): string[] {
  return output.trim().split('\n').slice(-10);
}

/** apt and mmdebstrap mark the cause; Docker prefixes it with who said it, and some commands point to their help behind it. */
function reason(lines: readonly string[]): string {
  const said = lines.filter((line) => line !== '' && !/^(See |Run )/.test(line));
  const line = said.find((text) => text.startsWith('E: ')) ?? said.at(-1) ?? 'no reason given';
  return line.replace(/^(E: |(docker: )?Error response from daemon: )/, '');
}
