import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Event } from '../../src/base/event.ts';
import { ndjson, plain, terminal } from '../../src/report/report.ts';
import { conf, run, said, service, updated } from './events.ts';

// Real processes on two cores that others work on too.
vi.setConfig({ testTimeout: 30_000 });

function inOrder(text: string, parts: readonly string[]): void {
  let from = 0;
  for (const part of parts) {
    const at = text.indexOf(part, from);
    expect(at, `${JSON.stringify(part)} behind\n${text.slice(0, from)}\nin\n${text.slice(from)}`).toBeGreaterThanOrEqual(0);
    from = at + part.length;
  }
}

describe('ndjson', () => {
  it('is one event a line, each as it is', async () => {
    let text = '';
    const reporter = ndjson((more) => (text += more));
    for (const event of run) reporter.tell(event);
    await reporter.end();
    expect(text.endsWith('\n')).toBe(true);
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Event),
    ).toEqual(run);
  });
});

describe('plain', () => {
  const told = async (events: readonly Event[], color = false): Promise<string> => {
    let text = '';
    const reporter = plain((more) => (text += more), 'apply', color);
    for (const event of events) reporter.tell(event);
    await reporter.settle();
    await reporter.end();
    return text;
  };

  it('tells everything as it comes, each host’s changes below its name', async () => {
    const text = await told(run);
    inOrder(text, ['lab: 3 hosts, 9 steps', ...said.slice(0, 11), '✓ ctl1 web: file /etc/web.conf', ...said.slice(11)]);
    expect(text.split('\n').filter((line) => line === 'ctl1')).toHaveLength(1);
    expect(text.endsWith('\n')).toBe(true);
  });

  it('has no colour codes and no cursor movements without colour, and has some with it', async () => {
    expect(await told(run)).not.toContain('\x1b');
    expect(await told(run, true)).toContain('\x1b[');
  });

  describe('what takes long', () => {
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    it('is told of now and then, until it is done', async () => {
      let text = '';
      const reporter = plain((more) => (text += more), 'apply', false);
      reporter.tell({ type: 'step-start', ...conf, change: updated });
      vi.advanceTimersByTime(31_000);
      expect(text).toMatch(/ctl1 web: file \/etc\/web\.conf.*so far/);
      reporter.tell({ type: 'step-changed', ...conf, change: updated, seconds: 31 });
      text = '';
      vi.advanceTimersByTime(60_000);
      expect(text).toBe('');
      await reporter.end();
      expect(vi.getTimerCount()).toBe(0);
    });
  });
});

