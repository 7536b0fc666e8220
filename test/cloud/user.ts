import { expect } from 'vitest';
import type { TestCloud } from '../cli/test-cloud.ts';

/** Runs a command of the OpenStack client as the cloud's administrator. */
export function openstack(cloud: TestCloud, controller: string, words: string): Promise<string> {
  return cloud.on(controller, `. /root/admin-openrc && openstack ${words}`).then((out) => out.trim());
}

/** Boots a machine on a compute host and waits until it has said that it is up. */
export async function boot(cloud: TestCloud, controller: string, name: string, host: string): Promise<void> {
  const words = `--image tiny --flavor m1.tiny --network inner --availability-zone :${host}`;
  await openstack(cloud, controller, `server create ${words} ${name} -f value -c id`);
  const status = () => openstack(cloud, controller, `server show ${name} -f value -c status`);
  await expect.poll(status, { timeout: 180_000, interval: 3000 }).toBe('ACTIVE');
  const said = () => openstack(cloud, controller, `console log show ${name} 2>/dev/null || true`);
  await expect.poll(said, { timeout: 300_000, interval: 5000 }).toContain('TINY READY');
}

/** What the console proxy of a machine's cell sends first. */
export async function screen(
  cloud: TestCloud,
  controller: string,
  name: string,
): Promise<{ readonly host: string; readonly banner: string }> {
  const url = new URL(await openstack(cloud, controller, `console url show --novnc ${name} -f value -c url`));
  const path = url.searchParams.get('path') ?? '';
  const socket = new WebSocket(`ws://${url.host}/${path}`, ['binary']);
  socket.binaryType = 'arraybuffer';
  const banner = await new Promise<string>((resolve, reject) => {
    socket.addEventListener('message', ({ data }) => { resolve(Buffer.from(data as ArrayBuffer).toString('latin1')); });
    socket.addEventListener('error', () => { reject(new Error(`No console at ${url.host}`)); });
    socket.addEventListener('close', ({ code }) => { reject(new Error(`The console at ${url.host} was closed: ${code}`)); });
  });
  socket.close();
  return { host: url.hostname, banner };
}
