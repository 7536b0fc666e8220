import { appendFileSync, closeSync, fsync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Event } from '../base/event.ts';
import { clean } from '../base/printable.ts';

/** An event with the time it was written, ISO 8601. */
export type Entry = Event & { readonly at: string };

/** What a run meant to do and what came of it, in order. It can be lost and the cloud is none the worse: it explains. */
export interface Journal {
  /** Written when it returns: the death of this process does not undo it. */
  record(event: Event): void;
  /** Resolves when all that was recorded so far is on disk: the death of this machine does not undo it. */
  synced(): Promise<void>;
  close(): Promise<void>;
}

/** Of runs that leave nothing behind: those that only look, and rehearsals. */
export const nowhere: Journal = { record: () => undefined, synced: () => Promise.resolve(), close: () => Promise.resolve() };

const syncFile = promisify(fsync);

/** Opens a journal of its own for a run: `DIRECTORY/RUN.jsonl`, one entry a line. */
export function openJournal(directory: string, run: string): Journal {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = openSync(join(directory, `${run}.jsonl`), 'a', 0o600);
  // Whoever asks while the disk is busy shares the next turn with all others who do: hosts do not wait in a queue for it.
  let turn = Promise.resolve();
  let next: Promise<void> | undefined;
  return {
    record(event) {
      appendFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), ...clean(event) })}\n`);
    },
    synced() {
      next ??= turn = turn.then(() => {
        next = undefined;
        return syncFile(file);
      });
      return next;
    },
    async close() {
      await turn.catch(() => undefined);
      closeSync(file);
    },
  };
}

/** The entries of the newest runs, at most so many of them. */
export function readRuns(directory: string, most: number): Entry[] {
  return runs(directory)
    .slice(-most)
    .flatMap((run) =>
      readFileSync(join(directory, `${run}.jsonl`), 'utf8')
        .split('\n')
        .slice(0, -1)
        .flatMap(entry),
    );
}

/** The entries of the newest run, oldest entry first; undefined when nothing was run yet. A torn last line is left out. */
export function readNewest(directory: string): { readonly run: string; readonly entries: readonly Entry[] } | undefined {
  const newest = runs(directory).at(-1);
  if (newest === undefined) return undefined;
  const lines = readFileSync(join(directory, `${newest}.jsonl`), 'utf8')
    .split('\n')
    .slice(0, -1);
  return { run: newest, entries: lines.flatMap(entry) };
}

/** All runs, oldest first: a run's name begins with the time of its start. */
function runs(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith('.jsonl'))
      .map((name) => name.slice(0, -'.jsonl'.length))
      .toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function entry(line: string): Entry[] {
  try {
    return [clean(JSON.parse(line) as Entry)];
  } catch {
    return [];
  }
}
