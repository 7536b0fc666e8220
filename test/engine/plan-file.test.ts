import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { Invalid, type Problem } from '../../src/base/problem.ts';
import { readPlan, refuseStale, savePlan } from '../../src/engine/plan-file.ts';
import { plan as look } from '../../src/engine/run.ts';
import type { Told } from '../../src/engine/tell.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { select } from '../../src/plan/select.ts';
import { inventoryOf, planOf, rolesOf, secretsOf } from '../plan/clouds.ts';
import { newDirectory } from '../roles/directories.ts';
import { localHosts } from './local-shell.ts';

// Real processes on two cores that others work on too.
vi.setConfig({ testTimeout: 30_000 });

const canary = 'cAnArY';
const hosts = '  ctl1: {address: 10.77.0.11, kind: controller}\n  cmp1: {address: 10.77.0.21, kind: compute}\n';

function cloud(directory: string, { content = 'a', name = 'lab', key = 'key' } = {}): Plan {
  const roles = rolesOf({
    one: {
      on: ['controller', 'compute'],
      params: { pw: { type: 'string', format: 'secret' } },
      steps: [{ file: `${directory}/{{host.name}}`, content: `${content} {{pw}}` }],
    },
  });
  const inventory = inventoryOf(hosts, '', '');
  const named = name === 'lab' ? inventory : { ...inventory, cloud: { ...inventory.cloud, name }, document: inventory.document };
  return planOf(named, roles, secretsOf({ 'one.pw': canary, 'cloud.fingerprint_key': key }));
}

async function tell(plan: Plan, only?: ReadonlySet<string>): Promise<Told> {
  const { told } = await look({
    plan,
    open: localHosts().open,
    emit: () => undefined,
    command: 'plan',
    run: 'r',
    drain: new AbortController().signal,
    ...(only ? { only } : {}),
  });
  return told;
}

function refusal(work: () => unknown): Problem {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(Invalid);
    expect((error as Invalid).problems).toHaveLength(1);
    return (error as Invalid).problems[0]!;
  }
  throw new Error('nothing was refused');
}

async function saved(): Promise<{ directory: string; plan: Plan; told: Told; file: string }> {
  const directory = newDirectory();
  mkdirSync(join(directory, 'hosts'));
  const plan = cloud(join(directory, 'hosts'));
  const told = await tell(plan);
  const file = join(directory, 'tonight.plan');
  savePlan(file, plan, told, undefined);
  return { directory: join(directory, 'hosts'), plan, told, file };
}

describe('a saved plan', () => {
  it('is accepted as long as nothing has changed, and holds no secret', async () => {
    const { directory, plan, told, file } = await saved();
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    const text = readFileSync(file, 'utf8');
    expect(text).not.toContain(canary);
    expect(text).not.toContain('"key"');
    expect(JSON.parse(text)).toMatchObject({
      format: 1,
      cloud: 'lab',
      only: null,
      changes: [
        { step: `ctl1/one/file ${directory}/ctl1`, differences: ['kind', 'sha256', 'owner', 'mode'] },
        { step: `cmp1/one/file ${directory}/cmp1`, differences: ['kind', 'sha256', 'owner', 'mode'] },
      ],
    });
    const read = readPlan(file, plan);
    refuseStale(file, read, plan, told);
    // The same, read anew by another process.
    const again = cloud(directory);
    refuseStale(file, readPlan(file, again), again, await tell(again));
  });

  it('is refused when a host is no longer as it was, by name', async () => {
    const { directory, plan, file } = await saved();
    writeFileSync(join(directory, 'cmp1'), 'by hand');
    const told = await tell(plan);
    const problem = refusal(() => {
      refuseStale(file, readPlan(file, plan), plan, told);
    });
    expect(problem).toMatchObject({ code: 'plan-stale', message: expect.stringMatching(/^cmp1: changed since /) as string });
  });

  it.each<[string, (directory: string) => Plan]>([
    ['a role', (directory) => cloud(directory, { content: 'b' })],
    [
      'the inventory',
      (directory) =>
        planOf(
          inventoryOf(`${hosts}  cmp2: {address: 10.77.0.22, kind: compute}\n`),
          rolesOf({ one: { steps: [{ file: `${directory}/ctl1` }] } }),
          secretsOf({ 'one.pw': canary, 'cloud.fingerprint_key': 'key' }),
        ),
    ],
  ])('is refused when %s was changed', async (_, changed) => {
    const { directory, file } = await saved();
    const plan = changed(directory);
    const told = await tell(plan);
    expect(
      refusal(() => {
        refuseStale(file, readPlan(file, plan), plan, told);
      }),
    ).toMatchObject({ code: 'plan-stale', message: expect.stringContaining('inventory or a role was changed') as string });
  });

  it('of a part is accepted for that part', async () => {
    const { directory, plan } = await saved();
    const only = select(plan, 'host:cmp1');
    const told = await tell(plan, only);
    const file = join(directory, '..', 'part.plan');
    savePlan(file, plan, told, 'host:cmp1');
    const read = readPlan(file, plan);
    expect(read.only).toBe('host:cmp1');
    refuseStale(file, read, plan, await tell(plan, select(plan, read.only!)));
  });
});

