import pc from 'picocolors';
import type { Event, ShownChange, ShownHook, ShownStage, StepName, Summary } from '../base/event.ts';
import type { Problem } from '../base/problem.ts';
import type { Difference } from '../base/state.ts';

/** Colours, or none. */
export type Colors = ReturnType<typeof pc.createColors>;

export function colors(enabled: boolean): Colors {
  return pc.createColors(enabled);
}

/** A problem as people read it: place, code, sentence, the lines in question, what to do. */
export function problemText({ code, severity, message, place, hint }: Problem, c: Colors): string {
  const where = place ? `${c.bold(`${place.file}:${place.line}:${place.column}`)}: ` : '';
  const frame = place?.frame ? `\n${indent(place.frame, 2)}` : '';
  return `${where}${severity === 'warning' ? c.yellow('warning') : c.red('error')} ${message} ${c.dim(`[${code}]`)}${frame}${hint === undefined ? '' : `\n  ${c.cyan('hint')} ${hint}`}`;
}

/** What a step would change or did, in one line and, where there is content, its diff. */
export function changeText(name: StepName, change: ShownChange, c: Colors): string {
  const sign = { create: c.green('+'), update: c.yellow('~'), remove: c.red('-') }[change.action];
  const details = change.action === 'update' ? change.differences.map(differenceText).join(', ') : '';
  const verb = change.action === 'create' || change.differences.some(({ key }) => key === 'state') ? 'start' : 'restart';
  const reasons = change.reasons ? `${verb}: ${change.reasons.join(', ')} ${change.reasons.length === 1 ? 'changes' : 'change'}` : '';
  const rest = [
    reasons || details,
    change.irreversible ? c.red('cannot be undone') : '',
    change.refused ? c.red(`refused: ${change.refused}`) : '',
  ]
    .filter(Boolean)
    .join('; ');
  const diff = change.diff === undefined ? '' : `\n${indent(colored(change.diff.trimEnd(), c), 6)}`;
  return `${sign} ${stepText(name)}${rest ? c.dim(`  ${rest}`) : ''}${diff}`;
}

export function stepText({ role, stepType, name }: StepName): string {
  return `${role}: ${stepType}${name === '' ? '' : ` ${name}`}`;
}

/** One line an event; undefined for those that say nothing to people on their own. */
export function eventText(event: Event, c: Colors): string | undefined {
  switch (event.type) {
    case 'run-start':
      return `${event.cloud}: ${count(event.hosts, 'host')}, ${count(event.steps, 'step')}`;
    case 'note':
      return event.host === undefined ? event.text : `${event.host}: ${event.text}`;
    case 'host-down':
      return `${c.red('✗')} ${event.message}${event.hint === undefined ? '' : `\n  ${c.cyan('hint')} ${event.hint}`}`;
    case 'told':
      if (event.hosts === 0) return c.red('No host could be looked at.');
      return event.changes + event.unknown === 0
        ? `${c.green('Nothing to change')} on ${count(event.hosts, 'host')}.`
        : `${c.bold(count(event.changes, 'change'))}${event.unknown > 0 ? `, ${event.unknown} that cannot be known yet (?)` : ''} on ${count(event.hosts, 'host')}.`;
    case 'step-planned':
      return `  ${changeText(event, event.change, c)}`;
    case 'step-unknown':
      return `  ${c.blue('?')} ${stepText(event)}${c.dim(`  ${event.because}`)}`;
    case 'step-changed':
      return `${c.green('✓')} ${event.host} ${stepText(event)} ${c.dim(`(${time(event.seconds)})`)}`;
    case 'step-failed':
      return failureText(event, c);
    case 'step-blocked':
      return `${c.yellow('■')} ${event.host} ${stepText(event)} ${c.dim(`blocked by ${event.by}`)}`;
    case 'health-ok':
      return `${c.green('✓')} ${event.host} ${event.role} is healthy ${c.dim(event.checks.length > 0 ? `(${event.checks.join(', ')}; ${time(event.seconds)})` : '')}`;
    case 'trial-ok':
      return `${c.green('✓')} ${event.host} ${stepText(event)} ${c.dim(`(${event.said === undefined ? '' : `${event.said}; `}${time(event.seconds)})`)}`;
    case 'critical-path':
      return pathText(event.steps, c);
    case 'problem':
      return problemText(event.problem, c);
    case 'journey':
      return journeyText(event, c);
    case 'progress':
      return `${c.bold(event.text)} ${c.dim(`(${event.done} of ${event.of})`)}`;
    default:
      return undefined;
  }
}

