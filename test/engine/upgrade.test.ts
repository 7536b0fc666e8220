// An upgrade over real shells: processes of this machine stand for hosts, files for what is on them.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { Event } from '../../src/base/event.ts';
import { nowhere } from '../../src/engine/journal.ts';
import { openLedger, stateOf } from '../../src/engine/ledger.ts';
import { preflight } from '../../src/engine/preflight.ts';
import { durations, preview } from '../../src/engine/preview.ts';
import { upgrade, type Verdict } from '../../src/engine/upgrade.ts';
import { wallClock } from '../../src/engine/work.ts';
import { journeyOf, type Journey } from '../../src/plan/journey.ts';
import { inventoryOf, rolesOf, secretsOf } from '../plan/clouds.ts';
import { newDirectory } from '../roles/directories.ts';
import { localHosts } from './local-shell.ts';

vi.setConfig({ testTimeout: 60_000 });

const hosts = '  ctl1: {address: 10.77.0.11, kind: controller}\n  cmp[1-3]: {address: 10.77.0.21, kind: compute}\n';

/** Compute hosts that keep a file, behind a lease; `breaks`: a path that makes a host fail while it is there. */
function cloud() {
  const directory = newDirectory();
  const dir = `${directory}/{{host.name}}`;
  const roles = rolesOf({
    agent: {
      on: ['compute'],
      steps: [
        { file: `${dir}/conf`, content: 'new\n' },
        { command: `test ! -e ${dir}/broken && touch ${dir}/done`, creates: `${dir}/done` },
      ],
      health: [{ run: `test -e ${dir}/done`, within: '1s' }],
      upgrade: {
        preflight: [{ run: `test ! -e ${directory}/alarm` }],
        gate: [{ run: `test ! -e ${dir}/busy`, within: '1s' }],
        drain: [{ file: `${dir}/drained`, content: 'for an upgrade\n' }],
        restore: [{ file: `${dir}/drained`, absent: true }],
        contract: [{ command: `touch ${directory}/contracted`, creates: `${directory}/contracted`, irreversible: true }],
      },
    },
  });
  for (const name of ['ctl1', 'cmp1', 'cmp2', 'cmp3']) mkdirSync(join(directory, name));
  const journey = journeyOf(inventoryOf(hosts), roles, secretsOf());
  return { directory, journey, on: (host: string, path: string) => join(directory, host, path) };
}

async function run(journey: Journey, file: string, local = localHosts()): Promise<{ verdict: Verdict; events: Event[]; sent: string[] }> {
  const events: Event[] = [];
  const verdict = await upgrade({
    journey,
    ledger: openLedger(file),
    clock: wallClock,
    from: [],
    open: local.open,
    emit: (event) => events.push(event),
    command: 'cellwise upgrade run',
    run: 'r1',
    holder: { run: 'r1', who: 'me@here', what: 'cellwise upgrade run', since: '2026-01-01T00:00:00Z' },
    journal: nowhere,
    drain: new AbortController().signal,
    accept: () => Promise.resolve(true),
    goOn: () => Promise.resolve(true),
    pauseAsked: () => false,
    local: () => Promise.resolve({ code: 0, out: Buffer.alloc(0), err: Buffer.alloc(0) }),
    heard: () => undefined,
  });
  return { verdict, events, sent: [...local.shells.values()].flatMap((shell) => shell.sent.map(({ script }) => script)) };
}

describe('an upgrade over shells', () => {
  it('drains, changes and gives back each host; what it wrote down is enough to go on with', async () => {
    const { directory, journey, on } = cloud();
    const file = join(directory, 'upgrade.jsonl');
    writeFileSync(on('cmp2', 'broken'), '');
    const first = await run(journey, file);
    expect(first.verdict).toMatchObject({ kind: 'paused', cause: 'failures' });
    expect(readFileSync(on('cmp1', 'conf'), 'utf8')).toBe('new\n');
    expect([existsSync(on('cmp1', 'drained')), existsSync(on('cmp2', 'drained')), existsSync(on('cmp3', 'conf'))]).toEqual([
      false,
      false,
      false,
    ]);
    expect(existsSync(join(directory, 'contracted'))).toBe(false);
    const state = stateOf(openLedger(file).facts)!;
    expect([state.status, [...state.failed.keys()], state.leases.size]).toEqual(['paused', ['cells/cell1 cmp2'], 0]);

    rmSync(on('cmp2', 'broken'));
    const second = await run(journey, file);
    expect(second.verdict).toEqual({ kind: 'finished' });
    for (const host of ['cmp1', 'cmp2', 'cmp3']) {
      expect([existsSync(on(host, 'done')), existsSync(on(host, 'drained'))], host).toEqual([true, false]);
    }
    expect(existsSync(join(directory, 'contracted'))).toBe(true);
    // What was done was not gone to again.
    expect(second.events.some((event) => event.type === 'step-changed' && event.host === 'cmp1' && !event.step.includes('contract'))).toBe(
      false,
    );
  });

  it('a torn last line of the ledger is no fact, and does not swallow the next one', async () => {
    const { directory, journey } = cloud();
    const file = join(directory, 'upgrade.jsonl');
    expect((await run(journey, file)).verdict).toEqual({ kind: 'finished' });
    const whole = openLedger(file).facts.length;
    writeFileSync(file, '{"at":"2026', { flag: 'a' });
    const ledger = openLedger(file);
    expect(ledger.facts).toHaveLength(whole);
    ledger.write({ type: 'resumed', by: 'me' });
    expect(
      openLedger(file)
        .facts.map(({ type }) => type)
        .at(-1),
    ).toBe('resumed');
    expect(openLedger(file).facts).toHaveLength(whole + 1);
  });

  it('is shown before it is begun, with every reason why it may not', async () => {
    const { directory, journey } = cloud();
    const options = {
      open: localHosts().open,
      emit: () => undefined,
      command: 'upgrade',
      run: 'r1',
      holder: { run: 'r1', who: 'me', what: 'x', since: '' },
      journal: nowhere,
      drain: new AbortController().signal,
    };
    writeFileSync(join(directory, 'alarm'), '');
    const looked = await preflight(journey, options);
    expect(looked.reasons).toEqual([{ message: expect.stringMatching(/^cmp1\/agent says no: run test ! -e/) as string }]);
    const seconds = durations([
      {
        type: 'step-changed',
        step: '',
        host: 'cmp9',
        role: 'agent',
        stepType: 'file',
        name: `${directory}/cmp9/conf`,
        change: { action: 'update', differences: [] },
        seconds: 4,
        at: '',
      },
    ]);
    const [cell, finish] = preview(journey, looked.told, seconds);
    expect(cell).toMatchObject({
      id: 'cells/cell1',
      waves: [
        { canary: true, hosts: ['cmp1'] },
        { canary: false, hosts: ['cmp2'] },
        { canary: false, hosts: ['cmp3'] },
      ],
      seconds: 12,
      untold: 6,
    });
    expect(cell!.changes.find(({ stepType }) => stepType === 'file')!.hosts).toHaveLength(3);
    expect(finish!.changes.map(({ change }) => change.irreversible)).toEqual([true]);
    expect(existsSync(join(directory, 'contracted'))).toBe(false);
  });
});
