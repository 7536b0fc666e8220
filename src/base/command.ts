import { Secret, type Text } from './secret.ts';

/**
 * Something for a host's root shell. `script` is POSIX sh and is never part of a process's arguments; it may be shown
 * to people. What is secret or large goes by `stdin`, which no screen, log or process list ever shows.
 */
export interface Command {
  readonly script: string;
  readonly stdin?: Text | Uint8Array;
  /** Seconds after which the process group is ended; 120 when left out. */
  readonly timeout?: number;
  /** The commands that this one is made of, for a host that runs no scripts: a simulated one. */
  readonly parts?: readonly Command[];
}

/** What a command left behind. `code` 124 with `timedOut` means that its time was up. */
export interface Output {
  readonly code: number;
  readonly out: Buffer;
  readonly err: Buffer;
  readonly timedOut?: boolean;
  /** One for each of the command's parts, from a host that runs no scripts. */
  readonly parts?: readonly Output[];
}

type ShellValue = string | number | readonly string[] | Command;

/**
 * Template tag for shell scripts: every value becomes exactly one quoted word (a list: one word an item; a Command: its
 * script as it stands). A Secret is refused: it would end up in a process list.
 */
export function sh(strings: TemplateStringsArray, ...values: readonly ShellValue[]): Command {
  return { script: strings.reduce((script, part, i) => script + word(values[i - 1]) + part) };
}

/** Adds standard input or a time limit to a command. */
export function withInput(command: Command, stdin: Text | Uint8Array): Command {
  return { ...command, stdin };
}

export function withTimeout(command: Command, timeout: number): Command {
  return { ...command, timeout };
}

/** A piece of shell that stands as it is, unquoted. For constant text only, never for a value. */
export function raw(script: string): Command {
  return { script };
}

/** One shell word that means exactly `value`, in every shell: quotes, newlines, `$()` and leading dashes included. */
export function quote(value: string): string {
  if (value.includes('\0')) throw new TypeError('A NUL byte cannot be part of a shell word');
  return /^[A-Za-z0-9_/.:=@%+,-]+$/.test(value) ? value : `'${value.replaceAll("'", String.raw`'\''`)}'`;
}

function word(value: unknown): string {
  if (value instanceof Secret) throw new TypeError(`${value.shown} must go by standard input, not into a command line`);
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return value.map(word).join(' ');
  if (typeof value === 'object' && value !== null && 'script' in value && typeof value.script === 'string') {
    if ('stdin' in value && value.stdin !== undefined) throw new TypeError('A command with input cannot be part of another');
    return value.script;
  }
  throw new TypeError(`Not a shell word: ${String(value)}`);
}
