import { execFile } from 'node:child_process';
import { mkdir, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Invalid } from '../base/problem.ts';
import type { LabHost } from './layout.ts';

/**
 * Where a disk of a machine is reached: a link to its loop device. Docker follows it each time that a machine starts, so
 * the number of the loop device may change, as it does when the real machine is restarted.
 */
export function diskLink(directory: string, host: string, device: string): string {
  return join(disksOf(directory), fileName(host, device));
}

/** Makes what disks are missing: sparse files behind loop devices. What is on disks that are there is left alone. */
export async function attachDisks(directory: string, hosts: readonly LabHost[]): Promise<void> {
  const disks = hosts.flatMap(({ name, disks: all }) => all.map(({ device, size }) => ({ name: fileName(name, device), size })));
  if (disks.length > 0) await mkdir(disksOf(directory), { recursive: true });
  for (const { name, size } of disks) {
    const image = join(disksOf(directory), `${name}.img`);
    await makeImage(image, size);
    const loop = (await loopsOf(image))[0] ?? (await losetup('--find', '--show', image));
    const link = join(disksOf(directory), name);
    await rm(link, { force: true });
    await symlink(loop, link);
  }
}

/** Takes the disks away, with all that is on them. */
export async function detachDisks(directory: string): Promise<void> {
  const images = (await readdir(disksOf(directory)).catch(() => [])).filter((name) => name.endsWith('.img'));
  for (const name of images) for (const loop of await loopsOf(join(disksOf(directory), name))) await losetup('--detach', loop);
  await rm(disksOf(directory), { recursive: true, force: true });
}

// The engine starts elsewhere: what it is given holds from anywhere.
function disksOf(directory: string): string {
  return resolve(directory, 'disks');
}

function fileName(host: string, device: string): string {
  return `${host}${device.replaceAll('/', '-')}`;
}

async function makeImage(image: string, size: string): Promise<void> {
  const units: Readonly<Record<string, number>> = { M: 20, G: 30, T: 40 };
  try {
    await writeFile(image, '', { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw error;
  }
  await truncate(image, Number.parseInt(size, 10) * 2 ** units[size.at(-1)!]!);
}

async function loopsOf(image: string): Promise<string[]> {
  const rows = await losetup('--noheadings', '--output', 'NAME', '--associated', image);
  return rows.split('\n').filter(Boolean);
}

async function losetup(...args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)('losetup', args)).stdout.trim();
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim();
    throw new Invalid([
      {
        code: 'lab-disk',
        message: `A lab's disks are loop devices, and losetup fails: ${said ?? (error as Error).message}`,
        hint: 'Only root can make loop devices. Run it as root, or take `disks` out of the inventory.',
      },
    ]);
  }
}
