import type { WriteStream } from 'node:tty';
import type { Event } from '../base/event.ts';
import { ndjson, plain, terminal, type Reporter } from '../report/report.ts';
import type { Options } from './options.ts';

/** Where a command's words go: JSON events to standard output when asked for, and then people's text to standard error. */
export interface Output {
  readonly emit: (event: Event) => void;
  /** Text for people. */
  readonly say: (text: string) => void;
  /** Everything told so far is on the screen. */
  readonly settle: () => Promise<void>;
  readonly end: () => Promise<void>;
}

export function openOutput(options: Options, command: string): Output {
  const stream = options.json ? process.stderr : process.stdout;
  const write = (text: string): void => {
    stream.write(text);
  };
  const people = stream.isTTY && !options.json ? terminal(write, command, useColor(stream)) : plain(write, command, useColor(stream));
  const all: Reporter[] = options.json ? [ndjson((text) => process.stdout.write(text)), people] : [people];
  return {
    emit: (event) => {
      for (const reporter of all) reporter.tell(event);
    },
    say: (text) => {
      write(`${text}\n`);
    },
    settle: async () => {
      for (const reporter of all) await reporter.settle();
    },
    end: async () => {
      for (const reporter of all) await reporter.end();
    },
  };
}

/** Colours on a terminal, unless NO_COLOR is set. */
export function useColor(stream: WriteStream): boolean {
  return stream.isTTY && (process.env['NO_COLOR'] ?? '') === '';
}