export function failureText(event: Extract<Event, { type: 'step-failed' }>, c: Colors): string {
  const output =
    event.output && event.output.some((line) => line !== '')
      ? `\n${event.output.map((line) => `    ${c.dim('|')} ${line}`).join('\n')}`
      : '';
  const hint = event.hint === undefined ? '' : `\n  ${c.cyan('hint')} ${event.hint}`;
  return `${c.red('✗')} ${event.host} ${stepText(event)}: ${event.message} ${c.dim(`(${time(event.seconds)})`)}${output}${hint}`;
}

/** The end of a run, and what to do next. `command` is what was run. */
export function summaryText(summary: Summary, command: string, c: Colors): string {
  const counts = [
    `${summary.ok} ok`,
    summary.changed > 0 ? c.green(`${summary.changed} changed`) : '0 changed',
    summary.failed > 0 ? c.red(`${summary.failed} failed`) : '0 failed',
    ...(summary.blocked > 0 ? [c.yellow(`${summary.blocked} blocked`)] : []),
    ...(summary.skipped > 0 ? [c.yellow(`${summary.skipped} skipped`)] : []),
  ];
  const parts = [
    // Looking alone does nothing that could be counted.
    ...(command === 'plan' ? ['looked'] : counts),
    ...(summary.unreachable > 0 ? [c.red(`${count(summary.unreachable, 'host')} unreachable`)] : []),
  ];
  const perHost = summary.hosts > 0 ? Math.round((summary.roundTrips / summary.hosts) * 10) / 10 : 0;
  const next = nextText(summary, command);
  return `${parts.join(', ')} ${c.dim(`in ${time(summary.seconds)}, ${count(summary.hosts, 'host')}, ${count(perHost, 'round trip')} a host`)}${next === '' ? '' : `\n${next}`}`;
}

function nextText(summary: Summary, command: string): string {
  if (summary.skipped > 0 && command === 'verify') return 'Interrupted. What was made to try the cloud is removed.';
  if (summary.skipped > 0) return 'Interrupted. Run `cellwise apply` again: it goes on with what is left.';
  if (summary.failed > 0 && command === 'apply')
    return 'What failed is above. Mend its cause and run `cellwise apply` again: it goes on with what is left.';
  if (summary.unreachable > 0) return 'Run it again when the cause is gone for which hosts could not be worked on: it is above.';
  return '';
}

function journeyText({ from, to, stages, reasons }: Extract<Event, { type: 'journey' }>, c: Colors): string {
  const seconds = stages.reduce((sum, stage) => sum + stage.seconds, 0);
  const untold = stages.reduce((sum, stage) => sum + stage.untold, 0);
  const times = seconds > 0 ? `about ${time(seconds)}` : 'how long is not known';
  const more = untold > 0 ? `, and ${count(untold, 'step')} that were never timed` : '';
  return [
    c.bold(`${from.length > 0 ? `From ${from.join(' and ')} to` : 'To'} ${to}: ${count(stages.length, 'stage')}, ${times}${more}`),
    ...stages.map((stage) => stageText(stage, c)),
    ...(reasons.length > 0 ? [c.red(`It may not start, for ${count(reasons.length, 'reason')}:`)] : []),
    ...reasons.map(({ message, hint }) => `${c.red('✗')} ${message}${hint === undefined ? '' : `\n  ${c.cyan('hint')} ${hint}`}`),
  ].join('\n');
}

