import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Command } from '../../src/base/command.ts';
import { Secret, text, type Text } from '../../src/base/secret.ts';
import { compare, type State } from '../../src/base/state.ts';
import type { AnyParams } from '../../src/resources/define.ts';
import { type Machine, startMachine } from '../machines.ts';
import { anyText } from './any-text.ts';
import { keystone, resource, type Run, runIn, type Send } from './converge.ts';
import { admin, bare, grown } from './law.ts';
import { nameOf, obey } from './obey.ts';

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
  test.each([...bare, ...grown].map((law, i) => [`${i} ${law.type} ${nameOf(law)}`, law] as const))(
    '%s',
    { timeout: 400_000 },
    async (_, law) => {
      await obey(law, run, send, timed);
    },
  );

  // All by one run of MariaDB's client, as the input of all is SQL.
  test('1,000 users with random names, passwords and databases', { timeout: 120_000 }, async () => {
    const { type } = resource('mysql-user', {});
    if (type.via !== 'shell' || !('probeAll' in type)) throw new TypeError('mysql-user looks at all users together');
    // MariaDB keeps names in its three-byte utf8, and compares them without blanks at their end.
    const name = anyText.map((text) => text.replace(/[^\0-\uffff]|[\ud800-\udfff]/gu, '').trim()).filter((text) => text !== '');
    const database = name.map((text) => text.replace(/[\\/]/g, '') + 'x');
    const lineEnds = 'a\r\nb\rc\n\\h';
    const user = fc.record({
      user: name,
      password: anyText.map((text) => Secret.of('any', text)),
      grants: fc.tuple(fc.record({ on: database.map((one) => `${one}.*`) })),
    });
    const all = fc
      .sample(fc.uniqueArray(user, { minLength: 1000, maxLength: 1000, selector: (one) => one.user }), 1)[0]!
      .with(0, { user: lineEnds, password: Secret.of('any', lineEnds), grants: [{ on: `a\r\nb.*` }] })
      .map((one) => resource('mysql-user', one).params);
    const joined = (commands: readonly Command[]): Command => ({
      script: commands[0]!.script,
      stdin: commands.reduce<Text>((input, command) => text`${input}${command.stdin as Text}\n`, ''),
    });
    const changes = async (wanted: readonly AnyParams[]) => {
      const found = type.parseAll(await run(type.probeAll(wanted)), wanted);
      return wanted.flatMap((params, i) => {
        const change = compare(found[i] as State | null, type.desired(params));
        return change ? [type.apply(params, change)] : [];
      });
    };
    const first = await changes(all);
    expect(first).toHaveLength(1000);
    expect(await run(joined(first))).toMatchObject({ code: 0 });
    expect(await changes(all)).toEqual([]);
    const gone = await changes(all.map((params) => ({ ...params, absent: true })));
    expect(gone).toHaveLength(1000);
    expect(await run(joined(gone))).toMatchObject({ code: 0 });
  });

  test('eight users of RabbitMQ at a time', async () => {
    const users = Array.from({ length: 8 }, (_, i) => resource('rabbitmq-user', { user: `user${i}`, password: Secret.of('any', 'pass') }));
    const looks = users.map(
      async ({ type, params }) => type.via === 'shell' && 'probe' in type && type.parse(await run(type.probe(params)), params),
    );
    expect(await Promise.all(looks)).toEqual(users.map(() => null));
  });

  test('nothing that was a value was executed', async () => {
    expect(await machine.exec('test ! -e /tmp/executed')).toMatchObject({ code: 0 });
  });
});

async function timed<T>(type: string, act: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await act();
  probes.set(type, [...(probes.get(type) ?? []), performance.now() - start]);
  return result;
}
