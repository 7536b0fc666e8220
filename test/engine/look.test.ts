import { describe, expect, it, vi } from 'vitest';
import type { Output } from '../../src/base/command.ts';
import { openApis } from '../../src/engine/api.ts';
import { examine, gather, isShellStep, look, survey } from '../../src/engine/look.ts';
import type { Health, Plan, Step } from '../../src/plan/plan.ts';
import { planned } from '../plan/clouds.ts';
import { LocalShell } from './local-shell.ts';

// Real processes on two cores that others work on too.
vi.setConfig({ testTimeout: 30_000 });

const hosts = '  ctl1: {address: 127.0.0.1, kind: controller}\n'.replace('127.0.0.1', '10.77.0.11');
const plan = planned(
  {
    one: {
      steps: [
        { directory: '/usr' },
        { file: '/usr/nosuch-file', content: 'a' },
        { directory: '/nosuch-directory' },
        { command: 'x', creates: '/usr' },
        { command: 'y', creates: '/nosuch' },
        { command: 'z', unless: 'exit 3' },
        { file: '/etc/passwd', content: 'b' },
      ],
      health: [{ run: 'true' }, { run: 'echo first; echo last words >&2; exit 4' }, { run: 'exit 5' }],
    },
    two: { health: [{ run: 'true' }] },
    three: {},
  },
  hosts,
);
const steps = (from: Plan): (Step & { resource: { via: 'shell' } })[] =>
  [...from.nodes.values()].filter((node): node is Step => node.kind === 'step').filter(isShellStep);
const healths = (from: Plan): Health[] => [...from.nodes.values()].filter((node) => node.kind === 'health');
const noApis = openApis(new Map(), { dial: () => Promise.reject(new Error('no')), mend: () => Promise.reject(new Error('no')) });

describe('gather', () => {
  it('makes one question of all that can be asked together, and gives each its own answer', () => {
    const probes = gather(steps(plan));
    expect(probes.map((probe) => probe.steps.map((each) => `${each.stepType} ${each.name}`))).toEqual([
      ['directory /usr', 'directory /nosuch-directory', 'directory /three', 'directory /two'],
      ['file /usr/nosuch-file', 'file /etc/passwd'],
      ['command x'],
      ['command y'],
      ['command z'],
    ]);
  });

  it('time that is up makes every one of them unknown', () => {
    const output: Output = { code: 124, out: Buffer.alloc(0), err: Buffer.alloc(0), timedOut: true };
    for (const probe of gather(steps(plan))) {
      expect(probe.read(output)).toEqual(probe.steps.map(() => ({ unknown: 'looking took too long' })));
    }
  });

  it('asks nothing about nothing', () => {
    expect(gather([])).toEqual([]);
  });
});

describe('survey', () => {
  it('sees steps and health of a host at once: one batch, and what is slow beside it, four at a time', async () => {
    const shell = new LocalShell('ctl1');
    const seen = survey(shell, steps(plan), healths(plan));
    // On its way before the first answer: a command that asks a program, three of four checks of type run, and the batch.
    expect(shell.sent.map(({ what }) => what)).toEqual(['run', 'run', 'run', 'run', 'run']);
    const { found, ill } = await seen;
    expect(shell.sent).toHaveLength(6);
    expect(found.get('ctl1/one/directory /usr')).toEqual({ kind: 'directory', owner: 'root:root', mode: '755' });
    expect(found.get('ctl1/one/file /usr/nosuch-file')).toBeNull();
    expect(found.get('ctl1/one/directory /nosuch-directory')).toBeNull();
    expect(found.get('ctl1/one/command x')).toEqual({ done: true });
    expect(found.get('ctl1/one/command y')).toBeNull();
    expect(found.get('ctl1/one/command z')).toBeNull();
    expect(found.get('ctl1/one/file /etc/passwd')).toMatchObject({ kind: 'regular file', mode: '644' });
    expect(found.size).toBe(steps(plan).length);
    expect(Object.fromEntries(ill)).toEqual({
      'ctl1/one/health': 'run echo first; echo last words >&2; exit 4: last words',
      'ctl1/two/health': undefined,
      'ctl1/three/health': undefined,
    });
  });

  it('asks nothing where there is nothing to ask', async () => {
    const shell = new LocalShell('ctl1');
    expect(await survey(shell, [], [])).toEqual({ found: new Map(), ill: new Map() });
    expect(shell.sent).toEqual([]);
  });
});

describe('one more look', () => {
  it('at a step', async () => {
    const shell = new LocalShell('ctl1');
    for (const step of steps(plan)) expect(await look(shell, step, noApis)).toEqual((await survey(shell, [step], [])).found.get(step.step));
  });

  it('at a health: the first reason, or none', async () => {
    const shell = new LocalShell('ctl1');
    const byRole = (role: string): Health => healths(plan).find((health) => health.role === role)!;
    expect(await examine(shell, byRole('one'), noApis)).toContain('last words');
    expect(shell.sent).toHaveLength(3);
    expect(await examine(shell, byRole('two'), noApis)).toBeUndefined();
    expect(await examine(shell, byRole('three'), noApis)).toBeUndefined();
    expect(shell.sent).toHaveLength(4);
  });
});
