import { describe, expect, it, vi } from 'vitest';
import type { Names, UpgradeOptions } from '../../src/engine/upgrade.ts';
import { worksOf } from '../../src/plan/journey.ts';
import { Deployer, fleetOf } from './clouds.ts';
import { arrived, isFree, lawful, leasesOf } from './laws.ts';

vi.setConfig({ testTimeout: 60_000 });

const finished = { kind: 'finished' };

describe('an upgrade', () => {
  it('ends with all of the cloud on the new release; a second one finds nothing to do', async () => {
    const deployer = new Deployer(fleetOf({ computes: 6 }));
    expect(await deployer.run()).toEqual(finished);
    arrived(deployer);
    const { length } = deployer.fleet.deeds;
    expect(await deployer.run()).toEqual(finished);
    expect(deployer.fleet.deeds.length).toBe(length);
  });

  it('brings 1,000 compute hosts in 20 cells there', async () => {
    const deployer = new Deployer(fleetOf({ computes: 1000, cells: 20 }));
    expect(await deployer.run()).toEqual(finished);
    expect(deployer.state.status).toBe('finished');
    expect(deployer.state.done.size).toBe(1000 + 3 * 5 + 3 * 2 + 3);
    expect(leasesOf(deployer.fleet).every((lease) => isFree(deployer.fleet, lease))).toBe(true);
  });

  it('goes by the order that the inventory gives its cells, the canary first', async () => {
    const sections = 'upgrade: {cells: [cell2], wave: 50%, max_unavailable: 50%, canary: [cell2-cmp3, cell1-cmp2]}\n';
    const deployer = new Deployer(fleetOf({ computes: 8, sections }));
    expect(await deployer.run()).toEqual(finished);
    arrived(deployer);
    const waves = deployer.facts.flatMap((fact) =>
      fact.type === 'wave-begun' && fact.stage.startsWith('cells/') ? [fact.hosts.join(' ')] : [],
    );
    expect(waves).toEqual(['cell2-cmp3', 'cell2-cmp1 cell2-cmp4', 'cell2-cmp2', 'cell1-cmp2', 'cell1-cmp3 cell1-cmp1', 'cell1-cmp4']);
  });

  it('asks before each thing that cannot be taken back, at its time, and once', async () => {
    const deployer = new Deployer(fleetOf({ computes: 2 }));
    const asked: string[] = [];
    const answers = [false, true, true];
    const accept = (step: { step: string }): Promise<boolean> => {
      asked.push(step.step);
      return Promise.resolve(answers.shift()!);
    };
    expect(await deployer.run({ accept })).toMatchObject({ kind: 'paused', cause: 'declined' });
    expect(deployer.fleet.deeds.some(({ step }) => step.includes('contract'))).toBe(false);
    lawful(deployer);
    expect(await deployer.run({ accept })).toEqual(finished);
    expect(asked).toEqual([
      'ctl1/keystone/contract: command contract',
      'ctl1/keystone/contract: command contract',
      'cell1-cmp1/nova-compute/contract: command online migrations',
    ]);
    arrived(deployer);
  });

  it('tries a canary when it is restored, until it is found good, before others have their turn', async () => {
    const deployer = new Deployer(fleetOf({ computes: 6 }));
    const tried: string[] = [];
    const answers = ['failed', 'failed', 'done', 'done'] as const;
    const tryOut: UpgradeOptions['tryOut'] = (host) => {
      expect(leasesOf(deployer.fleet).every((lease) => isFree(deployer.fleet, lease))).toBe(true);
      const kind = answers[tried.push(host) - 1]!;
      return Promise.resolve(kind === 'done' ? { kind } : { kind, why: 'no machine starts' });
    };
    for (const again of [false, true]) {
      expect(await deployer.run({ tryOut })).toMatchObject({ kind: 'paused', why: expect.stringContaining('no machine starts') as string });
      expect([...deployer.state.done].filter((turn) => turn.startsWith('cells/'))).toEqual([]);
      // Whoever is tried again has nothing else to do.
      if (again) expect(deployer.facts.filter(({ type }) => type === 'host-trying')).toHaveLength(1);
    }
    expect(await deployer.run({ tryOut })).toEqual(finished);
    expect(tried).toEqual(['cell1-cmp1', 'cell1-cmp1', 'cell1-cmp1', 'cell2-cmp1']);
    arrived(deployer);
    expect(await deployer.run({ tryOut })).toEqual(finished);
    expect(tried).toHaveLength(4);
  });

  it('waits where the inventory says so', async () => {
    const sections = 'upgrade: {pause: {canary: ask, wave: 10m, cell: 1h}, wave: 1, max_unavailable: 1}\n';
    const [plain, slow] = [new Deployer(fleetOf({ computes: 6 })), new Deployer(fleetOf({ computes: 6, sections }))];
    await plain.run();
    const questions: string[] = [];
    const goOn = (question: string): Promise<boolean> => {
      questions.push(question);
      return Promise.resolve(questions.length !== 1);
    };
    expect(await slow.run({ goOn })).toEqual({ kind: 'paused', cause: 'ask', why: 'cells/cell1: the canary is done, and was looked at' });
    lawful(slow);
    expect(await slow.run({ goOn })).toEqual(finished);
    expect(questions).toEqual(['cells/cell1: the canary is done. Go on?', 'cells/cell2: the canary is done. Go on?']);
    // Behind one wave of each cell, and behind each cell.
    expect(Math.round((slow.fleet.clock.now() - plain.fleet.clock.now()) / 60_000)).toBe(2 * 10 + 2 * 60);
    arrived(slow);
  });

  it('asks gates and runs hooks around every wave, and stops at a no', async () => {
    const sections = 'upgrade: {gates: [{run: probe}], hooks: {before_wave: [{run: silence}], after_wave: [{run: tell, on: ctl1}]}}\n';
    const deployer = new Deployer(fleetOf({ computes: 2, sections }));
    const ran: string[] = [];
    const local = (no: number) => (hook: { run: string }, names: Names) => {
      ran.push(`${names.CELLWISE_STAGE}, ${names.CELLWISE_HOSTS}: ${hook.run}`);
      return Promise.resolve({ code: ran.length === no ? 1 : 0, out: Buffer.from('an alarm\n'), err: Buffer.alloc(0) });
    };
    expect(await deployer.run({ local: local(6) })).toEqual({
      kind: 'paused',
      cause: 'gate',
      why: 'The gate "probe" on deployer says no: an alarm',
    });
    expect(ran).toEqual(
      ['backup/keystone', 'control/base'].flatMap((stage) => ['probe', 'silence', 'probe'].map((hook) => `${stage}, ctl1: ${hook}`)),
    );
    lawful(deployer);
    expect(await deployer.run({ local: local(0) })).toEqual(finished);
    arrived(deployer);
  });

  it('a second operator is refused', async () => {
    const deployer = new Deployer(fleetOf({ computes: 2 }));
    const other = { run: 'r0', who: 'you@there', what: 'cellwise upgrade run', since: '2026-01-01T00:00:00Z' };
    const open: typeof deployer.fleet.open = async (host, early) => ({
      ...(await deployer.fleet.open(host, early)),
      lock: () => Promise.resolve(other),
    });
    await expect(deployer.run({ open })).rejects.toThrow('ctl1 is locked by you@there');
    expect(deployer.fleet.deeds).toEqual([]);
  });
});

