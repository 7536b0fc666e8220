import type { Summary } from '../base/event.ts';
import type { Holder } from '../base/shell.ts';
import type { Health } from '../plan/plan.ts';
import type { Journal } from './journal.ts';
import { examine } from './look.ts';
import { mend } from './mend.ts';
import { tell, type Told } from './tell.ts';
import { tryCloud, type TrialOptions } from './trials.ts';
import { healthEvent, Work, type RunOptions } from './work.ts';

export interface ApplyOptions extends RunOptions {
  readonly holder: Holder;
  readonly journal: Journal;
  /** Asked once everything that would change has been told; false: nothing is touched. */
  readonly confirm: (told: Told) => Promise<boolean>;
}

/** Looks at all hosts and tells what would change; changes nothing. */
export async function plan(options: RunOptions): Promise<{ readonly summary: Summary; readonly told: Told }> {
  return during(new Work(options), async (work) => {
    const told = await tell(work);
    return { told, summary: work.summary() };
  });
}

/** Looks, tells, asks, and makes the cloud what its plan says. Throws Locked. */
export async function apply(options: ApplyOptions): Promise<Summary> {
  return during(new Work(options), async (work) => {
    const told = await tell(work, options.holder);
    if (await options.confirm(told)) await mend(work, told, options.journal);
    return work.summary();
  });
}

/** Tries what an upgrade asks of a canary. Throws Locked. */
export async function tryOut(host: string, holder: Holder, options: RunOptions): Promise<Summary> {
  // No step and no health is asked for: trials find their hosts themselves.
  return during(new Work({ ...options, only: new Set() }), async (work) => {
    await tryCloud(work, new Set(), { run: options.run, holder, of: { canary: host } });
    return work.summary();
  });
}

export interface VerifyOptions extends RunOptions {
  /** Try the cloud as a user would, too; left out: the health checks alone. */
  readonly trials?: Omit<TrialOptions, 'run'>;
}

/** Asks the health checks of all roles on all hosts, once, and then tries the cloud as its users would. Throws Locked. */
export async function verify(options: VerifyOptions): Promise<Summary> {
  return during(new Work(options), async (work) => {
    await Promise.all(work.hosts.map((host) => work.connect(host)));
    const asked = work.nodes.filter((node): node is Health => node.kind === 'health' && node.checks.length > 0 && work.isUp(node.host));
    const ill = new Set<string>();
    await Promise.all(
      asked.map(async (health) => {
        if ((await verifyOne(work, health)) === 'ill') ill.add(health.id);
      }),
    );
    if (options.trials && !work.drain.aborted) await tryCloud(work, ill, { ...options.trials, run: options.run });
    return work.summary();
  });
}

async function verifyOne(work: Work, health: Health): Promise<'well' | 'ill' | undefined> {
  const at = work.clock.now();
  return work.on(health.host, async (shell) => {
    const why = await examine(shell, health, work.apis, true);
    work.count[why === undefined ? 'ok' : 'failed'] += 1;
    work.emit(healthEvent(health, why, work.since(at)));
    return why === undefined ? 'well' : 'ill';
  });
}

async function during<T>(work: Work, act: (work: Work) => Promise<T>): Promise<T> {
  try {
    return await act(work);
  } finally {
    await work.end();
  }
}
