// A hundred thousand answers that no host should give, to every step type and every health check.
import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/base/event.ts';
import { clean, lastLines } from '../../src/base/printable.ts';
import type { Output } from '../../src/base/command.ts';
import type { ApiSession } from '../../src/engine/api.ts';
import { changeOf, commandOf, examine, isShellStep, look } from '../../src/engine/look.ts';
import { show } from '../../src/engine/tell.ts';
import { named } from '../../src/engine/work.ts';
import { compareSeries, versionPackages } from '../../src/plan/skew.ts';
import type { HealthCheck, Step } from '../../src/plan/plan.ts';
import { plain } from '../../src/report/report.ts';
import { checks } from '../../src/resources/checks.ts';
import { isUnknown, type AnyParams, type ApiAnswer } from '../../src/resources/define.ts';
import { resourceTypes } from '../../src/resources/index.ts';
import { ceph } from '../resources/ceph.cases.ts';
import { cloud } from '../resources/cloud.cases.ts';
import { resource } from '../resources/converge.ts';
import { databases } from '../resources/databases.cases.ts';
import { files } from '../resources/files.cases.ts';
import { keystone } from '../resources/keystone.cases.ts';
import { leaving } from '../resources/leaving.cases.ts';
import { compute, openstack } from '../resources/openstack.cases.ts';
import { packages } from '../resources/packages.cases.ts';
import { swift } from '../resources/swift.cases.ts';
import { system } from '../resources/system.cases.ts';
import { expectHarmless, hostileShell, said, textsIn } from './hostile.ts';

const cases = [
  ...files,
  ...system,
  ...packages,
  ...databases,
  ...openstack,
  ...ceph,
  ...swift,
  ...keystone,
  ...compute,
  ...cloud,
  ...leaving,
];

/** Always the same numbers, so that what fails once fails again. */
function random(): () => number {
  let state = 0x2545f491;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

const chance = random();
const any = <T>(all: readonly T[]): T => all[Math.floor(chance() * all.length)]!;

/** A right answer with something wrong in it. */
function spoiled(right: string): string {
  const at = Math.floor(chance() * (right.length + 1));
  return any([right.slice(0, at), right.slice(0, at) + any(said) + right.slice(at), right + any(said), any(said)]);
}

/** A right answer in which some member is anything. */
function twisted(body: unknown): unknown {
  if (chance() < 0.2 || body === null || typeof body !== 'object')
    return any<unknown>([null, 1, [], {}, undefined, any(said), [null], body]);
  const keys = Object.keys(body);
  if (keys.length === 0) return any(said);
  const key = any(keys);
  const part = twisted((body as Record<string, unknown>)[key]);
  return Array.isArray(body) ? body.with(Number(key), part) : { ...body, [key]: part };
}

function stepOf(type: string, params: AnyParams): Step {
  const { type: one, params: all } = resource(type, params);
  const id = `bad/role/${type}`;
  return {
    ...{ kind: 'step', step: id, host: 'bad', role: 'role', stepType: type, name: 'x', resource: one, params: all },
    ...{ watches: [], irreversible: false, place: { file: 'x', line: 1, column: 1 } },
  };
}

const apis = (answers: () => ApiAnswer): ApiSession => ({
  requests: 0,
  refresh: () => undefined,
  follow: async (conversation) => {
    let step = conversation.next();
    for (let i = 0; i < 20 && !step.done; i += 1) step = conversation.next(await Promise.resolve(answers()));
    if (!step.done) throw new Error('it does not end');
    return step.value;
  },
});

/** All that people are told, as they are. */
let told = '';
const reporter = plain((text) => (told += text), 'apply', false);
function tell(event: Event): void {
  const safe = clean(event);
  reporter.tell(safe);
  told += textsIn(safe);
  if (told.length < 1 << 20) return;
  expectHarmless(told);
  told = '';
}

async function face(step: Step, output: () => Output, session: ApiSession): Promise<void> {
  const shell = { run: () => Promise.resolve(output()) };
  const found = await look(shell, step, session);
  if (isUnknown(found)) {
    expectShort(found.unknown);
    tell({ type: 'step-unknown', ...named(step), because: found.unknown });
    return;
  }
  const change = changeOf(step, found);
  if (change === null) return;
  if (isUnknown(change)) {
    tell({ type: 'step-unknown', ...named(step), because: change.unknown });
    return;
  }
  tell({ type: 'step-planned', ...named(step), change: show(step, change) });
  if (isShellStep(step)) commandOf(step, change);
  const message = JSON.stringify(change.differences);
  tell({ type: 'step-failed', ...named(step), message, output: lastLines(output(), 20), seconds: 0 });
}

function expectShort(text: string): void {
  expect(text.length).toBeLessThan(3000);
}

describe('whatever is answered', () => {
  it('no step type ends a run by it, or lets it reach a terminal', { timeout: 240_000 }, async () => {
    expect(new Set(cases.map(({ type }) => type))).toEqual(new Set(resourceTypes.map(({ type }) => type)));
    const each = Math.ceil(100_000 / cases.length);
    let answers = 0;
    for (const one of cases) {
      const step = stepOf(one.type, one.params);
      const right = 'answer' in one ? (typeof one.answer === 'string' ? one.answer : (one.answer.out ?? '')) : '';
      const bodies: readonly unknown[] = 'look' in one ? one.look.map(([, , body]) => body) : [];
      for (let i = 0; i < each; i += 1) {
        const text = i < said.length * 2 ? said[i % said.length]! : spoiled(right);
        const code = i < said.length ? 0 : any([0, 0, 1, 2, 100, 127]);
        const bytes = Buffer.from(text);
        let turn = 0;
        const session = apis(() => ({
          status: any([200, 200, 200, 200, 404, 503]),
          body: i % 3 === 0 ? any<unknown>([text, twisted({})]) : twisted(bodies[turn++ % bodies.length]),
        }));
        await face(step, () => ({ code, out: bytes, err: code === 0 ? Buffer.alloc(0) : bytes }), session);
        answers += 1;
      }
    }
    expectHarmless(told);
    expect(answers).toBeGreaterThanOrEqual(100_000);
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it.each([...checks.values()].map((check) => [check.type, check] as const))(
    'the health check %s says yes or why not',
    async (_, check) => {
      const params = Object.fromEntries(
        Object.entries(check.params.properties).map(([name, { type }]) => [
          name,
          type === 'integer' ? 1 : name === 'url' ? 'http://x/' : 'x',
        ]),
      );
      const asked: HealthCheck = { check, name: 'x', params, within: 1 };
      const bodies = [
        { catalog: [{ type: 'x', endpoints: [{}] }] },
        { services: [{ binary: 'x', host: 'x', state: 'up' }] },
        { agents: [{ binary: 'x' }] },
      ];
      for (let i = 0; i < 500; i += 1) {
        const shell = hostileShell('bad', () => [any(said), any([1, 2, 100])]);
        const session = apis(() => ({ status: any([200, 200, 404]), body: chance() < 0.3 ? any(said) : twisted(any(bodies)) }));
        const why = await examine(
          shell,
          { kind: 'health', id: 'bad/role/health', host: 'bad', role: 'role', checks: [asked] },
          session,
          true,
        );
        if (why === undefined) continue;
        expectShort(why);
        expectHarmless(why);
      }
    },
  );

  it('versions are compared, whatever they are', () => {
    for (const component of new Set(versionPackages.values()))
      for (const text of said) expect([-1, 0, 1, NaN].includes(Math.sign(compareSeries(component, text, '2:31.0')))).toBe(true);
  });
});
