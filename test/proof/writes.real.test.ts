// 1,000 applies of each type that writes where service users can, while one of them does what he can against it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Machine, startMachine } from '../machines.ts';
import { applyOf, attackOn, attacks, prepare } from '../security/writes.ts';

const times = 1000;
let machine: Machine;

beforeAll(async () => {
  machine = await startMachine();
  await prepare(machine);
});

afterAll(() => machine.stop());

test.each(attacks.map((attack, i) => [`${i} ${attack.type}`, attack] as const))('%s', { timeout: 1_800_000 }, async (_, attack) => {
  const outcome = await attackOn(machine, attack, applyOf(attack), times);
  expect(outcome, outcome.err).toMatchObject({ wins: 0, last: 0, left: '' });
  if (process.env['CELLWISE_TIMES']) process.stderr.write(`${attack.type}: ${outcome.applied} of ${times} went well\n`);
});
