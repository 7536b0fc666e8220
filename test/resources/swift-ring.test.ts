import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { swiftRing } from '../../src/resources/swift-ring.ts';

interface Host {
  readonly name: string;
  readonly address: string;
  readonly zone?: string;
  readonly disks: readonly string[];
}
const hosts = (count: number, zones: number, disks = 2): Host[] =>
  Array.from({ length: count }, (_, i) => ({
    name: `sto${i}`,
    address: `10.0.${i >> 7}.${(i & 127) + 1}`,
    ...(zones === 0 ? {} : { zone: `z${i % zones}` }),
    disks: Array.from({ length: disks }, (_, k) => `/dev/sd${k}`),
  }));

/** The devices of each part, as a host of a cluster reads them. */
function parts(all: readonly Host[], power = 10, replicas = 3): { ip: string; device: string; zone: number }[][] {
  const command = swiftRing.apply({ ring: 'object', hosts: all, port: 6200, part_power: power, replicas }, undefined as never);
  const ring = gunzipSync(command.stdin as Uint8Array);
  expect(ring.subarray(0, 6).toString('latin1')).toBe('R1NG\0\x01');
  const length = ring.readUInt32BE(6);
  const header = JSON.parse(ring.subarray(10, 10 + length).toString()) as {
    replica_count: number;
    part_shift: number;
    devs: { ip: string; device: string; zone: number }[];
  };
  expect(header.part_shift).toBe(32 - power);
  expect(ring.length).toBe(10 + length + header.replica_count * 2 * 2 ** power);
  return Array.from({ length: 2 ** power }, (_, part) =>
    Array.from(
      { length: header.replica_count },
      (_, copy) => header.devs[ring.readUInt16LE(10 + length + 2 * (copy * 2 ** power + part))]!,
    ),
  );
}

const nameOf = ({ ip, device }: { ip: string; device: string }): string => `${ip} ${device}`;
const moved = (before: ReturnType<typeof parts>, after: ReturnType<typeof parts>): number[] =>
  after.map((devices, part) => {
    const had = new Set(before[part]!.map(nameOf));
    return devices.filter((device) => !had.has(nameOf(device))).length;
  });

test('copies are as far apart as can be', () => {
  for (const part of parts(hosts(6, 3))) expect(new Set(part.map(({ zone }) => zone)).size).toBe(3);
  for (const part of parts(hosts(6, 2)))
    expect([new Set(part.map(({ zone }) => zone)).size, new Set(part.map(({ ip }) => ip)).size]).toEqual([2, 3]);
  for (const part of parts(hosts(3, 0))) expect(new Set(part.map(({ ip }) => ip)).size).toBe(3);
  for (const part of parts(hosts(1, 0, 4))) expect(new Set(part.map(nameOf)).size).toBe(3);
  for (const part of parts(hosts(1, 0, 2))) expect(new Set(part.map(nameOf)).size).toBe(2);
});

test('each device has its share, give or take a sixth', () => {
  const held = Map.groupBy(parts(hosts(6, 0), 12).flat(), nameOf);
  expect(held.size).toBe(12);
  for (const { length } of held.values()) expect(Math.abs(length / 1024 - 1)).toBeLessThan(1 / 6);
});

test('a host more moves no more than its share, and never two copies of one part', () => {
  const moves = moved(parts(hosts(5, 0)), parts(hosts(6, 0)));
  expect(Math.max(...moves)).toBe(1);
  expect(moves.reduce((sum, one) => sum + one, 0) / (3 * 1024)).toBeLessThan(1 / 6 + 0.03);
});

test('a host less moves what it had, and nothing else', () => {
  const before = parts(hosts(6, 0));
  const moves = moved(before, parts(hosts(5, 0)));
  expect(moves).toEqual(before.map((part) => part.filter(({ ip }) => ip === '10.0.0.6').length));
});

test('the order in which hosts are written does not matter to who holds what', () => {
  expect(moved(parts(hosts(5, 0)), parts(hosts(5, 0).toReversed()))).toEqual(Array.from({ length: 1024 }, () => 0));
});
