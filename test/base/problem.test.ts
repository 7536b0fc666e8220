import fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { problemCodes } from '../../src/base/problem-codes.ts';
import { Invalid, nearest } from '../../src/base/problem.ts';

describe('nearest', () => {
  const words = ['keystone', 'mariadb', 'rabbitmq', 'memcached', 'base'];

  it.each<[string, string | undefined]>([
    ['keystone', 'keystone'],
    ['keyston', 'keystone'],
    ['kesytone', 'keystone'],
    ['KEYSTONE', 'keystone'],
    ['rabitmq', 'rabbitmq'],
    ['memcachd', 'memcached'],
    ['bse', 'base'],
    ['glance', undefined],
    ['', undefined],
    ['x', undefined],
    ['mariadb-galera-cluster', undefined],
    ['rab', 'rabbitmq'],
    ['MEM', 'memcached'],
    ['ma', undefined],
  ])('%s → %s', (word, near) => {
    expect(nearest(word, words)).toBe(near);
  });

  it('finds every word that has one letter wrong, and knows each itself', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...words),
        fc.nat(),
        fc.constantFrom('a', 'b', 'c', 'x', 'y', 'z'),
        fc.constantFrom('swap', 'drop', 'add'),
        (word, n, letter, how) => {
          const at = n % word.length;
          const typed = word.slice(0, at) + (how === 'drop' ? '' : how === 'swap' ? letter : letter + word[at]!) + word.slice(at + 1);
          expect(nearest(typed, words)).toBe(word);
        },
      ),
    );
  });

  it('takes the nearer of two, the first of equals, and does not mind their number', () => {
    expect(nearest('ctl', ['ctl12', 'ctl1'])).toBe('ctl1');
    expect(nearest('neutron', ['neutron-dhcp-agent', 'neutron-l3-agent'])).toBeUndefined();
    expect(nearest('ctl3', ['ctl1', 'ctl2'])).toBe('ctl1');
    const started = performance.now();
    expect(
      nearest(
        'cmp0x001',
        Array.from({ length: 50_000 }, (_, i) => `cmp${String(i).padStart(5, '0')}`),
      ),
    ).toBeDefined();
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe('Invalid', () => {
  it('carries all problems, and its message is theirs', () => {
    const error = new Invalid([
      { code: 'usage', message: 'one' },
      { code: 'usage', message: 'two' },
    ]);
    expect(error.message).toBe('one\ntwo');
    expect(error.problems).toHaveLength(2);
  });
});

describe('problem codes', () => {
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('problem-codes.ts'))
    .map((file) => readFileSync(`src/${file}`, 'utf8'))
    .join('\n');

  it('every code that is used is explained', () => {
    const used = [...sources.matchAll(/code: '([a-z-]+)'|refused\(\s*'([a-z-]+)'/g)].map((match) => match[1] ?? match[2]!);
    expect(used.length).toBeGreaterThan(40);
    expect(used.filter((code) => !Object.hasOwn(problemCodes, code))).toEqual([]);
  });

  it.each(Object.entries(problemCodes))('%s is used, and says what it is and what to do', (code, { title, explain }) => {
    expect(sources).toContain(`'${code}'`);
    expect(title).toMatch(/^[A-Z][^.]*$/);
    expect(explain).toMatch(/\.$/);
  });
});
