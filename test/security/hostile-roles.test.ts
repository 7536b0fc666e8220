// Roles and inventories of somebody else, with texts that a terminal would obey: commands show them, and no more.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { cellwise } from '../cli/process.ts';
import { newDirectory, writeRoles } from '../roles/directories.ts';
import { evil, expectHarmless } from './hostile.ts';

vi.setConfig({ testTimeout: 120_000 });

const word = evil.replaceAll(/[\0\r\b\u2028]/g, '');

function cloud(): string {
  const roles = writeRoles({
    compute: {
      summary: `A role ${evil}.`,
      on: ['compute'],
      params: { text: { type: 'string', description: `About ${evil}.`, default: evil } },
      steps: [
        { directory: `/run/${word}`, mode: '0700' },
        { command: `echo "${word}|-->" <b>`, creates: `/x "${word}" |end` },
        { file: '/run/x', content: '{{text}}' },
      ],
      health: [{ run: `true ${word}`, within: '1s' }],
      upgrade: {
        drain: [{ file: '/run/disabled', content: 'x' }],
        restore: [{ file: '/run/disabled', absent: true }],
        contract: [{ command: `contract ${word}`, creates: '/contracted', irreversible: true }],
      },
    },
  });
  const file = join(newDirectory(), 'cloud.yaml');
  writeFileSync(
    file,
    `cloud: { name: lab, release: "2026.1", services: [base, compute] }
networks: { management: { cidr: 10.0.0.0/8 } }
roles: [${roles}]
upgrade: { gates: [{ run: ${JSON.stringify(`echo ${word}`)}, on: deployer }] }
params: { compute: { text: ${JSON.stringify(`\u009B31m${word}`)} } }
hosts:
  ctl1: { address: 10.0.0.11, kind: controller }
  cmp1: { address: 10.0.1.1, kind: compute }
`,
  );
  return file;
}

/** Facts of an upgrade, and events of a run, as an older Cellwise has kept them, or somebody has put them there. */
function keepHostile(inventory: string): void {
  const at = '2026-01-01T00:00:00.000Z';
  const facts = [
    { at, type: 'begun', to: '2026.1', from: ['2025.1'], hosts: 1, by: evil },
    { at, type: 'host-failed', stage: 'cells/cell1', host: `cmp1${evil}`, why: evil, unreachable: false },
    { at, type: 'paused', cause: 'step', why: `why ${evil}` },
  ];
  const step = { step: `x${evil}`, host: `cmp1${evil}`, role: 'x', stepType: 'file', name: evil };
  const events = [
    { at, type: 'note', text: `cellwise apply ${evil}` },
    { at, type: 'step-start', ...step, change: { action: 'create', differences: [] } },
    { at, type: 'step-failed', ...step, step: 'y', message: evil, output: [evil], hint: evil, seconds: 1 },
  ];
  const directory = join(dirname(inventory), '.cellwise', 'cloud');
  mkdirSync(join(directory, 'runs'), { recursive: true });
  const lines = (all: readonly object[]): string => all.map((each) => `${JSON.stringify(each)}\n`).join('');
  writeFileSync(join(directory, 'upgrade.jsonl'), lines(facts));
  writeFileSync(join(directory, 'runs', '20260101T000000-000Z-abcdef.jsonl'), lines(events));
}

it.each([
  ['explain compute', /A role \uFFFD/],
  ['explain cmp1', /31m/],
  ['graph', /cmp1\/compute\/directory/],
  ['graph --format mermaid', /-->\|"/],
  ['graph --format dot', /digraph/],
  ['graph --json', /"id"/],
  ['upgrade rehearse', /would run here: echo \uFFFD/],
  ['upgrade rehearse --json', /would run here: echo \uFFFD/],
  ['upgrade status', /why \uFFFD/],
  ['upgrade status --json', /why \uFFFD/],
  ['status', /cellwise apply \uFFFD/],
  ['status --json', /cellwise apply/],
  ['validate', /is valid/],
])('%s', async (words, shows) => {
  const inventory = cloud();
  keepHostile(inventory);
  const { out, err } = await cellwise([...words.split(' '), '-i', inventory]);
  expect(out + err).toMatch(shows);
  expectHarmless(out + err);
  if (words.endsWith('mermaid'))
    // Nothing of a name ends its quotes, its label or its line.
    for (const line of out.trim().split('\n').slice(1)) expect(line).toMatch(/^ {2}n\d+(\["[^"<>`]*"\]| -->\|"[^"<>`]*"\| n\d+)$/);
});
