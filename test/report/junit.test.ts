import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/base/event.ts';
import { junit } from '../../src/report/junit.ts';

async function told(...events: readonly Event[]): Promise<string> {
  let text = '';
  const reporter = junit((more) => {
    text += more;
  });
  for (const event of events) reporter.tell(event);
  await reporter.end();
  return text;
}

const start: Event = { type: 'run-start', run: 'r', command: 'verify', cloud: 'lab', hosts: 2, steps: 0 };
const ok: Event = { type: 'health-ok', host: 'ctl1', role: 'nova', checks: ['port 1'], seconds: 0.25 };
const ill: Event = {
  type: 'step-failed',
  step: 'cmp1/nova/health',
  host: 'cmp1',
  role: 'nova',
  stepType: 'health',
  name: 'nova',
  message: 'not healthy: "<down>" & \u001b[31mred\ud800',
  output: ['one', 'two'],
  seconds: 0.5,
};
const down: Event = { type: 'host-down', host: 'sto1', reason: 'refused', message: 'sto1 does not answer', hint: 'Is it on?' };

describe('results as JUnit XML', () => {
  it('a suite a role, a case a host; what cannot be written in XML is not', async () => {
    expect(await told(start, ok, ill, down)).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="lab" tests="3" failures="1" errors="1" skipped="0" time="0.75">
  <testsuite name="nova" tests="2" failures="1" errors="0" skipped="0" time="0.75">
    <testcase classname="nova" name="ctl1" time="0.25"/>
    <testcase classname="nova" name="cmp1" time="0.5">
      <failure message="not healthy: &quot;&lt;down&gt;&quot; &amp; \ufffd[31mred\ufffd">one&#10;two</failure>
    </testcase>
  </testsuite>
  <testsuite name="hosts" tests="1" failures="0" errors="1" skipped="0" time="0">
    <testcase classname="hosts" name="sto1" time="0">
      <error message="sto1 does not answer">Is it on?</error>
    </testcase>
  </testsuite>
</testsuites>
`);
  });

  it('a trial is a case, and one that was blocked is skipped', async () => {
    const trial = (stepType: string) => ({ step: `ctl1/heat/verify: ${stepType}`, host: 'ctl1', role: 'heat', stepType, name: 'x' });
    const text = await told(
      start,
      { type: 'trial-ok', ...trial('stack'), seconds: 4 },
      { type: 'step-blocked', ...trial('other'), by: 'ctl1/heat/health' },
    );
    expect(text).toContain(`  <testsuite name="heat" tests="2" failures="0" errors="0" skipped="1" time="4">
    <testcase classname="heat" name="ctl1/heat/verify: stack" time="4"/>
    <testcase classname="heat" name="ctl1/heat/verify: other" time="0">
      <skipped message="blocked by ctl1/heat/health"></skipped>
    </testcase>
`);
  });

  it('nothing asked is a file all the same', async () => {
    expect(await told(start)).toContain('<testsuites name="lab" tests="0" failures="0" errors="0" skipped="0" time="0">\n</testsuites>');
  });
});
