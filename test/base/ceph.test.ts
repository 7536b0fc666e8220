import { expect, test } from 'vitest';
import { cephAnswers, cephxKey, tellCeph, uuid5, uuidOf } from '../../src/base/ceph.ts';
import { drainObstacle, size } from '../../src/base/ceph-drain.ts';
import { reveal, Secret } from '../../src/base/secret.ts';

const secret = Secret.of('ceph.key', 'hunter2');

test('a key is one that Ceph reads: type, time, length and 16 bytes; another for each entity and each secret', () => {
  const key = Buffer.from(reveal(cephxKey(secret, 'client.a')), 'base64');
  expect([key.readUInt16LE(0), key.readUInt16LE(10), key.length]).toEqual([1, 16, 28]);
  const keys = [cephxKey(secret, 'client.a'), cephxKey(secret, 'client.b'), cephxKey(Secret.of('x', 'y'), 'client.a')].map(reveal);
  expect(new Set(keys).size).toBe(3);
  expect(String(cephxKey(secret, 'client.a'))).toBe('‹secret ceph.key›');
});

test('ids are UUIDs, and always the same', () => {
  expect(uuid5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'python.org')).toBe('886313e1-3b8a-5372-9b90-0c9aee199e5d');
  expect(uuidOf(secret)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(uuidOf(secret)).toBe(uuidOf(Secret.of('other name', 'hunter2')));
});

test('what is told a cluster goes by standard input, keys among it', () => {
  const command = tellCeph([{ command: { prefix: 'auth import' }, input: secret }]);
  expect(command.script).not.toContain('hunter2');
  expect(command.script).not.toContain('auth import');
  expect(JSON.parse(reveal(command.stdin as Secret))).toMatchObject({ calls: [{ command: { prefix: 'auth import' }, input: 'hunter2' }] });
});

test('a cluster that does not answer is unknown', () => {
  const silent = { code: 1, out: Buffer.from(''), err: Buffer.from('Ceph does not answer on this host: timed out\n') };
  expect(cephAnswers(silent)).toEqual({ unknown: 'Ceph does not answer on this host: timed out' });
});

const host = (n: number, ...disks: (readonly [kb: number, used: number])[]) => [
  { id: -n, type: 'host', name: `sto${n}`, children: disks.map((_, i) => n * 10 + i) },
  ...disks.map(([kb, used], i) => ({ id: n * 10 + i, type: 'osd', name: '', kb, kb_used: used, reweight: 1 })),
];

test('with more hosts than copies, data may go to any of them', () => {
  const nodes = [host(1, [100, 30]), host(2, [100, 30]), host(3, [100, 30])].flat();
  const pools = [{ pool_name: 'p', size: 2 }];
  expect(drainObstacle({ nodes, pools }, new Set([30]))).toBeUndefined();
  expect(drainObstacle({ nodes, pools: [{ pool_name: 'p', size: 3 }] }, new Set([30]))).toContain('2 would be left');
});

test('with as many hosts as copies, what leaves a disk has to fit on its host', () => {
  const nodes = [host(1, [100, 50], [100, 20]), host(2, [100, 50], [100, 0])].flat();
  const pools = [{ pool_name: 'p', size: 2 }];
  expect(drainObstacle({ nodes, pools }, new Set([10]))).toBeUndefined();
  expect(drainObstacle({ nodes: nodes.map((node) => (node.id === 11 ? { ...node, kb_used: 60 } : node)), pools }, new Set([10]))).toBe(
    '50 KiB would have to go to sto1, where there is room for 25 KiB',
  );
});

test('sizes are for people', () => {
  expect([0, 1, 1536, 3 * 2 ** 20, 5.5 * 2 ** 30].map(size)).toEqual(['0 KiB', '1 KiB', '2 MiB', '3.0 GiB', '5.5 TiB']);
});
