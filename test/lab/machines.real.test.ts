import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { ensureCache } from '../../src/lab/cache.ts';
import { docker } from '../../src/lab/docker.ts';
import { startMachine } from '../machines.ts';

test('a machine boots, answers by name, runs scripts, and is gone after stop', async () => {
  const machine = await startMachine({ name: 'ctl1' });
  expect(machine.hostKey).toMatch(/^ssh-ed25519 AAAA\S+$/);
  expect(await machine.exec('hostname; echo no >&2; exit 3')).toEqual({ code: 3, out: 'ctl1\n', err: 'no\n' });
  await new Promise((resolve, reject) => connect(machine.port, machine.address).on('error', reject).once('data', resolve));
  await machine.stop();
  expect(await docker(['ps', '--all', '--quiet', '--filter', `id=${machine.container}`])).toBe('');
});

test('apt works, through the package cache if there is one', async () => {
  const machine = await startMachine();
  const cache = await ensureCache(() => undefined);
  expect((await machine.exec('apt-config dump --format "%v" Acquire::http::Proxy')).out).toBe(cache ?? '');
  expect(await machine.exec('apt-get -qq update && apt-get -qq --download-only install less')).toMatchObject({ code: 0 });
  await machine.stop();
});

test('kernel parameters of the network can be set; those of the real machine cannot', async () => {
  const machine = await startMachine();
  expect((await machine.exec('echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind')).code).toBe(0);
  expect((await machine.exec('cat /proc/sys/vm/swappiness >/proc/sys/vm/swappiness')).code).not.toBe(0);
  expect((await machine.exec('date -s "2001-01-01"')).code).not.toBe(0);
  await machine.stop();
});
