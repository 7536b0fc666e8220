import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Invalid } from '../base/problem.ts';
import type { ProblemCode } from '../base/problem-codes.ts';
import { fingerprint } from '../base/secret.ts';
import { canonical } from '../base/state.ts';
import { writePrivate } from '../private/private.ts';
import type { Journey } from '../plan/journey.ts';
import { stepsByHost, type Plan } from '../plan/plan.ts';
import { differing, partsOf, type Parts } from './plan-parts.ts';
import type { Told } from './tell.ts';

/** A plan that was shown and saved: what it rests on, signed with the cloud's key. It holds no secret. */
interface Saved extends Parts {
  readonly format: 2;
  readonly cloud: string;
  readonly made: string;
  /** What was asked for by --only. */
  readonly only: string | null;
  /** Of an upgrade: fingerprint of its stages, waves, gates and hooks. */
  readonly journey: string | null;
  /** Digest of the programs that made it: what a step runs is said by its type. */
  readonly programs: string;
  /** By host: fingerprint of what was found. */
  readonly found: Readonly<Record<string, string>>;
  readonly changes: readonly { readonly step: string; readonly differences: readonly string[] }[];
}

/** Writes what `told` rests on to a file of mode 0600; `journey`: it is a plan of this upgrade. */
export function savePlan(file: string, plan: Plan, told: Told, only: string | undefined, journey?: Journey): void {
  const saved: Saved = {
    format: 2,
    cloud: plan.inventory.cloud.name,
    made: new Date().toISOString(),
    only: only ?? null,
    journey: journeyPrint(journey),
    programs: programs(),
    ...partsOf(plan, told.nodes, journey !== undefined),
    found: foundOn(plan, told),
    changes: [...told.forecasts].flatMap(([step, each]) =>
      each.kind === 'change' ? [{ step, differences: each.change.differences.map(({ key }) => key) }] : [],
    ),
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
  if (!isSigned(parsed)) {
    throw refused(
      'plan-file',
      `${file} is no saved plan, or one of another version of Cellwise`,
      'Make one by `cellwise plan --out FILE`.',
    );
  }
  const { signature, ...saved } = parsed;
  if (saved.cloud !== plan.inventory.cloud.name) {
    throw refused(
      'plan-file',
      `${file} is a plan for the cloud ${saved.cloud}, and this is ${plan.inventory.cloud.name}`,
      'Give the inventory it was made from with -i.',
    );
  }
  const [given, right] = [Buffer.from(signature), Buffer.from(sign(plan, saved))];
  if (given.length !== right.length || !timingSafeEqual(given, right)) {
    throw refused(
      'plan-file',
      `${file} was changed after it was saved, or made with other secrets`,
      'Make it anew; a plan is applied as it was shown or not at all.',
    );
  }
  if (saved.programs !== programs()) throw stale(`Cellwise itself is not the one that made ${file} on ${saved.made}`);
  return saved;
}

/** Throws Invalid when a saved plan is not that of this journey; undefined: of no upgrade. */
export function refuseOther(file: string, saved: Saved, journey: Journey | undefined): void {
  if (saved.journey === journeyPrint(journey)) return;
  if (saved.journey === null) throw refused('plan-file', `${file} is no plan of an upgrade`, 'Apply it by `cellwise apply FILE`.');
  if (journey === undefined) throw refused('plan-file', `${file} is a plan of an upgrade`, 'Run it by `cellwise upgrade run FILE`.');
  throw stale(`The stages, waves, gates or hooks are not those of ${file}, made on ${saved.made}`);
}

/** Throws Invalid, naming the steps, when the inventory, a role or a secret asks for something else than the saved plan shows. */
export function refuseChanged(file: string, saved: Saved, plan: Plan, told: Told): void {
  const changed = differing(saved, partsOf(plan, told.nodes, saved.journey !== null));
  if (changed.length === 0) return;
  const more = changed.length > 4 ? `; and ${changed.length - 4} more` : '';
  throw stale(
    `The inventory, a role or a secret was changed since ${file} was made on ${saved.made}: ${changed.slice(0, 4).join('; ')}${more}`,
  );
}

/** The same, and when a host is not as it was found; names every such host. */
export function refuseStale(file: string, saved: Saved, plan: Plan, told: Told): void {
  refuseChanged(file, saved, plan, told);
  const found = foundOn(plan, told);
  const hosts = Object.keys({ ...saved.found, ...found }).filter((host) => saved.found[host] !== found[host]);
  if (hosts.length === 0) return;
  throw refused(
    'plan-stale',
    `${hosts.join(', ')}: changed since ${file} was made on ${saved.made}`,
    'Somebody worked there. Make the plan anew and look at it.',
  );
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isTextOrNull = (value: unknown): boolean => value === null || isText(value);
const isTexts = (value: unknown): boolean => isRecord(value) && Object.values(value).every(isText);

/** What each member must be: nothing of a file is used, or even quoted, before all of them are. */
const members: Readonly<Record<keyof Saved | 'signature', (value: unknown) => boolean>> = {
  format: (value) => value === 2,
  cloud: isText,
  made: isText,
  only: isTextOrNull,
  journey: isTextOrNull,
  programs: isText,
  nodes: isTexts,
  shapes: (value) => isRecord(value) && Object.values(value).every(isTexts),
  order: isText,
  found: isTexts,
  changes: (value) => Array.isArray(value) && value.every(isChange),
  signature: isText,
};

function isSigned(value: unknown): value is Saved & { readonly signature: string } {
  if (!isRecord(value)) return false;
  const names = Object.keys(members) as (keyof typeof members)[];
  return Object.keys(value).length === names.length && names.every((name) => Object.hasOwn(value, name) && members[name](value[name]));
}

function isChange(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { step, differences } = value;
  return Object.keys(value).length === 2 && isText(step) && Array.isArray(differences) && differences.every(isText);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function foundOn(plan: Plan, told: Told): Record<string, string> {
  const hosts = [...stepsByHost(plan)].map(([host, steps]) => [host, steps.filter(({ step }) => told.forecasts.has(step))] as const);
  return Object.fromEntries(
    hosts
      .filter(([, steps]) => steps.length > 0)
      .map(([host, steps]) => [
        host,
        fingerprint(plan.key, canonical(steps.map(({ step }) => [step, told.found.get(step) ?? 'unreachable']))),
      ]),
  );
}

/** All of an upgrade's way that is not in its steps. */
function journeyPrint(journey: Journey | undefined): string | null {
  if (journey === undefined) return null;
  const { to, run, preflight, stages, plan } = journey;
  return fingerprint(plan.key, canonical([to, run, preflight, stages]));
}

/** A digest of Cellwise's own programs and of package.json, which says what they stand on. */
function programs(): string {
  const root = join(import.meta.dirname, '..');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => /\.[jt]s$/.test(name));
  const digest = createHash('sha256');
  for (const name of [...files.toSorted(), '../package.json'])
    digest
      .update(`${name}\0`)
      .update(readFileSync(join(root, name)))
      .update('\0');
  return digest.digest('hex');
}

function sign(plan: Plan, saved: Saved): string {
  return createHmac('sha256', plan.key).update(canonical(saved)).digest('hex');
}

function stale(message: string): Invalid {
  return refused('plan-stale', message, 'Make the plan anew and look at it.');
}

function refused(code: ProblemCode, message: string, hint: string): Invalid {
  return new Invalid([{ code, message, hint }]);
}
