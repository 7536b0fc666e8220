import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Invalid } from '../base/problem.ts';
import type { ProblemCode } from '../base/problem-codes.ts';
import { fingerprint } from '../base/secret.ts';
import { canonical } from '../base/state.ts';
import { writePrivate } from '../private/private.ts';
import { stepsByHost, type Plan } from '../plan/plan.ts';
import type { Told } from './tell.ts';

/** A plan that was shown and saved: what it rests on, signed with the cloud's key. It holds no secret. */
interface Saved {
  readonly format: 1;
  readonly cloud: string;
  readonly made: string;
  /** What was asked for by --only. */
  readonly only: string | null;
  /** Of an upgrade: its waves and what they rest on, as one text. */
  readonly journey?: string;
  /** Fingerprint of all that the steps should be. */
  readonly wanted: string;
  /** By host: fingerprint of what was found. */
  readonly found: Readonly<Record<string, string>>;
  readonly changes: readonly { readonly step: string; readonly differences: readonly string[] }[];
}

/** Writes what `told` rests on to a file of mode 0600. */
export function savePlan(file: string, plan: Plan, told: Told, only: string | undefined, journey?: string): void {
  const saved: Saved = {
    format: 1,
    cloud: plan.inventory.cloud.name,
    made: new Date().toISOString(),
    only: only ?? null,
    ...(journey === undefined ? {} : { journey: fingerprint(plan.key, journey) }),
    ...rests(plan, told),
  };
  writePrivate(file, `${JSON.stringify({ ...saved, signature: sign(plan, saved) }, null, 2)}\n`);
}

/** Reads a saved plan; throws Invalid when it is none, was changed, or belongs to another cloud. */
export function readPlan(file: string, plan: Plan): Saved {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw refused('plan-file', `${file} is no saved plan: ${(error as Error).message}`, 'Make one by `cellwise plan --out FILE`.');
  }
  if (!isSaved(parsed)) throw refused('plan-file', `${file} is no saved plan`, 'Make one by `cellwise plan --out FILE`.');
  const { signature, ...saved } = parsed;
  if (saved.cloud !== plan.inventory.cloud.name) {
    throw refused(
      'plan-file',
      `${file} is a plan for the cloud ${saved.cloud}, and this is ${plan.inventory.cloud.name}`,
      'Give the inventory it was made from with -i.',
    );
  }
  const [given, right] = [Buffer.from(String(signature)), Buffer.from(sign(plan, saved))];
  if (given.length !== right.length || !timingSafeEqual(given, right)) {
    throw refused(
      'plan-file',
      `${file} was changed after it was saved, or made with other secrets`,
      'Make it anew; a plan is applied as it was shown or not at all.',
    );
  }
  return saved;
}

/** Throws Invalid when a saved plan is not that of this journey; undefined: of no upgrade. */
export function refuseOther(file: string, saved: Saved, plan: Plan, journey: string | undefined): void {
  if (saved.journey === (journey === undefined ? undefined : fingerprint(plan.key, journey))) return;
  if (saved.journey === undefined) throw refused('plan-file', `${file} is no plan of an upgrade`, 'Apply it by `cellwise apply FILE`.');
  if (journey === undefined) throw refused('plan-file', `${file} is a plan of an upgrade`, 'Run it by `cellwise upgrade run FILE`.');
  throw refused('plan-stale', `The waves are other than when ${file} was made on ${saved.made}`, 'Make the plan anew and look at it.');
}

/** Throws Invalid, naming every host, when what was found or is wanted is not what the saved plan was made from. */
export function refuseStale(file: string, saved: Saved, plan: Plan, told: Told): void {
  const now = rests(plan, told);
  if (now.wanted !== saved.wanted) {
    throw refused(
      'plan-stale',
      `The inventory or a role was changed since ${file} was made on ${saved.made}`,
      'Make the plan anew and look at it.',
    );
  }
  const hosts = Object.keys({ ...saved.found, ...now.found }).filter((host) => saved.found[host] !== now.found[host]);
  if (hosts.length > 0) {
    throw refused(
      'plan-stale',
      `${hosts.join(', ')}: changed since ${file} was made on ${saved.made}`,
      'Somebody worked there. Make the plan anew and look at it.',
    );
  }
}

function isSaved(value: unknown): value is Saved & { readonly signature?: unknown } {
  return typeof value === 'object' && value !== null && 'format' in value && value.format === 1 && 'cloud' in value;
}

function rests(plan: Plan, told: Told): Pick<Saved, 'wanted' | 'found' | 'changes'> {
  const hosts = [...stepsByHost(plan)].map(([host, steps]) => [host, steps.filter(({ step }) => told.forecasts.has(step))] as const);
  const wanted = hosts.map(([host, steps]) => [host, steps.map((step) => [step.step, step.resource.desired(step.params as never)])]);
  const found = hosts
    .filter(([, steps]) => steps.length > 0)
    .map(([host, steps]) => [host, steps.map(({ step }) => [step, told.found.get(step) ?? 'unreachable'])] as const);
  return {
    wanted: fingerprint(plan.key, canonical(wanted)),
    found: Object.fromEntries(found.map(([host, states]) => [host, fingerprint(plan.key, canonical(states))])),
    changes: [...told.forecasts].flatMap(([step, each]) =>
      each.kind === 'change' ? [{ step, differences: each.change.differences.map(({ key }) => key) }] : [],
    ),
  };
}

function sign(plan: Plan, saved: Saved): string {
  return createHmac('sha256', plan.key).update(canonical(saved)).digest('hex');
}

function refused(code: ProblemCode, message: string, hint: string): Invalid {
  return new Invalid([{ code, message, hint }]);
}
