import { readNewest, type Entry } from '../engine/journal.ts';
import { colors, eventText, stepText, summaryText } from '../report/words.ts';
import { placesOf } from './cloud.ts';
import { exits } from './exit.ts';
import { peopleStream, print, say, show, useColor } from './output.ts';
import type { Options } from './options.ts';

export function status(_args: readonly string[], options: Options): number {
  const newest = readNewest(placesOf(options.inventory).runs);
  if (!newest) {
    say(options, 'Nothing was applied from here yet. Begin by `cellwise apply`.');
    return exits.done;
  }
  if (options.json) for (const entry of newest.entries) void print(`${JSON.stringify(entry)}\n`);
  const c = colors(useColor(peopleStream(options)));
  const [first] = newest.entries;
  say(options, `Run ${newest.run}${first?.type === 'note' ? `: ${first.text}` : ''}, begun ${first?.at ?? '?'}`);
  for (const entry of newest.entries) if (entry.type === 'step-failed') show(options, eventText(entry, c)!);
  for (const entry of owed(newest.entries)) {
    show(
      options,
      `${c.yellow('?')} ${entry.host} ${stepText(entry)}: begun ${entry.at}, and how it ended was not heard. The next apply looks and goes on.`,
    );
  }
  for (const entry of newest.entries) if (entry.type === 'problem') show(options, eventText(entry, c)!);
  const summary = newest.entries.findLast((entry) => entry.type === 'summary');
  if (summary) show(options, summaryText(summary, 'apply', c));
  else show(options, c.yellow('It did not end: it is under way, or was cut off. The next `cellwise apply` goes on with what is left.'));
  return exits.done;
}

/** Steps that were begun and of which no end is written. */
function owed(entries: readonly Entry[]): (Entry & { type: 'step-start' })[] {
  const open = new Map<string, Entry & { type: 'step-start' }>();
  for (const entry of entries) {
    if (entry.type === 'step-start') open.set(entry.step, entry);
    else if (['step-changed', 'step-failed', 'step-skipped'].includes(entry.type) && 'step' in entry) open.delete(entry.step);
  }
  return [...open.values()];
}