function stageText({ id, waves, drain, taken, tried, hooks, changes, unknown, seconds }: ShownStage, c: Colors): string {
  const hosts = waves.flatMap((wave) => wave.hosts);
  const shown = waves.slice(0, 12).map(({ canary, hosts: some }, i) => `    ${canary ? 'canary' : `wave ${i + 1}`}: ${few(some)}`);
  return [
    `${c.bold(id)} ${c.dim(`${count(hosts.length, 'host')}${seconds > 0 ? `, about ${time(seconds)}` : ''}${drain === 'none' ? '' : `, machines: ${drain}`}`)}`,
    ...(waves.length > 1 ? shown : []),
    ...(waves.length > 12 ? [`    and ${waves.length - 12} waves more`] : []),
    ...taken.map((lease) => c.dim(`    taken and given back: ${lease}`)),
    ...tried.map((trial) => c.dim(`    the canary is tried: ${trial}`)),
    ...hooks.map(hookText),
    ...changes.map(({ hosts: some, change, ...name }) => `  ${changeText(name, change, c)}${c.dim(`  on ${few(some)}`)}`),
    ...unknown.map(
      ({ hosts: some, because, irreversible, ...name }) =>
        `  ${c.blue('?')} ${stepText(name)}${c.dim(`  ${because}`)}${irreversible ? c.red('  cannot be undone') : ''}${c.dim(`  on ${few(some)}`)}`,
    ),
    ...(changes.length + unknown.length === 0 ? [c.dim('    nothing to change')] : []),
  ].join('\n');
}

/** All of a command, whatever it is: it must not look like another line of ours. */
function hookText({ when, gate, on, run, within }: ShownHook): string {
  const lines = run.trimEnd().split('\n');
  const command = lines.length === 1 ? ` ${lines[0]!}` : lines.map((line) => `\n      | ${line}`).join('');
  const where = on === 'deployer' ? 'on the deployer' : `as root on ${on}`;
  return `    ${gate ? 'gate' : 'hook'} ${when}, ${where}, ${time(within)} at most:${command}`;
}

function few(hosts: readonly string[]): string {
  return hosts.length <= 6 ? hosts.join(', ') : `${hosts.slice(0, 5).join(', ')} and ${hosts.length - 5} more`;
}

function pathText(steps: readonly { readonly step: string; readonly seconds: number }[], c: Colors): string | undefined {
  if (steps.length === 0) return undefined;
  const total = steps.reduce((sum, each) => sum + each.seconds, 0);
  const slowest = steps.toSorted((a, b) => b.seconds - a.seconds).slice(0, 5);
  return c.dim(`The longest chain took ${time(total)}: ${slowest.map((each) => `${each.step} ${time(each.seconds)}`).join(', ')}`);
}

function differenceText({ key, before, after }: Difference): string {
  return `${key}: ${value(before)} → ${value(after)}`;
}

function value(json: unknown): string {
  if (json === undefined || json === null) return 'none';
  // Such as the machines on a host: each of them counts.
  if (Array.isArray(json) && json.every((item) => typeof item === 'string') && JSON.stringify(json).length > 60)
    return json.length > 40 ? `${json.slice(0, 40).join(', ')} and ${json.length - 40} more` : json.join(', ');
  const text = typeof json === 'string' ? json : JSON.stringify(json);
  return /^[0-9a-f]{40,}$/.test(text) ? text.slice(0, 8) : text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

function colored(diff: string, c: Colors): string {
  return diff
    .split('\n')
    .map((line) => (line.startsWith('+') ? c.green(line) : line.startsWith('-') ? c.red(line) : c.dim(line)))
    .join('\n');
}

export function time(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** `1 host`, `2 hosts`. */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

function indent(text: string, by: number): string {
  return text.replaceAll(/^/gm, ' '.repeat(by));
}
