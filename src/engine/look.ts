import PQueue from 'p-queue';
import { lastLines, messageOf, printable } from '../base/printable.ts';
import { Invalid } from '../base/problem.ts';
import { withTimeout, type Command, type Output } from '../base/command.ts';
import type { Shell } from '../base/shell.ts';
import { compare, type Change, type State } from '../base/state.ts';
import type { Health, HealthCheck, Step } from '../plan/plan.ts';
import type { ShellCheck } from '../resources/checks.ts';
import { isUnknown, type AnyParams, type Found, type ShellResource, type Unknown } from '../resources/define.ts';
import type { ApiSession } from './api.ts';
import { batch } from './batch.ts';

/** How many slow probes a host is given at once. */
const slowAtOnce = 4;

export type ShellStep = Step & { readonly resource: ShellResource<AnyParams> };

/** What a look at one host found, by id of step and of health node; a health is undefined when all its checks say yes. */
export interface Survey {
  readonly found: ReadonlyMap<string, Found>;
  readonly ill: ReadonlyMap<string, string | undefined>;
}

/** Looks at steps and health of one host, as far as its shell can tell, in one round trip. */
export async function survey(
  shell: Pick<Shell, 'run'>,
  steps: readonly Step[],
  healths: readonly Health[],
  writing = false,
): Promise<Survey> {
  const probes = gather(steps.filter(isShellStep));
  const asks = (each: HealthCheck): each is ShellHealthCheck => isShellCheck(each) && (writing || !each.check.writes?.(each.params));
  const checks = healths.flatMap((health) => health.checks.filter(asks).map((each) => ({ health, each })));
  const asked = [...probes, ...checks.map(({ each }) => ({ command: each.check.probe(each.params), slow: each.check.slow ?? false }))];
  const outputs = await runAll(shell, asked);
  const found = readAll(probes, outputs);
  const ill = new Map<string, string | undefined>(healths.map((health) => [health.id, undefined]));
  checks.forEach(({ health, each }, i) => {
    const answer = complaint(each, outputs[probes.length + i]!);
    if (answer !== undefined && ill.get(health.id) === undefined) ill.set(health.id, answer);
  });
  return { found, ill };
}

/** One command that looks at several steps. */
export function glance(steps: readonly ShellStep[]): { readonly command: Command; readonly read: (output: Output) => Survey['found'] } {
  const probes = gather(steps);
  const all = batch(probes.map(({ command }) => command));
  return { command: withTimeout(all.command, 120), read: (output) => readAll(probes, all.split(output)) };
}

/** Looks at one step again, at most `patience` seconds for an API that is starting up. */
export async function look(shell: Pick<Shell, 'run'>, step: Step, apis: ApiSession, patience = 0): Promise<Found> {
  return isShellStep(step) ? (await survey(shell, [step], [])).found.get(step.step)! : ask(apis, step, patience);
}

/**
 * Asks the health checks of a role on a host; undefined: healthy, otherwise the first reason why not. `writing`: those
 * that leave traces for a moment, too.
 */
export async function examine(shell: Pick<Shell, 'run'>, health: Health, apis: ApiSession, writing = false): Promise<string | undefined> {
  const ill = (await survey(shell, [], [health], writing)).ill.get(health.id);
  if (ill !== undefined) return ill;
  for (const each of health.checks) {
    if (each.check.via !== 'api') continue;
    try {
      const said = await apis.follow(each.check.ask(each.params));
      if (said !== undefined) return `${each.name}: ${printable(said, longestReason)}`;
    } catch (error) {
      return `${each.name}: ${messageOf(error, longestReason)}`;
    }
  }
  return undefined;
}

/** A command that looks at some steps, and how to read its answer. */
export interface Probe {
  readonly steps: readonly Step[];
  readonly command: Command;
  readonly slow: boolean;
  readonly read: (output: Output) => readonly Found[];
}

/** Like with like: one command for all steps of a type that can be probed together, one a step for the others. */
export function gather(steps: readonly ShellStep[]): Probe[] {
  const probes: Probe[] = [];
  for (const group of Map.groupBy(steps, (step) => step.resource).values()) {
    const { resource } = group[0]!;
    const slow = ({ params }: ShellStep): boolean =>
      typeof resource.slow === 'function' ? resource.slow(params) : (resource.slow ?? false);
    if ('probeAll' in resource) {
      const all = group.map((step) => step.params);
      probes.push({
        steps: group,
        command: resource.probeAll(all),
        slow: group.some(slow),
        read: (output) => answered(output) ?? resource.parseAll(output, all),
      });
    } else {
      for (const step of group) {
        probes.push({
          steps: [step],
          command: resource.probe(step.params),
          slow: slow(step),
          read: (output) => [answered(output)?.[0] ?? resource.parse(output, step.params)],
        });
      }
    }
    function answered(output: Output): readonly Found[] | undefined {
      return output.timedOut ? group.map(() => ({ unknown: 'looking took too long' })) : undefined;
    }
  }
  return probes;
}

