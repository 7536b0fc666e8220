import { isOpen, openLedger, stateOf } from '../engine/ledger.ts';
import { savePlan } from '../engine/plan-file.ts';
import { refuseJump } from '../engine/release.ts';
import * as engine from '../engine/run.ts';
import { count } from '../report/words.ts';
import { tellDropped } from './dropped.ts';
import { exitOf, exits } from './exit.ts';
import { leavingWarnings } from './leaving.ts';
import type { Options } from './options.ts';
import { say } from './output.ts';
import { inSession } from './session.ts';

export async function plan(_args: readonly string[], options: Options): Promise<number> {
  return inSession(options, 'plan', async (session) => {
    tellDropped(session);
    const { told, summary } = await engine.plan(session);
    for (const event of [...leavingWarnings(session), summary]) session.emit(event);
    await session.output.end();
    if (!isOpen(stateOf(openLedger(session.places.upgrade.ledger).facts))) refuseJump(session.plan, told);
    if (options.out !== undefined) {
      savePlan(options.out, session.plan, told, options.only);
      const blind = summary.unreachable > 0 ? `, without ${count(summary.unreachable, 'host')} that could not be looked at` : '';
      say(options, `Saved${blind}. Apply exactly this by: cellwise apply ${options.out} -i ${options.inventory}`);
    }
    const exit = exitOf(summary, session.drain);
    return exit === exits.done && options.detailedExitcode && told.pending > 0 ? exits.pending : exit;
  });
}