describe('terminal, where there is none', () => {
  // In a process of its own: its rows write to standard output past `write`.
  const drive = (script: string): { status: number | null; out: string; err: string } => {
    const source = `import { terminal } from './src/report/report.ts';
import { run, conf, service, updated, summary } from './test/report/events.ts';
const reporter = terminal((text) => process.stdout.write(text), 'apply', false);
process.on('exit', (code) => process.stdout.write('EXIT ' + code + '\\n'));
${script}`;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', source], {
      encoding: 'utf8',
      timeout: 20_000,
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined },
    });
    return { status, out: stdout, err: stderr };
  };
  const start = `for (const event of run.slice(0, 13)) reporter.tell(event);`;

  it.each([
    ['at once', `for (const event of run) reporter.tell(event); await reporter.end();`],
    ['slowly', `for (const event of run) { reporter.tell(event); await new Promise((go) => setTimeout(go, 5)); } await reporter.end();`],
    [
      'with a question',
      `for (const event of run) { reporter.tell(event); if (event.type === 'told') await reporter.settle(); } await reporter.end();`,
    ],
  ])('everything is told in the end, in order, %s', (_, script) => {
    const { status, out, err } = drive(script);
    expect(err).not.toMatch(/\n\s+at |Error/);
    expect(status).toBe(0);
    inOrder(out, said);
    for (const part of said.slice(7)) expect(out.split(part).length - 1, part).toBeGreaterThanOrEqual(1);
    expect(out).toMatch(/EXIT 0\n$/);
  });

  it('all changes are on the screen before anybody is asked', () => {
    const { out } = drive(
      `for (const event of run.slice(0, 12)) reporter.tell(event); await reporter.settle(); process.stdout.write('ASKED\\n'); await reporter.end();`,
    );
    inOrder(out, [...said.slice(0, 11), 'ASKED']);
  });

  it('all changes are on the screen before the first is made', () => {
    const { out } = drive(`for (const event of run.slice(0, 12)) reporter.tell(event);
await Promise.resolve();
for (const event of run.slice(12)) { reporter.tell(event); await new Promise((go) => setTimeout(go, 20)); if (event.type === 'step-changed') process.stdout.write('MADE\\n'); }
await reporter.end();`);
    inOrder(out, [...said.slice(0, 11), 'MADE']);
  });

  it.each([
    [
      'the first step fails at once',
      `${start} reporter.tell({ type: 'step-failed', ...conf, message: 'no', seconds: 0 }); reporter.tell(summary); await reporter.end();`,
      ['✗ ctl1 web: file /etc/web.conf: no', '5 ok'],
    ],
    ['a run without a summary', `${start} await reporter.end();`, ['3 changes']],
    [
      'a run that ends while it looks',
      `for (const event of run.slice(0, 5)) reporter.tell(event); await reporter.end();`,
      ['✗ cmp2 does not answer'],
    ],
    ['nothing at all', `await reporter.settle(); await reporter.end();`, []],
    [
      'nothing to change',
      `reporter.tell(run[0]); reporter.tell({ type: 'told', changes: 0, unknown: 0, hosts: 3 }); reporter.tell({ type: 'walk-start' }); reporter.tell({ type: 'critical-path', steps: [] }); reporter.tell(summary); await reporter.end();`,
      ['Nothing to change on 3 hosts.', '5 ok'],
    ],
    [
      'a check of health alone',
      `reporter.tell(run[0]); reporter.tell({ type: 'health-ok', host: 'cmp1', role: 'base', checks: [], seconds: 0 }); reporter.tell(summary); await reporter.end();`,
      ['✓ cmp1 base is healthy', '5 ok'],
    ],
    ['end twice', `for (const event of run) reporter.tell(event); await reporter.end(); await reporter.end();`, ['5 ok']],
  ])('%s', (_, script, parts) => {
    const { status, out, err } = drive(script);
    expect(err).not.toMatch(/\n\s+at |Error/);
    expect(status).toBe(0);
    inOrder(out, parts);
  });

  it('a fleet is a few lines of its own, not one a step', () => {
    const { out } = drive(`
const steps = Array.from({ length: 500 }, (_, i) => ({ ...conf, host: 'h' + i, step: 'h' + i + '/web/file /etc/web.conf' }));
reporter.tell({ type: 'run-start', run: 'r', command: 'apply', cloud: 'lab', hosts: 500, steps: 500 });
for (const step of steps) reporter.tell({ type: 'step-planned', ...step, change: { action: 'create', differences: [] } });
reporter.tell({ type: 'told', changes: 500, unknown: 0, hosts: 500 });
await reporter.settle();
process.stdout.write('WALK\\n');
reporter.tell({ type: 'walk-start' });
for (const step of steps) { reporter.tell({ type: 'step-start', ...step, change: updated }); reporter.tell({ type: 'step-changed', ...step, change: updated, seconds: 1 }); }
reporter.tell(summary); await reporter.end();`);
    expect(out.split('WALK\n')[1]!.split('\n').length).toBeLessThan(20);
    expect(out).toContain('500 changes on 500 hosts.');
  });
});

describe('terminal in this process', () => {
  it('holds nothing back once it has ended', async () => {
    const log = vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
    const rejected = vi.fn();
    process.on('unhandledRejection', rejected);
    let text = '';
    try {
      const reporter = terminal((more) => (text += more), 'apply', false);
      for (const event of run) reporter.tell(event);
      await reporter.end();
      await new Promise((resolve) => setTimeout(resolve, 10));
    } finally {
      log.mockRestore();
      process.off('unhandledRejection', rejected);
    }
    expect(rejected).not.toHaveBeenCalled();
    inOrder(text, said);
    expect(text).toContain(service.name);
  });
});
