// The law that every step type obeys, on a real machine.
import { expect } from 'vitest';
import { isUnknown } from '../../src/resources/define.ts';
import { difference, look, mend, resource, type Run, type Send } from './converge.ts';
import type { Law } from './law.ts';

/** Applies twice, and once more after somebody changed something by hand. `timed` is given what looks a second time. */
export async function obey(law: Law, run: Run, send: Send, timed = <T>(act: () => Promise<T>) => act()): Promise<void> {
  await byHand(run, law.prepare);
  const { type, params } = resource(law.type, law.params);
  const first = await look(type, params, run, send);
  expect(isUnknown(first) ? first : undefined).toBeUndefined();
  const change = await difference(type, params, run, send);
  expect(law.first === 'differs' ? change : (change ?? { before: 'nothing differs' })).toMatchObject(
    law.first === 'differs' ? {} : { before: null },
  );

  if (law.refuses !== undefined) {
    await expect(mend(type, params, change!, run, send)).rejects.toThrow(law.refuses);
    await byHand(run, law.then);
    return;
  }
  const told = await mend(type, params, change!, run, send);
  expect(told).toContain(law.tells ?? '');
  expect(await timed(() => difference(type, params, run, send))).toBeNull();

  if (law.tamper !== undefined) {
    await byHand(run, law.tamper);
    const again = await difference(type, params, run, send);
    expect(again?.differences.map((one) => one.key).toSorted() ?? []).toEqual([...(law.mends ?? [])].toSorted());
    if (again) await mend(type, params, again, run, send);
    expect(await difference(type, params, run, send)).toBeNull();
  }
  await byHand(run, law.then);
}

async function byHand(run: Run, script: string | undefined): Promise<void> {
  if (script === undefined) return;
  const { code, out, err } = await run({ script });
  expect({ script, code, out: out.toString(), err: err.toString() }).toMatchObject({ code: 0 });
}
