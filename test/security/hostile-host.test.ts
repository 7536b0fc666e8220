// One host whose every answer is hostile, in a whole run: the others are worked on to the end, and nothing that it says
// reaches a terminal, a journal or the ledger of an upgrade as it is.
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { Output } from '../../src/base/command.ts';
import type { Event } from '../../src/base/event.ts';
import { openAudience } from '../../src/cli/audience.ts';
import { tell } from '../../src/cli/failure.ts';
import { print, say } from '../../src/cli/output.ts';
import { statusLines } from '../../src/cli/upgrade-status.ts';
import { openJournal, nowhere } from '../../src/engine/journal.ts';
import { openLedger, stateOf } from '../../src/engine/ledger.ts';
import { preflight } from '../../src/engine/preflight.ts';
import { apply, plan, verify } from '../../src/engine/run.ts';
import { upgrade, type Verdict } from '../../src/engine/upgrade.ts';
import { wallClock, type Open } from '../../src/engine/work.ts';
import { journeyOf } from '../../src/plan/journey.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { plain } from '../../src/report/report.ts';
import { localHosts } from '../engine/local-shell.ts';
import { complaints, inventoryOf, planOf, rolesOf, secretsOf } from '../plan/clouds.ts';
import { newDirectory } from '../roles/directories.ts';
import { evil, expectHarmless, hostileOn, said, seeded, textsIn } from './hostile.ts';

vi.setConfig({ testTimeout: 60_000 });

const hosts = '  good: {address: 10.77.0.11, kind: controller}\n  bad: {address: 10.77.0.21, kind: compute}\n';
const value = seeded.reveal();

/** Steps of many types on the hostile host, some that can be done here on the other. */
function cloud(): { readonly plan: Plan; readonly directory: string } {
  const directory = newDirectory();
  mkdirSync(join(directory, 'good'));
  const at = `${directory}/{{host.name}}`;
  const url = 'http://10.77.0.11:5000/v3';
  const roles = rolesOf({
    victim: {
      params: { password: { type: 'string', format: 'secret' } },
      on: ['compute'],
      steps: [
        { file: `${at}/a`, content: '{{password}}\n' },
        { directory: `${at}/b` },
        { 'ini-setting': `${at}/c`, section: 'DEFAULT', key: 'a', value: 'b' },
        { user: 'somebody' },
        { group: 'somebody' },
        { sysctl: 'net.ipv4.ip_forward', value: '1' },
        { 'ceph-config': 'global', options: { a: 'b' } },
        { 'ceph-auth': 'client.x', key: '{{password}}', caps: { mon: 'allow r' } },
        { 'mysql-database': 'x' },
        { 'mysql-user': 'x', password: '{{password}}', grants: [{ on: 'x.*' }] },
        { 'rabbitmq-user': 'x', password: '{{password}}' },
        { 'keystone-bootstrap': 'r', password: '{{password}}', public: url, internal: url, admin: url },
        { service: 'x', watches: [`${at}/a`] },
      ],
      health: [{ run: 'true', within: '1s' }],
    },
    worker: { steps: [{ file: `${at}/done`, content: 'x\n' }], health: [{ run: `test -e ${at}/done`, within: '1s' }] },
  });
  const all = planOf(inventoryOf(hosts), roles, secretsOf({ 'victim.password': value }));
  expect(complaints(all)).toEqual([]);
  return { plan: all, directory };
}

/** All answers in turn, each with another exit code. */
function anything(first: number): () => readonly [string, number] {
  let i = first;
  return () => [said[(i += 7) % said.length]!, [0, 0, 1, 2, 100][i % 5]!];
}

const holder = { run: 'r1', who: 'me@here', what: 'cellwise', since: '2026-01-01T00:00:00Z' };
const common = { command: 'apply', run: 'r1', drain: new AbortController().signal, holder };

/** What a terminal and a program are told. */
function audience(): { readonly emit: (event: Event) => void; readonly events: Event[]; readonly text: () => string } {
  const events: Event[] = [];
  let text = '';
  const lines = plain((more) => (text += more), 'apply', false);
  const emit = (event: Event): void => {
    events.push(event);
    lines.tell(event);
  };
  return { emit, events, text: () => text + textsIn(events) };
}

