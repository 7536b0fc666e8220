import { describe, expect, it } from 'vitest';
import type { Event, ShownChange, Summary } from '../../src/base/event.ts';
import type { Problem } from '../../src/base/problem.ts';
import { changeText, colors, eventText, problemText, summaryText, time } from '../../src/report/words.ts';
import { conf, run, service, summary, updated } from './events.ts';

const none = colors(false);

describe('events as people read them', () => {
  it.each<[Event, string | undefined]>([
    [{ type: 'run-start', run: 'r', command: 'plan', cloud: 'lab', hosts: 1, steps: 1 }, 'lab: 1 host, 1 step'],
    [{ type: 'run-start', run: 'r', command: 'plan', cloud: 'lab', hosts: 6, steps: 42 }, 'lab: 6 hosts, 42 steps'],
    [{ type: 'note', text: 'a note' }, 'a note'],
    [{ type: 'note', text: 'a note', host: 'ctl1' }, 'ctl1: a note'],
    [{ type: 'host-up', host: 'ctl1', seconds: 1 }, undefined],
    [{ type: 'host-down', host: 'h', reason: 'r', message: 'h does not answer' }, '✗ h does not answer'],
    [{ type: 'host-down', host: 'h', reason: 'r', message: 'm', hint: 'do this' }, '✗ m\n  hint do this'],
    [{ type: 'told', changes: 0, unknown: 0, hosts: 6 }, 'Nothing to change on 6 hosts.'],
    [{ type: 'told', changes: 1, unknown: 0, hosts: 1 }, '1 change on 1 host.'],
    [{ type: 'told', changes: 0, unknown: 2, hosts: 1 }, '0 changes, 2 that cannot be known yet (?) on 1 host.'],
    [{ type: 'step-ok', ...conf }, undefined],
    [{ type: 'step-start', ...conf, change: updated }, undefined],
    [{ type: 'step-changed', ...conf, change: updated, seconds: 59.94 }, '✓ ctl1 web: file /etc/web.conf (59.9 s)'],
    [{ type: 'step-unknown', ...conf, because: 'it is dark' }, '  ? web: file /etc/web.conf  it is dark'],
    [{ type: 'step-failed', ...service, message: 'no', seconds: 0 }, '✗ ctl1 web: service web: no (0.0 s)'],
    [
      { type: 'step-failed', ...service, message: 'no', output: ['a', '', 'b'], hint: 'try this', seconds: 3 },
      '✗ ctl1 web: service web: no (3.0 s)\n    | a\n    | \n    | b\n  hint try this',
    ],
    [{ type: 'step-failed', ...service, message: 'no', output: [''], seconds: 3 }, '✗ ctl1 web: service web: no (3.0 s)'],
    [{ type: 'step-blocked', ...service, by: 'x is unreachable' }, '■ ctl1 web: service web blocked by x is unreachable'],
    [
      { type: 'health-ok', host: 'h', role: 'r', checks: ['port 80', 'run true'], seconds: 1 },
      '✓ h r is healthy (port 80, run true; 1.0 s)',
    ],
    [{ type: 'health-ok', host: 'h', role: 'r', checks: [], seconds: 1 }, '✓ h r is healthy'],
    [{ type: 'critical-path', steps: [] }, undefined],
    [
      {
        type: 'critical-path',
        steps: [
          { step: 'a', seconds: 1 },
          { step: 'b', seconds: 2 },
        ],
      },
      'The longest chain took 3.0 s: b 2.0 s, a 1.0 s',
    ],
  ])('%#', (event, text) => {
    expect(eventText(event, none)?.trimEnd()).toBe(text);
  });

  it.each<[ShownChange, string]>([
    [{ action: 'create', differences: [{ key: 'mode', before: undefined, after: '644' }] }, '+ web: file /etc/web.conf'],
    [{ action: 'remove', differences: [] }, '- web: file /etc/web.conf'],
    [{ action: 'update', differences: [{ key: 'mode', before: '600', after: '644' }] }, '~ web: file /etc/web.conf  mode: 600 → 644'],
    [
      {
        action: 'update',
        differences: [
          { key: 'a', before: null, after: ['x'] },
          { key: 'b', before: true, after: 5 },
        ],
      },
      '~ web: file /etc/web.conf  a: none → ["x"], b: true → 5',
    ],
    [
      { action: 'update', differences: [{ key: 'sha256', before: 'a'.repeat(64), after: 'b'.repeat(64) }] },
      '~ web: file /etc/web.conf  sha256: aaaaaaaa → bbbbbbbb',
    ],
    [
      { action: 'update', differences: [{ key: 'cmp2', before: ['web (ACTIVE)'.repeat(5), 'db (SHUTOFF)'], after: 'empty' }] },
      `~ web: file /etc/web.conf  cmp2: ${'web (ACTIVE)'.repeat(5)}, db (SHUTOFF) → empty`,
    ],
    [
      { action: 'update', differences: [{ key: 'a', before: 'x'.repeat(61), after: 'y' }] },
      `~ web: file /etc/web.conf  a: ${'x'.repeat(59)}… → y`,
    ],
    [updated, '~ web: file /etc/web.conf  mode: 600 → 644\n      @@ -1,2 +1,2 @@\n       same\n      -old\n      +new'],
    [{ action: 'update', differences: [], reasons: ['/a'] }, '~ web: file /etc/web.conf  restart: /a changes'],
    [{ action: 'update', differences: [], reasons: ['/a', '/b'] }, '~ web: file /etc/web.conf  restart: /a, /b change'],
    [{ action: 'create', differences: [], irreversible: true }, '+ web: file /etc/web.conf  cannot be undone'],
  ])('a change %#', (change, text) => {
    expect(changeText(conf, change, none)).toBe(text);
  });

  it.each<[Problem, string]>([
    [{ code: 'usage', message: 'No.' }, 'error No. [usage]'],
    [{ code: 'usage', message: 'No.', hint: 'Do.' }, 'error No. [usage]\n  hint Do.'],
    [
      { code: 'usage', message: 'No.', place: { file: 'a.yaml', line: 3, column: 7, frame: '3 | a\n  | ^' }, hint: 'Do.' },
      'a.yaml:3:7: error No. [usage]\n  3 | a\n    | ^\n  hint Do.',
    ],
  ])('a problem %#', (problem, text) => {
    expect(problemText(problem, none)).toBe(text);
  });
});