function readAll(probes: readonly Probe[], outputs: readonly Output[]): Survey['found'] {
  const found = new Map<string, Found>();
  probes.forEach(({ steps, read }, i) => {
    let answers: readonly Found[] | Unknown;
    try {
      answers = read(outputs[i]!);
    } catch (error) {
      answers = senseless(error);
    }
    steps.forEach(({ step }, k) => found.set(step, 'unknown' in answers ? answers : sensible(answers[k])));
  });
  return found;
}

/** What a type made of an answer, as far as it is an answer at all: a host may say anything. */
function sensible(found: Found | undefined): Found {
  if (found === null) return null;
  if (typeof found !== 'object' || Array.isArray(found) || !isShallow(found, 50)) return senseless('it is no state');
  return isUnknown(found) ? { unknown: printable(found.unknown, longestReason) } : found;
}

/** Characters. */
const longestReason = 2000;

function isShallow(value: unknown, levels: number): boolean {
  if (value === null || typeof value !== 'object') return true;
  return levels > 0 && Object.values(value).every((part) => isShallow(part, levels - 1));
}

/** What a type stumbled over is what a host, or an API, has said. What is wrong with a file of ours is told as such. */
function senseless(error: unknown): Unknown {
  if (error instanceof Invalid) throw error;
  return { unknown: `its answer makes no sense: ${messageOf(error, 200)}` };
}

/**
 * The change that leads from what was found to what a step wants. Unknown where what was found is more than the type can
 * judge: once it has judged it here, it does not stumble over it later.
 */
export function changeOf({ resource, params }: Step, found: State | null): Change | Unknown | null {
  try {
    const change = compare(found, resource.desired(params));
    if (change) for (const judge of [resource.refuse, resource.cannot, resource.irreversible]) judge?.(params, change);
    return change;
  } catch (error) {
    return senseless(error);
  }
}

/** The command that makes a change; unknown where the type stumbles over what was found. */
export function commandOf({ resource, params }: ShellStep, change: Change): Command | Unknown {
  try {
    return resource.apply(params, change);
  } catch (error) {
    return senseless(error);
  }
}

export function isShellStep(step: Step): step is ShellStep {
  return step.resource.via === 'shell';
}

/** What is slow runs beside the rest, a few at a time: what starts a program of many modules must not push the services aside. */
async function runAll(
  shell: Pick<Shell, 'run'>,
  asked: readonly { readonly command: Command; readonly slow: boolean }[],
): Promise<readonly Output[]> {
  // All of them are quick: together they get the time of one, or a host that falls silent holds up all others for an hour.
  const quick = batch(asked.flatMap(({ command, slow }) => (slow ? [] : [command])));
  const alone = asked.flatMap(({ command, slow }) => (slow ? [command] : []));
  const together = alone.length < asked.length ? [withTimeout(quick.command, 120)] : [];
  const queue = new PQueue({ concurrency: slowAtOnce });
  const outputs = await Promise.all([
    ...alone.map((command) => queue.add(() => shell.run(command))),
    ...together.map((command) => shell.run(command)),
  ]);
  const answers = together.length > 0 ? quick.split(outputs.pop()!) : [];
  return asked.map(({ slow }) => (slow ? outputs.shift()! : answers.shift()!));
}

/** Looks at a resource behind an API; an API that cannot be reached makes its state unknown. */
async function ask(apis: ApiSession, step: Step, patience: number): Promise<Found> {
  if (step.resource.via !== 'api') throw new TypeError(`${step.step} is no API resource`);
  try {
    return sensible(await apis.follow(step.resource.look(step.params), patience));
  } catch (error) {
    // A generator that stumbles, not one that says what is wrong.
    const stumbled = error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
    return stumbled ? senseless(error) : { unknown: messageOf(error, longestReason) };
  }
}

type ShellHealthCheck = HealthCheck & { readonly check: ShellCheck };

function isShellCheck(each: HealthCheck): each is ShellHealthCheck {
  return each.check.via === 'shell';
}

function complaint(each: HealthCheck, output: Output): string | undefined {
  if (output.code === 0) return undefined;
  return `${each.name}: ${lastLines(output, 1)[0] || `exit code ${output.code}`}`;
}
