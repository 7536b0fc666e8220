import type { WriteStream } from 'node:tty';
import { printable } from '../base/printable.ts';
import type { Options } from './options.ts';

// All that is written to a terminal goes through here. Nothing else may touch the streams: eslint sees to it.

/** Text for people; with --json, standard output is for events alone. */
export function say(options: Options, text: string): void {
  show(options, printable(text, Infinity));
}

/** The same with colours of our own: made of what is printable already. */
export function show(options: Options, text: string): void {
  peopleStream(options).write(`${text}\n`);
}

/** Text on standard output, for programs; resolves when it is out. */
export function print(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(printable(text, Infinity), () => {
      resolve();
    });
  });
}

/** What is wrong, on standard error; colours of ours around what is printable already. */
export function complain(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function peopleStream(options: Options): WriteStream {
  return options.json ? process.stderr : process.stdout;
}

/** Colours on a terminal, unless NO_COLOR is set. */
export function useColor(stream: { readonly isTTY?: boolean }): boolean {
  // What is no terminal has no isTTY at all, whatever the types say.
  return stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
}
