import { describe, expect, it } from 'vitest';
import type { State } from '../../src/base/state.ts';
import { forecast, type Forecast } from '../../src/engine/forecast.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { Found } from '../../src/resources/define.ts';
import { planned, step } from '../plan/clouds.ts';

const plan = planned(
  {
    base: { scope: 'host', steps: [{ directory: '/base' }] },
    web: {
      needs: ['base'],
      steps: [
        { package: ['web', 'more'] },
        { file: '/a.conf', content: 'a' },
        { file: '/b.conf', content: 'b' },
        { service: 'web', watches: ['/a.conf', 'web'] },
        { directory: '/last' },
      ],
    },
    other: { steps: [{ directory: '/other' }] },
  },
  '  ctl1: {address: 10.77.0.11, kind: controller}\n',
);
const ids = [
  'ctl1/packages',
  'ctl1/base/directory /base',
  'ctl1/web/file /a.conf',
  'ctl1/web/file /b.conf',
  'ctl1/web/service web',
  'ctl1/web/directory /last',
  'ctl1/other/directory /other',
] as const;
type Id = (typeof ids)[number];

const wanted = (id: string): State => {
  const { resource, params } = step(plan, id);
  return resource.desired(params)!;
};
/** A host on which all is as it should be, but for some steps. */
const found = (others: Partial<Record<Id, Found | undefined>> = {}): Map<string, Found> => {
  const all = new Map<string, Found | undefined>([...ids.map((id) => [id, wanted(id)] as const), ...Object.entries(others)]);
  return new Map([...all].filter((entry): entry is [string, Found] => entry[1] !== undefined));
};

const text = (each: Forecast): string =>
  each.kind === 'unknown'
    ? `? ${each.because}`
    : each.kind === 'change'
      ? `change ${each.change.differences.map(({ key }) => key).join()}${each.reasons.length > 0 ? ` for ${each.reasons.join()}` : ''}`
      : each.kind;
const told = (from: Plan, states: ReadonlyMap<string, Found>): Record<string, string> =>
  Object.fromEntries(
    [...forecast(from, from.graph, states)].map(([id, each]) => [id, text(each)] as const).filter(([, each]) => each !== 'same'),
  );

describe('a forecast', () => {
  it('knows every step and nothing else', () => {
    expect([...forecast(plan, plan.graph, found()).keys()].toSorted()).toEqual(ids.toSorted());
  });

  it.each<[string, Partial<Record<Id, Found | undefined>>, Partial<Record<Id, string>>]>([
    ['all is as it should be', {}, {}],
    ['one differs, and nobody watches it', { 'ctl1/web/file /b.conf': null }, { 'ctl1/web/file /b.conf': 'change kind,sha256,owner,mode' }],
    [
      'a watched file differs',
      { 'ctl1/web/file /a.conf': { ...wanted('ctl1/web/file /a.conf'), mode: '600' } },
      { 'ctl1/web/file /a.conf': 'change mode', 'ctl1/web/service web': 'change loaded for /a.conf' },
    ],
    [
      'a watched package is missing',
      { 'ctl1/packages': { ...wanted('ctl1/packages'), web: '0' } },
      { 'ctl1/packages': 'change web', 'ctl1/web/service web': 'change loaded for web' },
    ],
    [
      'a package of the same step that nobody watches is missing',
      { 'ctl1/packages': { ...wanted('ctl1/packages'), more: '0' } },
      { 'ctl1/packages': 'change more' },
    ],
    [
      'a service has other reasons of its own',
      { 'ctl1/web/file /a.conf': null, 'ctl1/web/service web': { enabled: true, state: 'stopped', loaded: null } },
      { 'ctl1/web/file /a.conf': 'change kind,sha256,owner,mode', 'ctl1/web/service web': 'change state,loaded for /a.conf' },
    ],
    [
      'a restart is owed from a run that was cut off',
      { 'ctl1/web/service web': { ...wanted('ctl1/web/service web'), loaded: null } },
      { 'ctl1/web/service web': 'change loaded' },
    ],
    [
      'one cannot be told, because of one before it that changes',
      { 'ctl1/web/file /a.conf': null, 'ctl1/web/directory /last': { unknown: 'no such user' } },
      {
        'ctl1/web/file /a.conf': 'change kind,sha256,owner,mode',
        'ctl1/web/service web': 'change loaded for /a.conf',
        'ctl1/web/directory /last': '? follows from ctl1/web/file /a.conf',
      },
    ],
    [
      'one cannot be told by itself',
      { 'ctl1/web/file /b.conf': { unknown: 'it is dark' }, 'ctl1/web/directory /last': { unknown: 'it is dark too' } },
      { 'ctl1/web/file /b.conf': '? it is dark', 'ctl1/web/directory /last': '? follows from ctl1/web/file /b.conf' },
    ],
    [
      'what another role changes is the ground of those that need it',
      { 'ctl1/base/directory /base': null, 'ctl1/web/file /a.conf': { unknown: 'x' }, 'ctl1/other/directory /other': { unknown: 'y' } },
      {
        'ctl1/base/directory /base': 'change kind,owner,mode',
        'ctl1/web/file /a.conf': '? follows from ctl1/base/directory /base',
        'ctl1/other/directory /other': '? y',
      },
    ],
    ['a host that was lost has no forecast but that', { 'ctl1/web/file /a.conf': undefined }, { 'ctl1/web/file /a.conf': 'unreachable' }],
  ])('%s', (_, states, expected) => {
    expect(told(plan, found(states))).toEqual(expected);
  });

  it('of a part of a plan is of that part', () => {
    const part = plan.graph.only(plan.graph.closure(['ctl1/web/file /b.conf']));
    expect([...forecast(plan, part, found()).keys()].toSorted()).toEqual([
      'ctl1/base/directory /base',
      'ctl1/packages',
      'ctl1/web/file /a.conf',
      'ctl1/web/file /b.conf',
    ]);
  });
});
