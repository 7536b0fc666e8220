import { Unreachable } from '../base/shell.ts';
import type { Journey } from '../plan/journey.ts';
import { reportedReleases, skewRefusals } from '../plan/skew.ts';
import { movesOf, versionsProbe } from '../plan/versions.ts';
import { Acts, type ActOptions } from './acts.ts';
import type { Told } from './tell.ts';

/** A reason why an upgrade may not start. */
export interface Reason {
  readonly message: string;
  readonly hint?: string;
}

export interface Preflight {
  readonly told: Told;
  /** The releases that hosts report, oldest first. */
  readonly from: readonly string[];
  readonly reasons: readonly Reason[];
}

/** Looks at every host, at what it runs and at what it would become; changes nothing. */
export async function preflight(journey: Journey, options: Omit<ActOptions, 'plan'>): Promise<Preflight> {
  const { plan } = journey;
  const down = new Map<string, string>();
  const acts = new Acts({
    ...options,
    plan,
    emit: (event) => {
      if (event.type === 'host-down') down.set(event.host, event.message);
      options.emit(event);
    },
  });
  try {
    const { told } = await acts.look(plan.graph.ids());
    const moves = movesOf(plan, await versions(acts, down));
    return {
      told,
      from: reportedReleases(moves),
      reasons: [
        ...journey.disorder.map((message) => ({ message, hint: 'Put the cell first whose hosts the others wait for.' })),
        ...skewRefusals(moves, journey.to, clustered(journey)).map(({ row, message, hint }) => ({
          message: `${message} [${row}]`,
          hint: `${hint}.`,
        })),
        ...missing(journey, down),
        ...journey.preflight.flatMap((id) => refusal(id, told.ill.get(id))),
      ],
    };
  } finally {
    await acts.shells.close();
  }
}

/** By host; one that is lost meanwhile is down from then on. */
async function versions({ plan, shells }: Acts, down: Map<string, string>): Promise<ReadonlyMap<string, string>> {
  const up = plan.hosts.filter(({ name, state }) => state === 'present' && !down.has(name));
  const reports = await Promise.all(
    up.map(async ({ name }) => {
      try {
        const shell = await shells.open(name);
        return [[name, (await shell.run(versionsProbe)).out.toString()] as const];
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        down.set(name, error.message);
        return [];
      }
    }),
  );
  return new Map(reports.flat());
}

function clustered({ plan: { hosts } }: Journey): boolean {
  return hosts.filter(({ kinds, state }) => state === 'present' && kinds.includes('controller')).length > 1;
}

/** A compute host that is away counts in its wave; the others are what the cloud stands on. */
function missing({ plan: { hosts } }: Journey, down: ReadonlyMap<string, string>): Reason[] {
  const kept = hosts.filter(({ name, kinds }) => down.has(name) && kinds.some((kind) => kind !== 'compute'));
  return kept.map(({ name }) => ({
    message: down.get(name)!,
    hint: 'Databases and storage are upgraded when all of their hosts are there.',
  }));
}

function refusal(id: string, why: string | undefined): Reason[] {
  return why === undefined ? [] : [{ message: `${id.replace(/\/preflight: checks$/, '')} says no: ${why}` }];
}