function jsonOf(directory: string): string {
  return readdirSync(directory)
    .flatMap((file) => readFileSync(join(directory, file), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => textsIn(JSON.parse(line)))
    .join('');
}

describe.each([0, 1, 2, 3])('a host that says anything (%i)', (first) => {
  const open = (): Open => hostileOn('bad', anything(first), localHosts().open);

  it('is planned and applied beside others, which are done', async () => {
    const { plan: all, directory } = cloud();
    const looked = audience();
    await plan({ ...common, plan: all, open: open(), emit: looked.emit });
    expect(looked.events.filter((event) => event.type === 'step-planned' && event.host === 'good')).toHaveLength(1);
    const [ran, runs] = [audience(), newDirectory()];
    const journal = openJournal(runs, 'r1');
    const summary = await apply({ ...common, plan: all, open: open(), emit: ran.emit, journal, confirm: () => Promise.resolve(true) });
    await journal.close();
    expect(readFileSync(join(directory, 'good', 'done'), 'utf8')).toBe('x\n');
    expect(ran.events).toContainEqual(expect.objectContaining({ type: 'health-ok', host: 'good' }));
    expect(summary.failed + summary.unreachable).toBeGreaterThan(0);
    for (const text of [looked.text(), ran.text(), jsonOf(runs)]) expectHarmless(text);
  });

  it('is verified beside others', async () => {
    const told = audience();
    await verify({ ...common, plan: cloud().plan, open: open(), emit: told.emit });
    expect(told.events.filter((event) => 'host' in event && event.host === 'good' && event.type !== 'host-up')).toHaveLength(1);
    expectHarmless(told.text());
  });
});

/** An upgrade of two compute hosts, the second of which is hostile. */
async function upgraded(
  open: Open,
  local: () => Output,
  gate = '',
): Promise<{ verdict: Verdict; told: string; kept: string; shown: string; directory: string }> {
  const directory = newDirectory();
  const at = `${directory}/{{host.name}}`;
  for (const host of ['good', 'bad']) mkdirSync(join(directory, host));
  const roles = rolesOf({
    agent: {
      on: ['compute'],
      steps: [{ file: `${at}/done`, content: 'x\n' }],
      health: [{ run: `test -e ${at}/done`, within: '1s' }],
      upgrade: {
        gate: [{ run: 'true', within: '1s' }],
        drain: [{ file: `${at}/drained`, content: 'x' }],
        restore: [{ file: `${at}/drained`, absent: true }],
      },
    },
  });
  const compute =
    '  ctl: {address: 10.77.0.11, kind: controller}\n  good: {address: 10.77.0.21, kind: compute}\n  bad: {address: 10.77.0.22, kind: compute}\n';
  const journey = journeyOf(inventoryOf(compute, gate), roles, secretsOf());
  const ledger = openLedger(join(directory, 'upgrade', 'upgrade.jsonl'));
  const told = audience();
  const options = { ...common, command: 'cellwise upgrade run', open, emit: told.emit, journal: nowhere };
  const looked = await preflight(journey, options);
  const verdict = await upgrade({
    ...options,
    ...{ journey, ledger, clock: wallClock, from: looked.from },
    ...{ accept: () => Promise.resolve(true), goOn: () => Promise.resolve(true), pauseAsked: () => false, heard: () => undefined },
    local: () => Promise.resolve(local()),
  });
  const shown = statusLines(stateOf(ledger.facts)!, ledger.facts, 1, Date.now()).join('\n');
  return { verdict, told: told.text() + textsIn(looked.reasons), kept: jsonOf(join(directory, 'upgrade')), shown, directory };
}

const nothing = Buffer.alloc(0);

describe('an upgrade', () => {
  const worst = said.filter((text) => text.includes(evil) || text.includes(value.slice(0, 12)));
  it.each(worst.map((text, i) => [i, i % 2, text] as const))(
    'of a host that says the worst (%i, exit code %i): the other is done',
    async (_, code, text) => {
      const ran = await upgraded(
        hostileOn('bad', () => [text, code], localHosts().open),
        () => ({ code: 0, out: nothing, err: nothing }),
      );
      expect(existsSync(join(ran.directory, 'good', 'done'))).toBe(true);
      expect(ran.verdict.kind).toBe('paused');
      for (const each of [ran.told, ran.kept, ran.shown, textsIn(ran.verdict)]) expectHarmless(each);
    },
  );

  it('with a hook that says what no terminal should hear', async () => {
    const out = Buffer.from(`no: ${value} ${evil}`);
    const gate = 'upgrade: {gates: [{run: "true", on: deployer}]}\n';
    const ran = await upgraded(localHosts().open, () => ({ code: 1, out, err: nothing }), gate);
    expect(ran.verdict).toMatchObject({ kind: 'paused', cause: 'gate' });
    expect(ran.kept).toContain('no: ‹secret seeded›');
    for (const each of [ran.told, ran.kept, ran.shown, textsIn(ran.verdict)]) expectHarmless(each);
  });
});

describe('who writes', () => {
  const event: Event = { type: 'note', text: `a ${value} ${evil}` };

  it('a journal or a ledger, keeps nothing as it was said', async () => {
    const directory = newDirectory();
    const journal = openJournal(directory, 'r1');
    journal.record(event);
    await journal.close();
    openLedger(join(directory, 'upgrade.jsonl')).write({ type: 'paused', cause: 'step', why: event.text });
    const kept = jsonOf(directory);
    expect(kept.split('a ‹secret seeded›')).toHaveLength(3);
    expectHarmless(kept);
  });

  it.each([{ json: true }, { json: false }])('to a terminal or a program, tells nothing as it was said (%j)', async ({ json }) => {
    const written: string[] = [];
    const streams = [process.stdout, process.stderr].map((stream) =>
      vi.spyOn(stream, 'write').mockImplementation((text) => written.push(String(text)) > 0),
    );
    try {
      const { emit, end } = openAudience({ inventory: 'x', json }, 'apply');
      emit(event);
      await end();
      say({ inventory: 'x', json }, event.text);
      void print(`${event.text}\n`);
    } finally {
      for (const stream of streams) stream.mockRestore();
    }
    expect(written.join('').split('a ‹secret seeded›')).toHaveLength(json ? 5 : 4);
    expectHarmless(written.map((line) => (line.startsWith('{') ? textsIn(JSON.parse(line)) : line)).join(''));
  });
});

describe('what nobody expected', () => {
  it('is told without secrets and escapes', () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    try {
      tell(new SyntaxError(`Unexpected ${evil} ${value}`), false);
      tell(Object.assign(new Error(`ENOENT ${evil}`), { syscall: 'open', path: evil }), false);
      const text = write.mock.calls.map(([each]) => String(each)).join('');
      expect(text).toContain('Unexpected');
      expectHarmless(text);
    } finally {
      write.mockRestore();
    }
  });
});
