import { expect, it } from 'vitest';
import { onTerminal } from '../cli/pty.ts';

// A run with more roles at work, and more failures, than a small terminal has rows: as it is drawn on a real one.
const source = `import { terminal } from './src/report/report.ts';
const reporter = terminal((text) => process.stdout.write(text), 'apply', false, () => process.stdout);
const pause = (ms) => new Promise((go) => setTimeout(go, ms));
const change = { action: 'create', differences: [] };
const steps = Array.from({ length: 60 }, (_, i) => ({ step: 'h/r' + i + '/file', host: 'h', role: 'r' + i, stepType: 'file', name: '/etc/' + 'x'.repeat(90) }));
reporter.tell({ type: 'run-start', run: 'r', command: 'apply', cloud: 'lab', hosts: 1, steps: 60 });
reporter.tell({ type: 'host-up', host: 'h', seconds: 0 });
reporter.tell({ type: 'host-surveyed', host: 'h', steps: 60, differing: 60, unknown: 0 });
reporter.tell({ type: 'step-unknown', ...steps[0], because: 'it is so' });
for (const step of steps.slice(1)) reporter.tell({ type: 'step-planned', ...step, change });
reporter.tell({ type: 'told', changes: 60, unknown: 0, hosts: 1 });
await reporter.settle();
process.stdout.write('WALK');
reporter.tell({ type: 'walk-start' });
await pause(150);
for (const step of steps) reporter.tell({ type: 'step-start', ...step, change });
await pause(300);
for (const step of steps.slice(0, 12)) reporter.tell({ type: 'step-failed', ...step, message: 'exit code 1: no space left on device', seconds: 0 });
await pause(300);
process.stdout.write('');
for (const step of steps.slice(12)) reporter.tell({ type: 'step-changed', ...step, change, seconds: 0 });
await pause(300);
reporter.tell({ type: 'summary', ok: 0, changed: 48, failed: 12, blocked: 0, skipped: 0, unreachable: 0, hosts: 1, steps: 60, seconds: 1, roundTrips: 1 });
await reporter.end();
`;

/** Without the codes that paint and move the cursor. */
function plain(screen: string): string {
  // eslint-disable-next-line no-control-regex -- these codes are made of control characters
  return screen.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, '');
}

/** What listr2 draws between two synchronised updates. */
function framesOf(screen: string): string[][] {
  return screen.split('\x1b[?2026h').map((frame) => plain(frame.split('\x1b[?2026l')[0]!).split('\r\n'));
}

it('fits 80 columns and 24 rows, with failures at once, and again at the end', { timeout: 30_000 }, async () => {
  const run = onTerminal([process.execPath, '--input-type=module-typescript', '-e', source], { columns: 80, rows: 24 });
  expect(await run.ended).toBe(0);
  const frames = framesOf(run.shown().split('WALK')[1]!);
  expect(Math.max(...frames.map((frame) => frame.length))).toBeLessThanOrEqual(24);
  expect(Math.max(...frames.flatMap((frame) => frame.map((line) => line.length)))).toBeLessThanOrEqual(80);
  // All 60 roles run: some are shown, and the others counted.
  expect(
    frames.some((frame) => frame.some((line) => /^ *r\d+ 0\/1 /.test(line)) && frame.some((line) => /… \d+ lines more/.test(line))),
  ).toBe(true);
  // The first failure is on the screen while the run goes on.
  expect(frames.some((frame) => /^\S 12 of 60 steps, 12 failed/.test(frame[0]!) && frame.some((line) => line.includes('✗ h r0')))).toBe(
    true,
  );
  const end = run.shown().split('60 of 60 steps').at(-1)!;
  for (let i = 0; i < 12; i++) expect(end).toMatch(new RegExp(`✗ h r${i}: file`));
  // What failed is never ticked off.
  expect(plain(run.shown())).toMatch(/✖ 60 of 60 steps, 12 failed or blocked/);
  expect(plain(run.shown())).not.toMatch(/✔ 60 of/);
});
