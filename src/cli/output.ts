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
export function useColor(stream: { readonly isTTY?: boolean }): boolean {
  // What is no terminal has no isTTY at all, whatever the types say.
  return stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
}
