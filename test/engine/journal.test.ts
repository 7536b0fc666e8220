import { appendFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/base/event.ts';
import { openJournal, readNewest } from '../../src/engine/journal.ts';
import { newDirectory } from '../roles/directories.ts';

const note = (text: string): Event => ({ type: 'note', text });

describe('a journal', () => {
  it('is there when it is written, with the time, for its owner alone', async () => {
    const directory = join(newDirectory(), 'a', 'runs');
    const journal = openJournal(directory, 'r1');
    const before = Date.now();
    journal.record(note('one\ntwo'));
    // Not closed yet: a run that is killed leaves it as it is.
    const { run, entries } = readNewest(directory)!;
    expect(run).toBe('r1');
    expect(entries).toEqual([{ at: expect.any(String) as string, type: 'note', text: 'one\ntwo' }]);
    expect(Math.abs(Date.parse(entries[0]!.at) - before)).toBeLessThan(5000);
    expect((statSync(join(directory, 'r1.jsonl')).mode & 0o777).toString(8)).toBe('600');
    expect((statSync(directory).mode & 0o777).toString(8)).toBe('700');
    await journal.close();
    expect(() => {
      journal.record(note('late'));
    }).toThrow();
  });

  it('keeps what is written in order, one entry a line', async () => {
    const directory = newDirectory();
    const journal = openJournal(directory, 'r1');
    for (let i = 0; i < 50; i++) journal.record(note(String(i)));
    await Promise.all(Array.from({ length: 50 }, () => journal.synced()));
    await journal.close();
    expect(readFileSync(join(directory, 'r1.jsonl'), 'utf8').split('\n')).toHaveLength(51);
    expect(readNewest(directory)!.entries.map((entry) => entry.type === 'note' && entry.text)).toEqual(
      Array.from({ length: 50 }, (_, i) => String(i)),
    );
  });

  it('is added to when its run goes on', async () => {
    const directory = newDirectory();
    for (const text of ['one', 'two']) {
      const journal = openJournal(directory, 'r1');
      journal.record(note(text));
      await journal.close();
    }
    expect(readNewest(directory)!.entries).toHaveLength(2);
  });
});

describe('the newest journal', () => {
  it('is none where nothing was run', () => {
    expect(readNewest(newDirectory())).toBeUndefined();
    expect(readNewest('/nonexistent/runs')).toBeUndefined();
  });

  it('is that whose name comes last; other files are none', async () => {
    const directory = newDirectory();
    for (const run of ['20250101T000000-000Z-aa', '20260101T000000-000Z-bb', '20251231T235959-999Z-cc'])
      await openJournal(directory, run).close();
    writeFileSync(join(directory, 'zzz.txt'), 'not a journal');
    mkdirSync(join(directory, 'zzz'));
    expect(readNewest(directory)).toEqual({ run: '20260101T000000-000Z-bb', entries: [] });
    expect(readdirSync(directory)).toHaveLength(5);
  });

  it.each([
    ['a torn last line', '{"at":"x","type":"note","te', ['whole']],
    ['a torn last line that is JSON all the same', '{"at":"x","type":"note","text":"torn"}', ['whole']],
    ['a torn line in between, of a run that went on', '{"at":"x","ty\n{"at":"x","type":"note","text":"after"}\n', ['whole', 'after']],
    ['an empty line', '\n{"at":"x","type":"note","text":"after"}\n', ['whole', 'after']],
    ['bytes that are no text', '\u0000\u0000\u0000', ['whole']],
  ])('%s is left out', async (_, more, texts) => {
    const directory = newDirectory();
    const journal = openJournal(directory, 'r1');
    journal.record(note('whole'));
    await journal.close();
    appendFileSync(join(directory, 'r1.jsonl'), more);
    expect(readNewest(directory)!.entries.map((entry) => entry.type === 'note' && entry.text)).toEqual(texts);
  });
});
