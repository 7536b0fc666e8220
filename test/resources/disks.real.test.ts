import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, closeSync, readlinkSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { attachDisks, detachDisks, diskLink } from '../../src/lab/disks.ts';
import { cephOsd } from '../../src/resources/ceph-osd.ts';

// What Ceph would be given: real block devices, looked at by the type's own script. Only Ceph's programs are missing.
const directory = mkdtempSync(join(tmpdir(), 'cellwise-disks-'));
const names = ['empty', 'files', 'two', 'mounted', 'swap', 'table'];
const link = (name: string): string => diskLink(directory, 'here', `/dev/${name}`);
const mountPoint = join(directory, 'mnt');

beforeAll(async () => {
  await attachDisks(directory, [{ name: 'here', address: '', disks: names.map((name) => ({ device: `/dev/${name}`, size: '300M' })) }]);
  for (const program of ['ceph-osd', 'ceph-bluestore-tool']) {
    mkdirSync(join(directory, 'bin'), { recursive: true });
    writeFileSync(join(directory, 'bin', program), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  }
  execFileSync('mkfs.ext4', ['-q', '-F', link('files')]);
  execFileSync('mkfs.ext4', ['-q', '-F', link('mounted')]);
  mkdirSync(mountPoint);
  execFileSync('mount', [link('mounted'), mountPoint]);
  execFileSync('mkswap', ['-q', link('swap')]);
  writePartitionTable(link('table'));
  writeTwoSignatures(link('two'));
  symlinkSync(link('empty'), join(directory, 'other-name'));
});

afterAll(async () => {
  execFileSync('umount', [mountPoint]);
  await detachDisks(directory);
  rmSync(directory, { recursive: true });
});

/** A DOS partition table with one partition of Linux. */
function writePartitionTable(device: string): void {
  const sector = Buffer.alloc(512);
  sector.writeUInt8(0x83, 0x1c2);
  sector.writeUInt32LE(2048, 0x1c6);
  sector.writeUInt32LE(10_000, 0x1ca);
  sector.writeUInt16BE(0x55aa, 0x1fe);
  const file = openSync(device, 'r+');
  writeSync(file, sector, 0, sector.length, 0);
  closeSync(file);
}

/** What an unreadable BlueStore with an XFS log in its first 256 KiB looks like: `blkid -p` names neither and ends with 8. */
function writeTwoSignatures(device: string): void {
  const file = openSync(device, 'r+');
  writeSync(file, 'bluestore block device\n346fae71-53ef-4719-b767-de6e47e61a36\n', 0);
  const header = Buffer.alloc(512);
  [0xfeedbabe, 1, 2, 512].forEach((word, i) => header.writeUInt32BE(word, 4 * i));
  header.writeUInt32BE(1, 40);
  header.writeUInt32BE(1, 0x12c);
  header.fill(7, 0x130, 0x140);
  header.writeUInt32BE(32768, 0x140);
  writeSync(file, header, 0, header.length, 0x2e200);
  closeSync(file);
}

/** What the type finds on disks, of a cluster that knows no OSD. */
function found(disks: readonly string[]): unknown {
  const params = { disks, fsid: '11111111-2222-3333-4444-555555555555', host: 'here', leaving: [] };
  if (!('probe' in cephOsd)) throw new TypeError('ceph-osd looks at one resource at a time');
  const env = { ...process.env, PATH: `${join(directory, 'bin')}:${process.env['PATH']!}` };
  const { stdout } = spawnSync('/bin/sh', ['-c', cephOsd.probe(params).script], { env, encoding: 'utf8' });
  const rows = stdout.split('\n').filter((line) => line.startsWith('disk\t'));
  const cluster = JSON.stringify([{ osds: [] }, {}].map((out) => ({ code: 0, out: JSON.stringify(out), err: '' })));
  return cephOsd.parse({ code: 0, out: Buffer.from(`${rows.join('\n')}\n${cluster}\n`), err: Buffer.alloc(0) }, params);
}

it.each([
  ['empty', 'is empty'],
  ['files', 'holds something already (ext4)'],
  ['two', 'holds more than one thing'],
  ['mounted', 'holds something already (ext4)'],
  ['swap', 'holds something already (swap)'],
  ['table', 'holds something already (dos)'],
])('a disk that is called %s %s', (name, is) => {
  expect(found([link(name)])).toEqual({ [link(name)]: expect.stringContaining(is) as string });
});

it('an empty disk that is in use is told by what uses it', () => {
  execFileSync('wipefs', ['--quiet', '--all', '--force', link('mounted')]);
  expect(found([link('mounted')])).toEqual({ [link('mounted')]: `is mounted on ${mountPoint}` });
});

it('one disk under three names is one disk', () => {
  const names = [link('empty'), join(directory, 'other-name'), readlinkSync(link('empty'))];
  expect(found(names)).toEqual({
    [names[0]!]: 'is empty',
    [names[1]!]: `is the same disk as ${names[0]!}: name it once`,
    [names[2]!]: `is the same disk as ${names[0]!}: name it once`,
  });
});
