import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import type { Output } from '../base/command.ts';
import { Invalid } from '../base/problem.ts';
import { canonical } from '../base/state.ts';
import type { Clock } from '../base/clock.ts';
import { nowhere, readRuns } from '../engine/journal.ts';
import { isOpen, openLedger, stateOf, type UpgradeState } from '../engine/ledger.ts';
import { readPlan, refuseOther, refuseStale, savePlan } from '../engine/plan-file.ts';
import { preflight, type Preflight } from '../engine/preflight.ts';
import { durations, preview } from '../engine/preview.ts';
import { progressOf } from '../engine/progress.ts';
import * as engine from '../engine/upgrade.ts';
import { wallClock } from '../engine/work.ts';
import type { Hook } from '../inventory/types.ts';
import type { Journey } from '../plan/journey.ts';
import { lateJournal } from './apply.ts';
import { ask } from './ask.ts';
import { journeyIn, placesOf } from './cloud.ts';
import { exits } from './exit.ts';
import type { Options } from './options.ts';
import { say } from './output.ts';
import { rehearse } from './rehearse.ts';
import { inSession, type Session } from './session.ts';
import { tellStatus } from './upgrade-status.ts';

export async function upgrade([action, planFile]: readonly string[], options: Options): Promise<number> {
  switch (action) {
    case 'plan':
      return inSession(options, 'upgrade', (session) => plan(session, options));
    case 'run':
    case 'resume':
      return inSession(options, 'upgrade', (session) => run(session, action, planFile, options));
    case 'abort':
      return inSession(options, 'upgrade', (session) => abort(session, options));
    case 'pause':
      return pause(options);
    case 'status':
      return tellStatus(options);
    case 'rehearse':
      return rehearse(options);
    default:
      throw new Invalid([
        { code: 'usage', message: `upgrade knows no "${action!}"`, hint: 'It knows plan, run, pause, resume, status, abort and rehearse.' },
      ]);
  }
}

async function plan(session: Session, options: Options): Promise<number> {
  const journey = journeyIn(session.cloud, session.secrets);
  const looked = await look(session, journey);
  await session.output.end();
  if (options.out !== undefined) {
    savePlan(options.out, journey.plan, looked.told, undefined, textOf(journey));
    say(options, `Saved. Run exactly this by: cellwise upgrade run ${options.out} -i ${options.inventory}`);
  }
  return looked.reasons.length > 0 ? exits.failed : exits.done;
}

/** Looks at all hosts and shows the whole way. */
async function look(session: Session, journey: Journey): Promise<Preflight> {
  const looked = await preflight(journey, { ...session, journal: nowhere });
  const seconds = durations(readRuns(session.places.runs, 50));
  const stages = preview(journey, looked.told, seconds);
  session.emit({ type: 'journey', from: looked.from, to: journey.to, stages, reasons: looked.reasons });
  return looked;
}

async function run(session: Session, action: 'run' | 'resume', planFile: string | undefined, options: Options): Promise<number> {
  const journey = journeyIn(session.cloud, session.secrets);
  const ledger = openLedger(session.places.upgrade.ledger);
  const state = stateOf(ledger.facts);
  const open = isOpen(state) ? state : undefined;
  refuseAction(action, open, journey);
  const saved = planFile === undefined ? undefined : readPlan(planFile, journey.plan);
  if (saved && planFile !== undefined) refuseOther(planFile, saved, journey.plan, textOf(journey));
  const looked = await look(session, journey);
  if (looked.reasons.length > 0 && !open) return exits.failed;
  if (saved && planFile !== undefined && !open) refuseStale(planFile, saved, journey.plan, looked.told);
  if (!options.yes && !(await askOrRefuse(session, open ? 'Go on with this upgrade?' : 'Begin this upgrade?'))) return exits.done;
  rmSync(session.places.upgrade.pause, { force: true });
  return walk(session, journey, action, looked.from, options);
}

async function walk(session: Session, journey: Journey, action: string, from: readonly string[], options: Options): Promise<number> {
  const journal = lateJournal(session);
  journal.begin(`cellwise upgrade ${action} by ${session.holder.who}`);
  try {
    const verdict = await engine.upgrade({ ...inputs(session, journey, from, options), journal, command: `cellwise upgrade ${action}` });
    if (verdict.kind === 'finished') {
      say(options, `The cloud is on ${journey.to}.`);
      return exits.done;
    }
    await session.output.settle();
    say(options, `Paused: ${verdict.why}`);
    tellStatus(options);
    return verdict.cause === 'interrupted' ? exits.interrupted : exits.failed;
  } finally {
    await journal.close();
  }
}

