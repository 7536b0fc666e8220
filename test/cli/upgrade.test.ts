// The commands of an upgrade, as processes. None of them reaches a host here.
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { newDirectory, writeRoles } from '../roles/directories.ts';

vi.setConfig({ testTimeout: 60_000 });

const role = {
  on: ['compute'],
  os: { debian: { versions: { '2025.1': '2:31.0*', '2026.1': '2:33.0*' } } },
  steps: [
    { package: 'python3-agent', version: '{{lookup os.versions cloud.release}}' },
    { service: 'agent', watches: ['python3-agent'] },
  ],
  upgrade: {
    drain: [{ file: '/run/disabled', content: 'x' }],
    restore: [{ file: '/run/disabled', absent: true }],
    contract: [{ command: 'contract', creates: '/contracted-{{cloud.release}}', irreversible: true }],
  },
};

function cloud(more = ''): string {
  const directory = newDirectory();
  const file = join(directory, 'cloud.yaml');
  writeFileSync(
    file,
    `cloud: { name: lab, release: "2026.1", services: [base, compute] }
networks: { management: { cidr: 10.0.0.0/8 } }
roles: [${writeRoles({ compute: role })}]
${more}hosts:
  ctl1: { address: 10.0.0.11, kind: controller }
  cmp[1-4]: { address: 10.0.1.1, kind: compute }
`,
  );
  return file;
}

function cellwise(file: string, ...words: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['src/cli/main.ts', 'upgrade', ...words, '-i', file], (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out, err });
    });
  });
}

describe('rehearse', () => {
  it('tells how it would go, in how much time', async () => {
    const { code, out } = await cellwise(cloud(), 'rehearse');
    expect(code).toBe(0);
    for (const text of [
      'cells/cell1, the canary: cmp1',
      'wave 4 of 4: cmp4',
      'would ask: cmp1/compute/contract: command contract cannot be taken back',
    ]) {
      expect(out).toContain(text);
    }
    expect(out).toMatch(/It would end well: \d+ changes on 5 hosts in \d min \d+ s/);
  });

  it('tells where it would stop when something fails, as events too', async () => {
    const { code, out, err } = await cellwise(cloud(), 'rehearse', '--fail', 'cmp2:service', '--fail', 'cmp3:packages:dead', '--json');
    expect(code).toBe(1);
    const events = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; text?: string });
    expect(events.some(({ type, text }) => type === 'progress' && text?.startsWith('cmp2 has failed (cells/cell1)'))).toBe(true);
    expect(err).toContain('It would pause: cells/cell1: cmp2 (compute: service agent: exit code 1');
  });

  it.each([
    ['cmp9:service', 'Did you mean "cmp1"?'],
    ['cmp1:srvice', 'cmp1 has no step "srvice"'],
  ])('refuses a fault at %s', async (fault, text) => {
    const { code, err } = await cellwise(cloud(), 'rehearse', '--fail', fault);
    expect([code, err]).toEqual([3, expect.stringContaining(text)]);
  });

  it('refuses a release that it does not know, at the inventory’s line when it is meant by that', async () => {
    const unknown = await cellwise(cloud(), 'rehearse', '--from', '2020.1');
    expect([unknown.code, unknown.err]).toEqual([3, expect.stringContaining('Cellwise does not know the release 2020.1')]);
    const first = await cellwise('inventories/lab.yaml', 'rehearse');
    expect([first.code, first.err]).toEqual([
      3,
      expect.stringMatching(
        /^inventories\/lab\.yaml:5:12: error 2025\.1 is the first release that Cellwise knows: there is none to upgrade from/,
      ),
    ]);
  });

  it('of a cloud that is there changes nothing but what ends it', async () => {
    const { code, out } = await cellwise(cloud(), 'rehearse', '--from', '2026.1');
    expect([code, out]).toEqual([0, expect.stringContaining('It would end well: 1 change on 5 hosts')]);
  });
});

describe('an upgrade that is not there', () => {
  it.each([
    ['status', 0, 'No upgrade was begun from here.'],
    ['resume', 3, 'There is no upgrade to resume'],
    ['abort', 3, 'There is no upgrade to abort'],
    ['pause', 3, 'There is no upgrade to pause'],
    ['undo', 3, 'upgrade knows no "undo"'],
  ])('%s', async (action, code, text) => {
    const ran = await cellwise(cloud(), action);
    expect([ran.code, ran.out + ran.err]).toEqual([code, expect.stringContaining(text)]);
  });
});

describe('an upgrade that is under way', () => {
  const at = '2026-01-01T00:00:00.000Z';
  const facts = [
    { at, type: 'begun', to: '2026.1', from: ['2025.1'], hosts: 5, by: 'me' },
    { at, type: 'stage-begun', stage: 'cells/cell1' },
    { at, type: 'wave-begun', stage: 'cells/cell1', wave: 0, hosts: ['cmp1'] },
    { at, type: 'host-begun', stage: 'cells/cell1', host: 'cmp1' },
    {
      at,
      type: 'lease-taking',
      take: 'cmp1/compute/drain: file /run/disabled',
      give: 'cmp1/compute/restore: file /run/disabled',
      host: 'cmp1',
    },
    { at, type: 'host-failed', stage: 'cells/cell1', host: 'cmp1', why: 'it does not answer', unreachable: true },
  ];

  function begun(...more: readonly object[]): string {
    const file = cloud();
    const directory = join(file, '..', '.cellwise', 'cloud');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'upgrade.jsonl'), [...facts, ...more].map((fact) => `${JSON.stringify(fact)}\n`).join(''));
    return file;
  }

  it('tells where it stands, what failed, and what is held', async () => {
    const file = begun({ at, type: 'paused', cause: 'failures', why: 'cells/cell1: cmp1 failed' });
    const { code, out } = await cellwise(file, 'status');
    expect(code).toBe(0);
    for (const text of [
      'Upgrade from 2025.1 to 2026.1: paused after 0.0 s (begun 2026-01-01T00:00:00.000Z)',
      'why: cells/cell1: cmp1 failed',
      ' turns done',
      'unreachable: cmp1 (cells/cell1): it does not answer',
      `held: cmp1/compute/drain: file /run/disabled, since ${at}`,
      '`cellwise upgrade resume`: it tries these hosts again',
    ]) {
      expect(out).toContain(text);
    }
    const data = JSON.parse((await cellwise(file, 'status', '--json')).out) as { leases: unknown[]; status: string };
    expect([data.status, data.leases.length]).toEqual(['paused', 1]);
  });

  it('is not begun a second time', async () => {
    const { code, err } = await cellwise(begun(), 'run', '--yes');
    expect([code, err]).toEqual([3, expect.stringContaining('An upgrade to 2026.1 was begun')]);
  });

  it('is not overrun by an apply', async () => {
    const { code, err } = await new Promise<{ code: number; err: string }>((resolve) => {
      execFile(process.execPath, ['src/cli/main.ts', 'apply', '--yes', '-i', begun()], (error, _, err) => {
        resolve({ code: Number(error?.code), err });
      });
    });
    expect([code, err]).toEqual([
      3,
      expect.stringContaining('An upgrade to 2026.1 is running: an apply would bring all other hosts there at once'),
    ]);
  });

  it('is asked to pause, when it runs', async () => {
    expect(await cellwise(begun(), 'pause')).toMatchObject({ code: 0, out: expect.stringContaining('It pauses when') as string });
    expect(await cellwise(begun({ at, type: 'finished' }), 'pause')).toMatchObject({ code: 3 });
  });
});
