import type { WriteStream } from 'node:tty';
import type { Options } from './options.ts';

/** Text for people; with --json, standard output is for events alone. */
export function say(options: Options, text: string): void {
  peopleStream(options).write(`${text}\n`);
}

export function peopleStream(options: Options): WriteStream {
  return options.json ? process.stderr : process.stdout;
}

/** Colours on a terminal, unless NO_COLOR is set. */
export function useColor(stream: WriteStream): boolean {
  return stream.isTTY && (process.env['NO_COLOR'] ?? '') === '';
}
