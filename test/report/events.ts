// A run as its events tell it, with something of everything.
import type { Event, ShownChange, StepName, Summary } from '../../src/base/event.ts';

export function named(host: string, role: string, stepType: string, name: string): StepName {
  return { step: `${host}/${role}/${stepType} ${name}`, host, role, stepType, name };
}

export const conf = named('ctl1', 'web', 'file', '/etc/web.conf');
export const service = named('ctl1', 'web', 'service', 'web');
const user = named('ctl1', 'web', 'user', 'web');
const other = named('cmp1', 'base', 'directory', '/srv');

export const updated: ShownChange = {
  action: 'update',
  differences: [{ key: 'mode', before: '600', after: '644' }],
  diff: '@@ -1,2 +1,2 @@\n same\n-old\n+new\n',
};

export const summary: Summary = {
  type: 'summary',
  ok: 5,
  changed: 1,
  failed: 1,
  blocked: 1,
  skipped: 0,
  unreachable: 1,
  hosts: 3,
  steps: 9,
  seconds: 75.2,
  roundTrips: 11,
};

export const run: readonly Event[] = [
  { type: 'run-start', run: 'r1', command: 'apply', cloud: 'lab', hosts: 3, steps: 9 },
  { type: 'note', text: 'Somebody waits.' },
  { type: 'host-up', host: 'ctl1', seconds: 0.3 },
  { type: 'host-up', host: 'cmp1', seconds: 0.4 },
  { type: 'host-down', host: 'cmp2', reason: 'refused', message: 'cmp2 does not answer', hint: 'Is it on?' },
  { type: 'host-surveyed', host: 'ctl1', steps: 3, differing: 2, unknown: 1 },
  { type: 'step-planned', ...conf, change: updated },
  { type: 'step-planned', ...service, change: { action: 'update', differences: [], reasons: ['/etc/web.conf'] } },
  { type: 'step-unknown', ...user, because: 'follows from ctl1/packages' },
  { type: 'host-surveyed', host: 'cmp1', steps: 1, differing: 1, unknown: 0 },
  { type: 'step-planned', ...other, change: { action: 'create', differences: [] } },
  { type: 'told', changes: 3, unknown: 1, hosts: 2 },
  { type: 'walk-start' },
  { type: 'step-start', ...conf, change: updated },
  { type: 'step-changed', ...conf, change: updated, seconds: 0.25 },
  { type: 'step-ok', ...other },
  { type: 'step-start', ...service, change: updated },
  {
    type: 'step-failed',
    ...service,
    message: 'exit code 1; still state is "stopped", should be "started"',
    output: ['web.service failed', 'see above'],
    seconds: 61.4,
  },
  { type: 'step-blocked', ...user, by: service.step },
  { type: 'health-ok', host: 'cmp1', role: 'base', checks: ['run true'], seconds: 0.1 },
  { type: 'critical-path', steps: [{ step: service.step, seconds: 61.4 }] },
  summary,
];

/** What people must have read of it in the end, in this order. */
export const said: readonly string[] = [
  'Somebody waits.',
  '✗ cmp2 does not answer',
  'Is it on?',
  'ctl1',
  '~ web: file /etc/web.conf',
  '+new',
  '~ web: service web',
  '? web: user web  follows from ctl1/packages',
  'cmp1',
  '+ base: directory /srv',
  '3 changes, 1 that cannot be known yet (?) on 2 hosts.',
  '✗ ctl1 web: service web: exit code 1',
  '| web.service failed',
  '■ ctl1 web: user web blocked by ctl1/web/service web',
  '✓ cmp1 base is healthy',
  'The longest chain took 1 min 1 s',
  '5 ok, 1 changed, 1 failed, 1 blocked, 1 host unreachable in 1 min 15 s, 3 hosts',
];
