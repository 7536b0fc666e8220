import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AnyParams } from '../../src/resources/define.ts';
import { isUnknown } from '../../src/resources/define.ts';
import { type Machine, startMachine } from '../machines.ts';
import { difference, keystone, look, mend, resource, type Run, runIn, type Send } from './converge.ts';
import { admin, bare, grown, type Law } from './law.ts';

let machine: Machine;
let run: Run;
let send: Send;
const probes = new Map<string, number[]>();

beforeAll(async () => {
  machine = await startMachine();
  run = runIn(machine.container);
  send = keystone(machine.address, admin.reveal());
});

afterAll(async () => {
  const rows = [...probes].map(([type, times]) => `${type} ${Math.min(...times).toFixed(0)} ms`);
  if (process.env['CELLWISE_TIMES']) process.stderr.write(`probes: ${rows.join(', ')}\n`);
  await machine.stop();
});

describe('apply twice, the second run does nothing; what is changed by hand is mended, and nothing else', () => {
  test.each([...bare, ...grown].map((law, i) => [`${i} ${law.type} ${name(law)}`, law] as const))(
    '%s',
    { timeout: 400_000 },
    async (_, law) => {
      await obey(law);
    },
  );

  test('nothing that was a value was executed', async () => {
    expect(await machine.exec('test ! -e /tmp/executed')).toMatchObject({ code: 0 });
  });
});

async function obey(law: Law): Promise<void> {
  await byHand(law.prepare);
  const { type, params } = resource(law.type, law.params);
  const first = await look(type, params, run, send);
  expect(isUnknown(first) ? first : undefined).toBeUndefined();
  const change = await difference(type, params, run, send);
  expect(law.first === 'differs' ? change : (change ?? { before: 'nothing differs' })).toMatchObject(
    law.first === 'differs' ? {} : { before: null },
  );

  if (law.refuses !== undefined) {
    await expect(mend(type, params, change!, run, send)).rejects.toThrow(law.refuses);
    await byHand(law.then);
    return;
  }
  const told = await mend(type, params, change!, run, send);
  expect(told).toContain(law.tells ?? '');
  expect(await timed(law.type, () => difference(type, params, run, send))).toBeNull();

  if (law.tamper !== undefined) {
    await byHand(law.tamper);
    const again = await difference(type, params, run, send);
    expect(again?.differences.map((one) => one.key).toSorted() ?? []).toEqual([...(law.mends ?? [])].toSorted());
    if (again) await mend(type, params, again, run, send);
    expect(await difference(type, params, run, send)).toBeNull();
  }
  await byHand(law.then);
}

async function byHand(script: string | undefined): Promise<void> {
  if (script === undefined) return;
  const { code, out, err } = await run({ script });
  expect({ script, code, out: out.toString(), err: err.toString() }).toMatchObject({ code: 0 });
}

async function timed<T>(type: string, act: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await act();
  probes.set(type, [...(probes.get(type) ?? []), performance.now() - start]);
  return result;
}

function name(law: Law): string {
  const params: AnyParams = law.params;
  return JSON.stringify(Object.values(params)[0]).slice(0, 40);
}
