import type { Event } from '../base/event.ts';
import type { Reporter, Write } from './report.ts';

/** What was found of one thing that was asked. */
interface Case {
  readonly name: string;
  readonly seconds: number;
  /** Why it is not well. `error`: it could not be asked. `skipped`: what it builds on is not well. */
  readonly bad?: { readonly kind: 'failure' | 'error' | 'skipped'; readonly message: string; readonly lines: readonly string[] };
}

/**
 * Results as JUnit's XML, which CI systems read: a suite a role with a case a host, failed steps and hosts that did not answer.
 * Written once, in the end.
 */
export function junit(write: Write): Reporter {
  const suites = new Map<string, Case[]>();
  let cloud = '';
  const add = (suite: string, one: Case): void => {
    suites.set(suite, [...(suites.get(suite) ?? []), one]);
  };
  return {
    tell(event: Event) {
      if (event.type === 'run-start') ({ cloud } = event);
      if (event.type === 'health-ok') add(event.role, { name: event.host, seconds: event.seconds });
      if (event.type === 'trial-ok') add(event.role, { name: event.step, seconds: event.seconds });
      if (event.type === 'step-blocked')
        add(event.role, { name: event.step, seconds: 0, bad: { kind: 'skipped', message: `blocked by ${event.by}`, lines: [] } });
      if (event.type === 'step-failed') {
        const name = event.stepType === 'health' ? event.host : event.step;
        add(event.role, { name, seconds: event.seconds, bad: { kind: 'failure', message: event.message, lines: event.output ?? [] } });
      }
      if (event.type === 'host-down')
        add('hosts', {
          name: event.host,
          seconds: 0,
          bad: { kind: 'error', message: event.message, lines: event.hint === undefined ? [] : [event.hint] },
        });
    },
    settle: () => Promise.resolve(),
    end: () => {
      const texts = [...suites].map(([name, cases]) => suiteText(name, cases));
      const all = [...suites.values()].flat();
      write(`<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="${escaped(cloud)}"${tally(all)}>\n${texts.join('')}</testsuites>\n`);
      return Promise.resolve();
    },
  };
}

function suiteText(name: string, cases: readonly Case[]): string {
  const texts = cases.map((each) => caseText(name, each)).join('');
  return `  <testsuite name="${escaped(name)}"${tally(cases)}>\n${texts}  </testsuite>\n`;
}

function caseText(suite: string, { name, seconds, bad }: Case): string {
  const opening = `    <testcase classname="${escaped(suite)}" name="${escaped(name)}" time="${seconds}"`;
  if (!bad) return `${opening}/>\n`;
  const { kind, message, lines } = bad;
  return `${opening}>\n      <${kind} message="${escaped(message)}">${escaped(lines.join('\n'))}</${kind}>\n    </testcase>\n`;
}

function tally(cases: readonly Case[]): string {
  const of = (kind: 'failure' | 'error' | 'skipped'): number => cases.filter(({ bad }) => bad?.kind === kind).length;
  const seconds = Math.round(cases.reduce((sum, each) => sum + each.seconds, 0) * 1000) / 1000;
  return ` tests="${cases.length}" failures="${of('failure')}" errors="${of('error')}" skipped="${of('skipped')}" time="${seconds}"`;
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\n': '&#10;' };

/** Text for XML, which has no way to write most control characters and halves of surrogate pairs. */
function escaped(text: string): string {
  const writable = text.toWellFormed().replaceAll(/(?![\t\n])\p{Cc}|[\uFFFE\uFFFF]/gu, '\uFFFD');
  return writable.replaceAll(/[&<>"\n]/g, (sign) => entities[sign]!);
}