describe('what goes wrong', () => {
  it('a host that fails pauses the upgrade, is given back, and is tried again', async () => {
    const deployer = new Deployer(fleetOf({ computes: 8 }, { host: 'cell1-cmp2', step: 'packages', kind: 'fail' }));
    const verdict = await deployer.run();
    expect(verdict).toMatchObject({ kind: 'paused', cause: 'failures' });
    expect((verdict as { why: string }).why).toContain('cell1-cmp2 (host: package packages: exit code 1');
    expect([...deployer.state.failed.keys()]).toEqual(['cells/cell1 cell1-cmp2']);
    expect(deployer.fleet.deeds.some(({ host }) => host.startsWith('cell2'))).toBe(false);
    lawful(deployer);
    deployer.fleet.heal();
    expect(await deployer.run()).toEqual(finished);
    arrived(deployer);
  });

  it('failed and unreachable hosts are put up with as far as the budget goes', async () => {
    const sections = 'upgrade: {wave: 50%, max_unavailable: 100%, failures: 2, all_failures: 2}\n';
    const faults = [
      { host: 'cell1-cmp2', step: 'packages', kind: 'fail' },
      { host: 'cell1-cmp3', step: 'service', kind: 'dead' },
    ] as const;
    const deployer = new Deployer(fleetOf({ computes: 12, sections }, ...faults));
    expect(await deployer.run()).toMatchObject({ kind: 'paused', cause: 'incomplete' });
    // All others are there, the cloud is not ended, and what the dead host has is owed.
    expect(deployer.state.done.size).toBe(1 + 3 * 5 + 3 * 2 + 12 - 2);
    expect([...deployer.state.leases.values()].map(({ host }) => host)).toEqual(['cell1-cmp3']);
    expect([...deployer.state.failed.values()].map(({ host, unreachable }) => [host, unreachable]).toSorted()).toEqual([
      ['cell1-cmp2', false],
      ['cell1-cmp3', true],
    ]);
    lawful(deployer);
    deployer.fleet.heal();
    expect(await deployer.run()).toEqual(finished);
    arrived(deployer);
  });

  it('hosts that have failed count among those that may be out of service', async () => {
    const sections = 'upgrade: {wave: 3, max_unavailable: 3, failures: 1, all_failures: 9, canary: 0}\n';
    const deployer = new Deployer(fleetOf({ computes: 9, cells: 1, sections }, { host: 'cell1-cmp1', step: 'packages', kind: 'fail' }));
    expect(await deployer.run()).toMatchObject({ kind: 'paused', cause: 'incomplete' });
    let [busy, most, failed] = [0, 0, false];
    for (const fact of deployer.facts) {
      if (!('stage' in fact) || fact.stage !== 'cells/cell1') continue;
      if (fact.type === 'host-begun') busy += 1;
      if (fact.type === 'host-done' || fact.type === 'host-failed') busy -= 1;
      failed ||= fact.type === 'host-failed';
      if (failed && fact.type === 'host-begun') most = Math.max(most, busy);
    }
    expect(most).toBe(2);
    lawful(deployer);
  });

  it('one more than the budget stops it', async () => {
    const sections = 'upgrade: {wave: 50%, max_unavailable: 100%, failures: 1, all_failures: 9}\n';
    const faults = ['cell1-cmp2', 'cell1-cmp4'].map((host) => ({ host, step: 'packages', kind: 'fail' as const }));
    const deployer = new Deployer(fleetOf({ computes: 12, sections }, ...faults));
    expect(await deployer.run()).toMatchObject({ kind: 'paused', cause: 'failures' });
    expect(deployer.state.stage).toBe('cells/cell1');
    lawful(deployer);
  });

  it('a cell that fails gets no new machines; the others are gone on with if the operator said so', async () => {
    const fault = { host: 'cell1-cmp2', step: 'nova-compute/service', kind: 'fail' } as const;
    const sections = 'upgrade: {other_cells: go-on}\n';
    const [waiting, going] = [new Deployer(fleetOf({ computes: 8 }, fault)), new Deployer(fleetOf({ computes: 8, sections }, fault))];
    for (const deployer of [waiting, going]) {
      expect(await deployer.run()).toMatchObject({ kind: 'paused' });
      const taken = leasesOf(deployer.fleet).filter((lease) => !isFree(deployer.fleet, lease));
      expect(taken.map(({ host }) => host).toSorted()).toEqual(['cell1-cmp1', 'cell1-cmp2', 'cell1-cmp3', 'cell1-cmp4']);
      lawful(deployer);
    }
    expect(waiting.state.stagesDone.has('cells/cell2')).toBe(false);
    expect(going.state.stagesDone.has('cells/cell2')).toBe(true);
    for (const deployer of [waiting, going]) {
      deployer.fleet.heal();
      expect(await deployer.run()).toEqual(finished);
      arrived(deployer);
    }
  });

  it('a lease of somebody else is left alone', async () => {
    const fleet = fleetOf({ computes: 4 });
    const [lease] = leasesOf(fleet).filter(({ host }) => host === 'cell1-cmp2');
    const theirs = { kind: 'regular file', sha256: 'the disk is being changed' };
    fleet.set(lease!.take, theirs);
    const deployer = new Deployer(fleet);
    expect(await deployer.run()).toEqual(finished);
    expect(fleet.stateOf(lease!.take)).toEqual(theirs);
    expect(deployer.events).toContainEqual(expect.objectContaining({ type: 'note', host: 'cell1-cmp2' }));
    expect(deployer.facts.some((fact) => fact.type === 'lease-taking' && fact.take === lease!.take)).toBe(false);
    expect(worksOf(fleet.journey.stages.find(({ id }) => id === 'cells/cell1')!).every(({ steps }) => steps.length > 0)).toBe(true);
  });

  it('a lease that somebody has changed since is theirs', async () => {
    const fleet = fleetOf({ computes: 4 });
    const [lease] = leasesOf(fleet).filter(({ host }) => host === 'cell1-cmp2');
    const deployer = new Deployer(fleet);
    const heard = (fact: { type: string; host?: string; take?: string }): void => {
      if (fact.type === 'lease-taken' && fact.take === lease!.take) fleet.set(lease!.take, { kind: 'regular file', sha256: 'theirs' });
    };
    // Its own restore would give it back: a host that fails does not come so far.
    const failing = fleetOf({ computes: 4 }, { host: 'cell1-cmp2', step: 'packages', kind: 'fail' });
    const other = new Deployer(failing);
    const heardThere = (fact: { type: string; take?: string }): void => {
      if (fact.type === 'lease-taken' && fact.take === lease!.take) failing.set(lease!.take, { kind: 'regular file', sha256: 'theirs' });
    };
    await other.run({ heard: heardThere });
    expect(other.facts.some((fact) => fact.type === 'lease-left' && fact.take === lease!.take)).toBe(true);
    expect(failing.stateOf(lease!.take)).toMatchObject({ sha256: 'theirs' });
    expect(await deployer.run({ heard })).toEqual(finished);
  });

  it('abort gives back what is taken, and says where it was left', async () => {
    const deployer = new Deployer(fleetOf({ computes: 4 }, { host: 'cell1-cmp2', step: 'service', kind: 'dead' }));
    await deployer.run();
    expect(deployer.state.leases.size).toBeGreaterThan(0);
    deployer.fleet.heal();
    await deployer.abort();
    expect(deployer.state).toMatchObject({ status: 'aborted', to: '2026.1' });
    expect(deployer.state.leases.size).toBe(0);
    expect(leasesOf(deployer.fleet).every((lease) => isFree(deployer.fleet, lease))).toBe(true);
  });

  it('an interrupt and a pause end between hosts, with nothing taken', async () => {
    for (const how of ['interrupted', 'operator'] as const) {
      const deployer = new Deployer(fleetOf({ computes: 8 }));
      let asked = false;
      const heard = (fact: { type: string; host?: string }): void => {
        if (fact.type !== 'host-begun' || fact.host !== 'cell1-cmp2') return;
        if (how === 'operator') asked = true;
        else deployer.drain.abort();
      };
      expect(await deployer.run({ heard, pauseAsked: () => asked })).toMatchObject({ kind: 'paused', cause: how });
      expect([deployer.state.leases.size, deployer.state.failed.size]).toEqual([0, 0]);
      lawful(deployer);
      expect(await deployer.run({ drain: new AbortController().signal })).toEqual(finished);
      arrived(deployer);
    }
  });
});
