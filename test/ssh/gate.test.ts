import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Gate } from '../../src/ssh/gate.ts';

test('at most so many pass at a time, in order, and a failure lets the next one in', async () => {
  const gate = new Gate(3);
  const order: number[] = [];
  let inside = 0;
  let most = 0;
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) =>
      gate.pass(async () => {
        order.push(i);
        most = Math.max(most, ++inside);
        await delay(1);
        inside--;
        if (i % 3 === 0) throw new Error('no');
        return i;
      }),
    ),
  );
  expect(most).toBe(3);
  expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
  expect(results.filter((result) => result.status === 'rejected').length).toBe(7);
});
