// Files that a host makes up, so that comparing them with what is wanted keeps the deployer busy.
import { expect, it } from 'vitest';
import { contentDiffs } from '../../src/engine/content-diff.ts';
import type { Step } from '../../src/plan/plan.ts';
import { planOf, inventoryOf, rolesOf } from '../plan/clouds.ts';
import { answerTo } from './hostile.ts';

const wanted = Array.from({ length: 400 }, (_, i) => `option_${i} = ${i}\n`).join('');
const long = Array.from({ length: 4900 }, (_, i) => `line ${i}\n`).join('');
const files = Array.from({ length: 34 }, (_, i) => ({ file: `/etc/${i}`, content: wanted }));
const roles = rolesOf({ one: { steps: [...files, { file: '/etc/long', content: long }] } });
const plan = planOf(inventoryOf('  ctl1: {address: 10.77.0.11, kind: controller}\n'), roles);
const steps = [...plan.nodes.values()].filter((node): node is Step => node.kind === 'step' && node.name !== '/etc/long');

function filled(bytes: number, line: (i: number) => string): string {
  let text = '';
  for (let i = 0; text.length < bytes; i += 1) text += `${line(i)}\n`;
  return text;
}

it.each([
  ['as many lines as fit', filled(256 * 1024 - 8, (i) => i.toString(36))],
  ['the most lines that are compared', Array.from({ length: 4990 }, (_, i) => `${i.toString(36)}${'x'.repeat(40)}\n`).join('')],
  ['lines that are nearly wanted', filled(100 * 1024, (i) => `option_${(i * 7) % 400} = ${(i * 7) % 400}`)],
  ['no line at all', 'x'.repeat(256 * 1024 - 8)],
])('34 files of %s keep nobody waiting', async (_, body) => {
  const before = process.cpuUsage();
  let [turns, last, longest] = [0, process.cpuUsage().user, 0];
  const watch = setInterval(() => {
    const now = process.cpuUsage().user;
    [turns, longest, last] = [turns + 1, Math.max(longest, now - last), now];
  }, 1);
  await contentDiffs({ run: (command: Parameters<typeof answerTo>[0]) => Promise.resolve(answerTo(command, body, 0)) } as never, steps);
  clearInterval(watch);
  const { user } = process.cpuUsage(before);
  // Of the processor, so that other work does not count: seconds in all, and others have their turn within one.
  expect(user / 1e6).toBeLessThan(8);
  expect(turns).toBeGreaterThan(0);
  expect(longest / 1e6).toBeLessThan(1);
});

it('what has little in common with what is wanted has no diff, what has much has', async () => {
  const shell = (body: string) =>
    ({ run: (command: Parameters<typeof answerTo>[0]) => Promise.resolve(answerTo(command, body, 0)) }) as never;
  expect((await contentDiffs(shell(filled(60_000, (i) => i.toString(36).repeat(4))), steps.slice(0, 1))).size).toBe(0);
  const longStep = [...plan.nodes.values()].filter((node): node is Step => node.kind === 'step' && node.name === '/etc/long');
  expect((await contentDiffs(shell(filled(40_000, (i) => `${i}`)), longStep)).size).toBe(0);
  expect((await contentDiffs(shell(long.replaceAll('line 1', 'line x')), longStep)).size).toBe(0);
  expect((await contentDiffs(shell(''), longStep)).size).toBe(1);
  const [diff] = (await contentDiffs(shell(wanted.replace('option_7 = 7', 'option_7 = 8')), steps.slice(0, 1))).values();
  expect(diff).toContain('-option_7 = 8\n+option_7 = 7\n');
});
