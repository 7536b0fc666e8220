import { createInterface } from 'node:readline/promises';
import { Invalid } from '../base/problem.ts';
import { openJournal } from '../engine/journal.ts';
import { readPlan, refuseStale } from '../engine/plan-file.ts';
import * as engine from '../engine/run.ts';
import { exitOf } from './exit.ts';
import type { Options } from './options.ts';
import { masked, openSession, type Session } from './session.ts';

export async function apply([planFile]: readonly string[], options: Options): Promise<number> {
  if (!options.yes && !process.stdin.isTTY) {
    throw new Invalid([
      { code: 'cannot-ask', message: 'Nobody can be asked: standard input is no terminal', hint: 'Say --yes to apply without a question.' },
    ]);
  }
  const session = await openSession(options, 'apply');
  const saved = planFile === undefined ? undefined : readPlan(planFile, session.plan);
  const file = openJournal(session.places.runs, session.run);
  const journal = {
    ...file,
    record: (event: Parameters<typeof file.record>[0]) => {
      file.record(masked(event, session.secrets.mask));
    },
  };
  try {
    journal.record({
      type: 'note',
      text: `cellwise apply${options.only === undefined ? '' : ` --only ${options.only}`} by ${session.holder.who}`,
    });
    const summary = await engine.apply({
      ...session,
      journal,
      confirm: async (told) => {
        if (saved && planFile !== undefined) refuseStale(planFile, saved, session.plan, told);
        return options.yes || told.pending === 0 || ask(session);
      },
    });
    journal.record(summary);
    session.emit(summary);
    await session.output.end();
    return exitOf(summary, session.drain);
  } finally {
    journal.close();
  }
}

async function ask(session: Session): Promise<boolean> {
  await session.output.settle();
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^(y|yes)$/i.test((await prompt.question('Apply these changes? [y/N] ', { signal: session.drain })).trim());
  } catch {
    return false;
  } finally {
    prompt.close();
  }
}
