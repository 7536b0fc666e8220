import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareSeries, controlRank, reportedReleases, rows, skewRefusals, type Component, type Move } from '../../src/plan/skew.ts';

const move = (component: Component, from: string, to?: string, compute = false): Move => ({ component, host: 'h1', from, to, compute });
const forbidden = (moves: readonly Move[], release = '2026.1', clustered = true): string[] =>
  skewRefusals(moves, release, clustered).map(({ row }) => row);

describe('the table', () => {
  it.each<[string, Move, string, string[]]>([
    ['SLURP to SLURP', move('nova', '2:31.0.0-6'), '2026.1', []],
    ['to the next release', move('nova', '3:32.0.0-1'), '2026.1', []],
    ['the same release', move('keystone', '2:27.0.0-3'), '2025.1', []],
    ['over three releases', move('nova', '2:29.0.0-1'), '2026.1', ['release-step']],
    ['from between two SLURP releases over the next', move('glance', '2:29.0.0-1'), '2026.1', ['release-step']],
    ['back', move('keystone', '2:29.0.0-1'), '2025.1', ['release-back']],
    [
      'computes three releases behind a SLURP release',
      move('nova', '2:30.1.0-1', undefined, true),
      '2026.1',
      ['release-step', 'nova-computes'],
    ],
    ['computes at a SLURP release before', move('nova', '2:31.1.0-1', undefined, true), '2026.1', []],
    ['computes three releases behind', move('nova', '2:29.1.0-1', undefined, true), '2025.2', ['release-step', 'nova-computes']],
    ['RabbitMQ one minor version', move('rabbitmq', '3.12.14-1', '3.13*'), '2026.1', []],
    ['RabbitMQ past a minor version', move('rabbitmq', '3.11.28-1', '3.13*'), '2026.1', ['rabbitmq-step']],
    ['RabbitMQ 3.13 to 4', move('rabbitmq', '3.13.7-1', '4.0*'), '2026.1', []],
    ['RabbitMQ 3.12 to 4', move('rabbitmq', '3.12.1-1', '4.0.5'), '2026.1', ['rabbitmq-step']],
    ['RabbitMQ within 4', move('rabbitmq', '4.0.5-8', '4.3*'), '2026.1', []],
    ['RabbitMQ back', move('rabbitmq', '4.3.6-1', '4.0*'), '2026.1', ['rabbitmq-back']],
    ['MariaDB to the next series', move('mariadb', '1:11.4.5-1', '1:11.8*'), '2026.1', []],
    ['MariaDB past a series', move('mariadb', '1:10.11.6-1', '1:11.8*'), '2026.1', ['mariadb-step']],
    ['MariaDB back', move('mariadb', '1:11.8.3-1', '1:10.11*'), '2026.1', ['mariadb-back']],
    ['Ceph two majors', move('ceph', '18.2.7+ds-1', '20.2*'), '2026.1', []],
    ['Ceph three majors', move('ceph', '17.2.7-1', '20.2*'), '2026.1', ['ceph-step']],
    ['Ceph back', move('ceph', '20.2.4-1', '18.2*'), '2026.1', ['ceph-back']],
    ['a version to come that nobody knows', move('ceph', '14.2.1'), '2026.1', []],
    ['a version that is none', move('nova', 'unknown', 'also'), '2026.1', []],
  ])('%s', (_, one, release, expected) => {
    expect(forbidden([one], release)).toEqual(expected);
  });

  it.each<[Component, string, string, number]>([
    ['ceph', '18.2.7+ds-1', '20.2*', 1],
    ['ceph', '20.2.4+ds-2', '18.2*', -1],
    ['ceph', '20.2.4+ds-2', '20.3*', 0],
    ['nova', '2:31.0.0-6', '2:33.*', 1],
    ['mariadb', '1:11.4.5-1', '1:11.8*', 1],
    ['rabbitmq', '4.3.6-1', '4.0*', -1],
    ['ceph', 'installed', '20.2*', 0],
  ])('%s from %s to %s is another series: %i', (component, from, to, direction) => {
    expect(compareSeries(component, from, to)).toBe(direction);
  });

  it('lets a single MariaDB go past a series, and a cluster not', () => {
    const one = move('mariadb', '1:10.11.6-1', '1:11.8*');
    expect(forbidden([one], '2026.1', false)).toEqual([]);
    expect(forbidden([one], '2026.1', true)).toEqual(['mariadb-step']);
  });

  it('names the row, the hosts and the way round', () => {
    const old = Array.from({ length: 7 }, (_, i): Move => ({ ...move('nova', '2:29.0.0-1', undefined, true), host: `cmp${i}` }));
    expect(skewRefusals(old, '2026.1', true)).toEqual([
      {
        row: 'release-step',
        message: 'cmp0, cmp1, cmp2, cmp3, cmp4 and 2 more run 2024.1, which is too far from 2026.1',
        hint: 'Go by way of 2025.1 first',
      },
      expect.objectContaining({ row: 'nova-computes', hint: 'Upgrade these computes to 2025.1 or later first' }),
    ]);
  });

  it('tells which releases a cloud runs, oldest first', () => {
    expect(reportedReleases([move('nova', '2:33.0.2-1'), move('keystone', '2:27.0.0-3'), move('ceph', '18.2.7')])).toEqual([
      '2025.1',
      '2026.1',
    ]);
  });

  it('never lets a row say nothing, and never refuses a cloud that is there', () => {
    const release = fc.constantFrom('2024.1', '2025.1', '2025.2', '2026.1');
    const component = fc.constantFrom<Component>('nova', 'keystone', 'glance', 'neutron', 'cinder', 'placement', 'heat');
    fc.assert(
      fc.property(release, component, fc.integer({ min: 1, max: 60 }), fc.boolean(), (to, which, major, compute) => {
        const found = skewRefusals([move(which, `2:${major}.0.0-1`, undefined, compute)], to, true);
        for (const { row, message, hint } of found) {
          expect(rows).toHaveProperty(row);
          expect(message).toMatch(/h1/);
          expect(`${message} ${hint}`).not.toMatch(/undefined|NaN|-1/);
        }
        const at = reportedReleases([move(which, `2:${major}.0.0-1`)])[0];
        if (at === to) expect(found).toEqual([]);
      }),
    );
  });

  it('is in the documentation, row by row', () => {
    const docs = readFileSync('docs/upgrades.md', 'utf8');
    for (const [row, forbids] of Object.entries(rows)) expect(docs).toContain(`| \`${row}\` | ${forbids} |`);
  });
});

describe('the order of the control plane', () => {
  it('is Keystone, Glance, Placement, Neutron, Cinder, Nova', () => {
    const roles = [
      'nova-api',
      'cinder',
      'nova-conductor',
      'neutron-server',
      'glance',
      'keystone',
      'placement',
      'nova-scheduler',
      'mariadb',
      'mine',
    ];
    expect(roles.toSorted((a, b) => controlRank(a) - controlRank(b))).toEqual([
      'mariadb',
      'keystone',
      'glance',
      'placement',
      'neutron-server',
      'cinder',
      'nova-conductor',
      'nova-scheduler',
      'nova-api',
      'mine',
    ]);
  });
});
