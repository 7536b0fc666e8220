import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { docker } from './docker.ts';
import { ensureImage, readRecipe, type Progress } from './image.ts';

const container = 'cellwise-packages';
const port = 3142;

/**
 * Sees to it that the package cache of all labs on this engine runs: what one machine has downloaded, the others have at
 * once. Returns its URL as machines reach it; undefined where each must ask its mirror itself, because the way there is
 * encrypted or leads through a proxy already, or because the cache does not answer.
 */
export async function ensureCache(progress: Progress): Promise<string | undefined> {
  const { sources, aptOptions } = await readRecipe('trixie');
  if (aptOptions.some((option) => /Proxy/i.test(option)) || sources.some((source) => source.includes(' https:'))) return undefined;
  const image = await ensureImage('trixie', progress, join(import.meta.dirname, '../lab/cache'));
  // The engine's own address: every container reaches it, whatever network it is in, and it is not one of the world's.
  const address = await docker(['network', 'inspect', 'bridge', '--format', '{{(index .IPAM.Config 0).Gateway}}']);
  await run(image, address);
  if (await answers(address)) return `http://${address}:${port}`;
  progress(`the package cache does not answer at ${address}:${port}, so machines do without; docker logs ${container} may say why`);
  return undefined;
}

async function run(image: string, address: string): Promise<void> {
  const found = await docker(['container', 'ls', '--all', '--filter', `name=^${container}$`, '--format', '{{.Image}} {{.State}}']);
  if (found === `${image} running`) return;
  if (found !== '') await docker(['rm', '--force', container]);
  const volume = `${container}:/var/cache/apt-cacher-ng`;
  await docker(['run', '--detach', '--name', container, '--network', 'host', '--volume', volume, image, `BindAddress=${address}`]);
}

async function answers(address: string): Promise<boolean> {
  for (let tries = 0; tries < 20; tries++) {
    const socket = connect({ host: address, port });
    try {
      await once(socket, 'connect');
      return true;
    } catch {
      await sleep(250);
    } finally {
      socket.destroy();
    }
  }
  return false;
}