describe('a file that is no saved plan of this cloud', () => {
  it.each<[string, (text: string) => string, string, RegExp]>([
    ['was changed', (text) => text.replace('"mode"', '"owner2"'), 'plan-file', /was changed after it was saved/],
    ['has another time', (text) => text.replace(/"made": ".*"/, '"made": "2020-01-01T00:00:00.000Z"'), 'plan-file', /was changed/],
    ['names more hosts', (text) => text.replace('"found": {', '"found": { "cmp9": "0",'), 'plan-file', /was changed/],
    ['has no signature', (text) => text.replace(/,\s*"signature": ".*"/, ''), 'plan-file', /was changed/],
    ['has a signature that is none', (text) => text.replace(/"signature": ".*"/, '"signature": 5'), 'plan-file', /was changed/],
    ['has a short signature', (text) => text.replace(/"signature": "(.{5}).*"/, '"signature": "$1"'), 'plan-file', /was changed/],
    ['is empty', () => '', 'plan-file', /is no saved plan/],
    ['is no JSON', () => 'cloud: lab', 'plan-file', /is no saved plan/],
    ['is null', () => 'null', 'plan-file', /is no saved plan/],
    ['is a text', () => '"lab"', 'plan-file', /is no saved plan/],
    ['is a list', () => '[]', 'plan-file', /is no saved plan/],
    ['is something else', () => '{"name": "cellwise"}', 'plan-file', /is no saved plan/],
    ['is cut off', (text) => text.slice(0, -20), 'plan-file', /is no saved plan/],
  ])('%s', async (_, change, code, message) => {
    const { plan, file } = await saved();
    writeFileSync(file, change(readFileSync(file, 'utf8')));
    const problem = refusal(() => readPlan(file, plan));
    expect(problem).toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(problem.message).not.toContain('\n');
    expect(problem.hint).toBeDefined();
  });

  it('is not there', async () => {
    const { plan } = await saved();
    expect(refusal(() => readPlan('/nonexistent/plan', plan))).toMatchObject({ code: 'plan-file' });
  });

  it('belongs to another cloud, or to one with other secrets', async () => {
    const { directory, file } = await saved();
    expect(refusal(() => readPlan(file, cloud(directory, { name: 'prod' })))).toMatchObject({
      code: 'plan-file',
      message: `${file} is a plan for the cloud lab, and this is prod`,
    });
    expect(refusal(() => readPlan(file, cloud(directory, { key: 'Kx7vQ2' })))).toMatchObject({
      code: 'plan-file',
      message: expect.stringContaining('made with other secrets') as string,
    });
  });
});
