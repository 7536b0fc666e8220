import { describe, expect, test } from 'vitest';
import type { Output } from '../../src/base/command.ts';
import { reveal } from '../../src/base/secret.ts';
import { compare } from '../../src/base/state.ts';
import type { ApiAnswer, ApiRequest, Found } from '../../src/resources/define.ts';
import { isUnknown } from '../../src/resources/define.ts';
import { resourceTypes } from '../../src/resources/index.ts';
import { allCases } from './all-cases.ts';
import type { ApiCase, Case, Exchange } from './case.ts';
import { resource } from './converge.ts';
import { cloud } from './cloud.cases.ts';
import { keystone } from './keystone.cases.ts';
import { leaving } from './leaving.cases.ts';
import { compute } from './openstack.cases.ts';

const api: readonly ApiCase[] = [...keystone, ...compute, ...cloud, ...leaving];

describe('on a host', () => {
  test.each(allCases.map((one) => [`${one.type}: ${one.is}`, one] as const))('%s', (_, one) => {
    const { type, params } = resource(one.type, one.params);
    if (type.via !== 'shell') throw new TypeError(`${one.type} is not looked at by a shell`);
    const output = answer(one.answer);
    const found = 'probeAll' in type ? type.parseAll(output, [params])[0]! : type.parse(output, params);
    expect(found).toEqual(one.found);
    const probe = 'probeAll' in type ? type.probeAll([params]) : type.probe(params);
    expect(probe.script).not.toBe('');
    if (isUnknown(found)) return;
    const change = compare(found, type.desired(params));
    expect(change?.differences.map((difference) => difference.key) ?? null).toEqual(one.differs);
    if (!change) return;
    expect(type.refuse?.(params, change) ?? '').toContain(one.refuses ?? '');
    if (one.refuses === undefined) expect(type.refuse?.(params, change)).toBeUndefined();
    const command = type.apply(params, change);
    for (const text of one.runs ?? []) expect(command.script).toContain(text);
    for (const text of one.leaves ?? []) expect(command.script).not.toContain(text);
    if (one.input !== undefined) {
      expect(String(command.stdin)).toBe(String(one.input));
      expect(reveal(command.stdin as string)).toBe(reveal(one.input));
    }
  });
});

describe('behind an API', () => {
  test.each(api.map((one) => [`${one.type}: ${one.is}`, one] as const))('%s', (_, one) => {
    const { type, params } = resource(one.type, one.params);
    if (type.via !== 'api') throw new TypeError(`${one.type} is not behind an API`);
    const found = look(one);
    expect(found).toEqual(one.found);
    if (isUnknown(found)) return;
    const change = compare(found, type.desired(params));
    expect(change?.differences.map((difference) => difference.key) ?? null).toEqual(one.differs);
    const refused = change ? (type.refuse?.(params, change) ?? type.cannot?.(params, change)) : undefined;
    expect(refused ?? '').toMatch(one.refuses ?? /^$/);
    if (!change || !one.apply) return;
    const { apply, throws } = one;
    if (throws === undefined) play(type.apply(params, change), apply);
    else
      expect(() => {
        play(type.apply(params, change), apply);
      }).toThrow(throws);
  });
});

describe('every type', () => {
  test.each(resourceTypes.map((type) => [type.type, type] as const))(
    '%s has cases, a summary, and a description of each param',
    (name, type) => {
      const cases = [...allCases, ...api].filter((one) => one.type === name);
      // What is always there, and what can always be told.
      const eternal = [
        'package',
        'db-sync',
        'sysctl',
        'nova-discover',
        'ovs-datapath',
        'compute-zone',
        'online-migrations',
        'heat-encryption',
        'nova-service',
        'nova-drain',
        'compute-drain',
        'compute-gone',
        'network-drain',
        'ceph-quorum',
        'ceph-config',
        'ceph-osd',
        'ceph-osd-key',
        'ceph-cipher',
        'ceph-crush',
        'ceph-drain',
      ];
      const certain = [
        'file',
        'directory',
        'symlink',
        'sysctl',
        'hosts-file',
        'timezone',
        'apt-source',
        'feature-file',
        'ceph-mon',
        'ceph-osd-key',
        'ceph-backup',
        'swift-ring',
      ];
      expect(cases.some((one) => one.found === null) || eternal.includes(name)).toBe(true);
      expect(cases.some((one) => one.differs === null)).toBe(true);
      expect(cases.some((one) => one.found !== null && isUnknown(one.found)) || certain.includes(name)).toBe(true);
      expect(type.summary).toMatch(/\.$/);
      expect(type.params.properties).toHaveProperty(type.nameParam);
      for (const param of Object.values(type.params.properties)) expect(param.description).toMatch(/\.$/);
    },
  );
});

test('packages of all roles are one transaction', () => {
  const { type } = resource('package', {});
  const merged =
    'merge' in type
      ? type.merge?.([
          { names: 'b', version: '2' },
          { names: ['a', 'b'], hold: true },
          { names: ['c'], release: 's', units: ['c'] },
        ])
      : undefined;
  expect(merged).toEqual({ names: ['b=2', 'a', 'c/s'], hold: ['a', 'b'], preseed: [], units: ['c'] });
});

function answer(given: Case['answer']): Output {
  const { code = 0, out = '', err = '' } = typeof given === 'string' ? { out: given } : given;
  return { code, out: Buffer.from(out), err: Buffer.from(err) };
}

/** As the engine does it: an error while looking makes a state unknown. */
function look(one: ApiCase): Found {
  const { type, params } = resource(one.type, one.params);
  if (type.via !== 'api') throw new TypeError(`${one.type} is not behind an API`);
  try {
    return play(type.look(params), one.look);
  } catch (error) {
    if (error instanceof Error && / answered \d{3}|^There are/.test(error.message))
      return { unknown: error.message.replace(/: undefined$/, '') };
    throw error;
  }
}

function play<T>(conversation: Generator<ApiRequest, T, ApiAnswer>, exchanges: readonly Exchange[]): T {
  let step = conversation.next();
  for (const [asked, status, body] of exchanges) {
    expect(step.done).toBe(false);
    expect(step.value).toEqual({ service: 'identity', ...asked });
    step = conversation.next({ status, body });
  }
  expect(step.done).toBe(true);
  return step.value as T;
}