async function abort(session: Session, options: Options): Promise<number> {
  const journey = journeyIn(session.cloud, session.secrets);
  const ledger = openLedger(session.places.upgrade.ledger);
  if (!isOpen(stateOf(ledger.facts))) throw none('abort');
  if (!options.yes && !(await askOrRefuse(session, 'Leave the cloud as it is now, on two releases?'))) return exits.done;
  await engine.abort({ ...inputs(session, journey, [], options), journal: nowhere, command: 'cellwise upgrade abort' });
  tellStatus(options);
  return exits.done;
}

function pause(options: Options): number {
  const { ledger, pause: file } = placesOf(options.inventory).upgrade;
  if (stateOf(openLedger(ledger).facts)?.status !== 'running') throw none('pause');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, '');
  say(options, 'It pauses when the hosts that are under way are done. See `cellwise upgrade status`.');
  return exits.done;
}

function inputs(session: Session, journey: Journey, from: readonly string[], options: Options) {
  const { pause: pauseFile, ledger } = session.places.upgrade;
  const clock: Clock = wallClock;
  const canAsk = process.stdin.isTTY;
  return {
    ...session,
    journey,
    from,
    clock,
    ledger: openLedger(ledger),
    pauseAsked: () => existsSync(pauseFile),
    accept: (step: { readonly step: string }) =>
      options.acceptIrreversible
        ? Promise.resolve(true)
        : canAsk
          ? ask(session, `${step.step} cannot be taken back. Do it?`)
          : Promise.resolve(false),
    goOn: (question: string) => (canAsk ? ask(session, question) : Promise.resolve(false)),
    local: runHere,
    heard: (fact: Parameters<typeof progressOf>[0], state: UpgradeState) => {
      const event = progressOf(fact, state, journey);
      if (event) session.emit(event);
    },
  };
}

/** Runs a hook where Cellwise runs; what does not end in time is ended with all that it started. */
function runHere({ run: script, within }: Hook, names: engine.Names): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', script], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...names },
    });
    const [out, err] = [endOf(child.stdout), endOf(child.stderr)];
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      process.kill(-child.pid!, 'SIGKILL');
    }, within * 1000);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({
        code: timedOut ? 124 : (code ?? 255),
        out: out(),
        err: err(),
        ...(timedOut ? { timedOut } : {}),
      });
    });
  });
}

/** Drains a stream, and keeps the end of what it says: of a hook, its last line is told. */
function endOf(stream: Readable): () => Buffer {
  let end = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    end = Buffer.concat([end, chunk]).subarray(-64 * 1024);
  });
  return () => end;
}

/** What of a journey is decided by the inventory: whoever changes it has another plan. */
function textOf({ to, stages }: Journey): string {
  return canonical([to, stages.map(({ id, policy, waves }) => [id, policy, waves.map(({ works }) => works.map(({ host }) => host))])]);
}

function refuseAction(action: 'run' | 'resume', open: UpgradeState | undefined, journey: Journey): void {
  if (action === 'resume' && !open) throw none('resume');
  if (action === 'run' && open) {
    throw new Invalid([
      {
        code: 'upgrade-open',
        message: `An upgrade to ${open.to} was begun at ${open.begun} and is ${open.status === 'paused' ? 'paused' : 'not ended'}`,
        hint: '`cellwise upgrade resume` goes on with it, `abort` leaves it as it is.',
      },
    ]);
  }
  if (open && open.to !== journey.to) {
    throw new Invalid([
      {
        code: 'upgrade-open',
        message: `The upgrade that was begun leads to ${open.to}, and the inventory asks for ${journey.to}`,
        hint: 'Set cloud.release back, or leave that upgrade by `cellwise upgrade abort`.',
      },
    ]);
  }
}

function none(action: string): Invalid {
  return new Invalid([{ code: 'no-upgrade', message: `There is no upgrade to ${action}`, hint: 'See `cellwise upgrade status`.' }]);
}

function askOrRefuse(session: Session, question: string): Promise<boolean> {
  if (process.stdin.isTTY) return ask(session, question);
  throw new Invalid([{ code: 'cannot-ask', message: 'Nobody can be asked: standard input is no terminal', hint: 'Say --yes.' }]);
}
