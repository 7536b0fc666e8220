import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { onTerminal, type OnTerminal } from './pty.ts';
import { TestCloud } from './test-cloud.ts';

// One host, and a role that takes its time, at a real terminal.
const cloud = new TestCloud('terminal', '10.121');
const role = {
  role: 'slow',
  summary: 'Takes its time.',
  on: ['controller'],
  scope: 'host',
  needs: ['base'],
  steps: [
    { command: 'slow', run: 'touch /srv/begun; sleep 4; touch /srv/done', unless: 'test -e /srv/done' },
    { file: '/srv/last', content: 'last\n' },
  ],
};

function cellwise(...words: readonly string[]): OnTerminal {
  return onTerminal([process.execPath, 'src/cli/main.ts', ...words, '-i', cloud.inventory]);
}

const files = (): Promise<string> => cloud.on('ctl1', 'cd /srv && ls');

beforeAll(async () => {
  cloud.write((text) =>
    text
      .replace('services: [keystone]', 'services: [slow]')
      .replace('networks:', 'roles: [roles]\n\nnetworks:')
      .replace(/^ {2}(?:cmp|sto).*\n(?: {4}.*\n)*/gm, ''),
  );
  const directory = join(cloud.directory, 'roles/slow');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'role.yaml'), JSON.stringify(role));
  await cloud.up();
  expect(await cloud.apply()).toMatchObject({ code: 0 });
}, 300_000);
afterAll(() => cloud.down(), 120_000);
beforeEach(() => cloud.on('ctl1', 'rm -f /srv/*'));

describe('Ctrl-C on a terminal', () => {
  it('finishes what runs, starts nothing more, says so at once, and exits with 130', { timeout: 60_000 }, async () => {
    const run = cellwise('apply', '--yes');
    await expect.poll(files, { timeout: 30_000, interval: 100 }).toContain('begun');
    run.type('\x03');
    await expect.poll(run.shown, { timeout: 2000 }).toContain('Interrupted: nothing more is started');
    expect(await files()).not.toContain('done');
    expect(await run.ended).toBe(130);
    expect((await files()).split('\n')).toEqual(['begun', 'done']);
    expect(run.shown()).toContain('Run `cellwise apply` again');
  });

  it('at the question changes nothing, says so, and exits with 130', { timeout: 60_000 }, async () => {
    const run = cellwise('apply');
    await expect.poll(run.shown, { timeout: 30_000 }).toContain('Apply these changes? [y/N]');
    run.type('\x03');
    expect(await run.ended).toBe(130);
    expect(run.shown()).toMatch(/\nNothing was changed\.\r\n\S*$/);
    expect(await files()).toBe('');
  });
});

describe('the question', () => {
  it('answered with no changes nothing, says so, leaves no run behind, and exits with 1', { timeout: 60_000 }, async () => {
    const runs = (): string[] => readdirSync(join(cloud.directory, '.cellwise/cloud/runs'));
    const before = runs();
    const run = cellwise('apply');
    await expect.poll(run.shown, { timeout: 30_000 }).toContain('Apply these changes? [y/N]');
    run.type('n\r');
    expect(await run.ended).toBe(1);
    expect(run.shown()).toMatch(/\nNothing was changed\.\r\n\S*$/);
    expect(await files()).toBe('');
    expect(runs()).toEqual(before);
  });

  it('answered with yes applies', { timeout: 60_000 }, async () => {
    const run = cellwise('apply');
    await expect.poll(run.shown, { timeout: 30_000 }).toContain('Apply these changes? [y/N]');
    run.type('y\r');
    expect(await run.ended).toBe(0);
    expect(await files()).toContain('last');
  });
});

describe('a host of another operating system', () => {
  it('is left alone, and the command ends', { timeout: 60_000 }, async () => {
    await cloud.on(
      'ctl1',
      'cp /etc/os-release /root/; rm /etc/os-release; sed s/^VERSION_ID=.*/VERSION_ID=12/ /root/os-release >/etc/os-release',
    );
    const run = cellwise('plan');
    expect(await run.ended).toBe(4);
    expect(run.shown()).toMatch(/ctl1 runs debian-12, and Cellwise works on debian-13 alone/);
    expect(run.shown()).toMatch(/hint.* Install debian-13 on ctl1\./);
    await cloud.on('ctl1', 'ln -sf ../usr/lib/os-release /etc/os-release');
  });
});
