import { writeFileSync } from 'node:fs';
import type { Event } from '../base/event.ts';
import { clean } from '../base/printable.ts';
import { junit } from '../report/junit.ts';
import { ndjson, plain, terminal, type Reporter } from '../report/report.ts';
import type { Options } from './options.ts';
import { peopleStream, print, useColor } from './output.ts';

/** Who is told of a run: JSON events go to standard output when asked for, and then people's text to standard error. */
export interface Audience {
  readonly emit: (event: Event) => void;
  /** Everything told so far is on the screen. */
  readonly settle: () => Promise<void>;
  readonly end: () => Promise<void>;
}

export function openAudience(options: Options, command: string): Audience {
  const stream = peopleStream(options);
  const write = (text: string): void => {
    stream.write(text);
  };
  // An upgrade tells of waves as they come; rows are for one walk.
  const rows = stream.isTTY && !options.json && command !== 'upgrade';
  const people = rows ? terminal(write, command, useColor(stream)) : plain(write, command, useColor(stream));
  const { junit: file } = options;
  const all: Reporter[] = [
    ...(options.json ? [ndjson((text) => void print(text))] : []),
    ...(file === undefined
      ? []
      : [
          junit((text) => {
            writeFileSync(file, text);
          }),
        ]),
    people,
  ];
  return {
    emit: (event) => {
      const safe = clean(event);
      for (const reporter of all) reporter.tell(safe);
    },
    settle: async () => {
      for (const reporter of all) await reporter.settle();
    },
    end: async () => {
      for (const reporter of all) await reporter.end();
    },
  };
}
