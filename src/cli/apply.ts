import { Invalid } from '../base/problem.ts';
import type { Event } from '../base/event.ts';
import { openJournal, type Journal } from '../engine/journal.ts';
import { isOpen, openLedger, stateOf, type UpgradeState } from '../engine/ledger.ts';
import { readPlan, refuseOther, refuseStale } from '../engine/plan-file.ts';
import { refuseJump } from '../engine/release.ts';
import * as engine from '../engine/run.ts';
import { forgetFormer } from '../secrets/edits.ts';
import { ask } from './ask.ts';
import { partOf, placesOf } from './cloud.ts';
import { tellDropped } from './dropped.ts';
import { exitOf, exits } from './exit.ts';
import { leavingWarnings } from './leaving.ts';
import type { Options } from './options.ts';
import { say } from './output.ts';
import { inSession, type Session } from './session.ts';

export async function apply([planFile]: readonly string[], options: Options): Promise<number> {
  if (!options.yes && !process.stdin.isTTY) {
    throw new Invalid([
      { code: 'cannot-ask', message: 'Nobody can be asked: standard input is no terminal', hint: 'Say --yes to apply without a question.' },
    ]);
  }
  const upgrade = stateOf(openLedger(placesOf(options.inventory).upgrade.ledger).facts);
  if (options.only === undefined) refuseMidway(upgrade);
  return inSession(options, 'apply', (session) => applyIn(session, planFile, options, isOpen(upgrade)));
}

/** In the middle of an upgrade an apply would bring all hosts that are left to the new release at once. */
function refuseMidway(state: UpgradeState | undefined): void {
  if (!isOpen(state)) return;
  throw new Invalid([
    {
      code: 'upgrade-open',
      message: `An upgrade to ${state.to} is ${state.status}: an apply would bring all other hosts there at once`,
      hint: 'Go on by `cellwise upgrade resume`. To mend a part meanwhile, say --only.',
    },
  ]);
}

async function applyIn(whole: Session, planFile: string | undefined, options: Options, midway: boolean): Promise<number> {
  const saved = planFile === undefined ? undefined : readPlan(planFile, whole.plan);
  if (saved && planFile !== undefined) refuseOther(planFile, saved, undefined);
  const session = saved ? asSaved(whole, saved.only ?? undefined, options.only) : whole;
  const journal = lateJournal(session);
  tellDropped(session);
  try {
    const summary = await engine.apply({
      ...session,
      journal,
      confirm: async (told) => {
        if (saved && planFile !== undefined) refuseStale(planFile, saved, session.plan, told);
        if (!midway) refuseJump(session.plan, told);
        const yes = options.yes === true || told.pending === 0 || (await ask(session, 'Apply these changes?'));
        const only = saved ? saved.only : options.only;
        if (yes) journal.begin(`cellwise apply${only ? ` --only ${only}` : ''} by ${session.holder.who}`);
        return yes;
      },
    });
    if (!journal.begun()) {
      say(options, 'Nothing was changed.');
      return session.drain.aborted ? exits.interrupted : exits.failed;
    }
    for (const event of [...leavingWarnings(session), summary]) {
      journal.record(event);
      session.emit(event);
    }
    const exit = exitOf(summary, session.drain);
    // All hosts have what the secrets say: the former values are used nowhere.
    if (exit === exits.done && session.only === undefined && !midway) await forgetFormer(session.secrets);
    return exit;
  } finally {
    await journal.close();
  }
}

/** A saved plan says itself what part of the cloud it is for. */
function asSaved(session: Session, only: string | undefined, asked: string | undefined): Session {
  if (asked !== undefined && asked !== only) {
    throw new Invalid([
      {
        code: 'plan-file',
        message: `The plan was made ${only === undefined ? 'for all' : `with --only ${only}`}, not with --only ${asked}`,
        hint: 'Leave --only out: the plan says it itself.',
      },
    ]);
  }
  const part = partOf(session.plan, only);
  return { ...session, ...(part ? { only: part } : {}) };
}

/** A journal that is begun once it is sure that something is done: a run that was refused is no run. */
export function lateJournal(session: Session): Journal & { begin(text: string): void; begun(): boolean } {
  let journal: Journal | undefined;
  const record = (event: Event): void => journal?.record(event);
  return {
    begin(text) {
      journal = openJournal(session.places.runs, session.run);
      record({ type: 'note', text });
      record({ type: 'inventory', hosts: session.cloud.inventory.hosts.map(({ name }) => name) });
    },
    begun: () => journal !== undefined,
    record,
    synced: () => journal?.synced() ?? Promise.resolve(),
    close: () => journal?.close() ?? Promise.resolve(),
  };
}