describe('the summary', () => {
  const good: Summary = { ...summary, changed: 0, failed: 0, blocked: 0, unreachable: 0, seconds: 5, hosts: 6, roundTrips: 6 };

  it.each<[string, Partial<Summary>, string, string]>([
    ['all is well', {}, 'apply', '5 ok, 0 changed, 0 failed in 5.0 s, 6 hosts, 1 round trip a host'],
    ['looking alone', {}, 'plan', 'looked in 5.0 s, 6 hosts, 1 round trip a host'],
    ['no host', { hosts: 0, roundTrips: 0 }, 'apply', '5 ok, 0 changed, 0 failed in 5.0 s, 0 hosts, 0 round trips a host'],
    [
      'failed',
      { failed: 1, blocked: 2 },
      'apply',
      '5 ok, 0 changed, 1 failed, 2 blocked in 5.0 s, 6 hosts, 1 round trip a host\nWhat failed is above. Mend its cause and run `cellwise apply` again: it goes on with what is left.',
    ],
    ['failed to verify', { failed: 1 }, 'verify', '5 ok, 0 changed, 1 failed in 5.0 s, 6 hosts, 1 round trip a host'],
    [
      'unreachable',
      { unreachable: 2 },
      'apply',
      '5 ok, 0 changed, 0 failed, 2 hosts unreachable in 5.0 s, 6 hosts, 1 round trip a host\nRun it again when the cause is gone for which hosts could not be worked on: it is above.',
    ],
    [
      'interrupted',
      { skipped: 3, failed: 1 },
      'apply',
      '5 ok, 0 changed, 1 failed, 3 skipped in 5.0 s, 6 hosts, 1 round trip a host\nInterrupted. Run `cellwise apply` again: it goes on with what is left.',
    ],
  ])('%s', (_, more, command, text) => {
    expect(summaryText({ ...good, ...more }, command, none)).toBe(text);
  });
});

it.each([
  [0, '0.0 s'],
  [59.94, '59.9 s'],
  [59.96, '1 min 0 s'],
  [60, '1 min 0 s'],
  [119.6, '2 min 0 s'],
  [3725, '62 min 5 s'],
])('%d seconds are %s', (seconds, text) => {
  expect(time(seconds)).toBe(text);
});

describe('colours', () => {
  const all = (enabled: boolean): string => {
    const c = colors(enabled);
    return [
      ...run.map((event) => (event.type === 'summary' ? summaryText(event, 'apply', c) : (eventText(event, c) ?? ''))),
      problemText({ code: 'usage', message: 'm', place: { file: 'f', line: 1, column: 1, frame: 'a' }, hint: 'h' }, c),
    ].join('\n');
  };

  it('are left out when they are off, and nothing else is', () => {
    // eslint-disable-next-line no-control-regex -- this is what must not be there
    const codes = /\x1b\[\d+m/g;
    expect(all(false)).not.toMatch(codes);
    expect(all(true)).toMatch(codes);
    expect(all(true).replace(codes, '')).toBe(all(false));
  });
});
