// One law on one machine: apply twice, the second run does nothing; what is changed by hand is mended, and nothing else.
import { expect } from 'vitest';
import { isUnknown, type AnyParams } from '../../src/resources/define.ts';
import { difference, look, mend, resource, type Run, type Send } from './converge.ts';
import type { Law } from './law.ts';

type Timed = <T>(type: string, act: () => Promise<T>) => Promise<T>;

/** Throws what a step type did against its law; `timed` is told of the look that finds nothing to do. */
export async function obey(law: Law, run: Run, send: Send, timed: Timed = (_, act) => act()): Promise<void> {
  const byHand = (script: string | undefined) => doByHand(script, run);
  await byHand(law.prepare);
  const { type, params } = resource(law.type, law.params);
  const first = await look(type, params, run, send);
  expect(isUnknown(first) ? first : undefined).toBeUndefined();
  const change = await difference(type, params, run, send);
  if (law.first === 'as it should be') expect(change).toBeNull();
  else if (law.first === 'differs') expect(change).not.toBeNull();
  else expect(change ?? { before: 'nothing differs' }).toMatchObject({ before: null });

  if (law.refuses !== undefined) {
    await expect(mend(type, params, change!, run, send)).rejects.toThrow(law.refuses);
    await byHand(law.then);
    return;
  }
  if (change) expect(await mend(type, params, change, run, send)).toContain(law.tells ?? '');
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

async function doByHand(script: string | undefined, run: Run): Promise<void> {
  if (script === undefined) return;
  const { code, out, err } = await run({ script });
  expect(code, `${script}\n${out.toString()}${err.toString()}`).toBe(0);
}

export function nameOf(law: Law): string {
  const params: AnyParams = law.params;
  return JSON.stringify(Object.values(params)[0]).slice(0, 40);
}
