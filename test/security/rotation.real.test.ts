// A value that was changed can be taken back until all hosts have the new one.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cellwise, type Ended } from '../cli/process.ts';
import { startMachine, type Machine } from '../machines.ts';
import { newDirectory, writeRoles } from '../roles/directories.ts';

let machine: Machine;
let inventory: string;
const run = (...words: string[]): Promise<Ended> => cellwise([...words, '-i', inventory]);

beforeAll(async () => {
  machine = await startMachine({ name: 'ctl1' });
  const params = { token: { type: 'string', format: 'secret', description: 'A token.' } };
  const roles = writeRoles({ mine: { params, steps: [{ file: '/etc/mine', content: '{{token}}' }] } });
  inventory = join(newDirectory(), 'one.yaml');
  const ssh = `{user: root, port: ${machine.port}, agent: false, config: false, identity: ${machine.identity}}`;
  writeFileSync(
    inventory,
    `cloud: {name: one, release: "2025.1", services: [mine]}
networks: {management: {cidr: 0.0.0.0/0}}
roles: [${roles}]
ssh: ${ssh}
hosts: {ctl1: {address: ${machine.address}, kind: controller, ssh: {host_key: ${machine.hostKey}}}}
`,
  );
});
afterAll(async () => {
  await machine.stop();
});

const onHost = async (): Promise<string> => (await machine.exec('cat /etc/mine')).out;
const value = async (): Promise<string> => (await run('secrets', 'show', 'mine.token')).out.trim();

it('an apply of all forgets the former value; one that failed, or was of a part, does not', async () => {
  const applied = await run('apply', '--yes');
  expect(applied.code, applied.out + applied.err).toBe(0);
  const first = await value();
  expect(await onHost()).toBe(first);

  expect((await run('secrets', 'rotate', 'mine.token')).code).toBe(0);
  expect((await run('apply', '--yes', '--only', 'role:mine')).code).toBe(0);
  expect(await onHost()).toBe(await value());
  expect((await run('secrets', 'undo', 'mine.token')).code).toBe(0);
  expect(await value()).toBe(first);

  expect((await run('secrets', 'rotate', 'mine.token')).code).toBe(0);
  await machine.exec('rm /etc/mine; mkdir /etc/mine');
  expect((await run('apply', '--yes')).code).toBe(1);
  await machine.exec('rmdir /etc/mine');
  expect((await run('secrets', 'undo', 'mine.token')).code).toBe(0);

  expect((await run('secrets', 'rotate', 'mine.token')).code).toBe(0);
  expect((await run('apply', '--yes')).code).toBe(0);
  expect(await onHost()).toBe(await value());
  expect(await run('secrets', 'undo', 'mine.token')).toMatchObject({ code: 3, err: expect.stringContaining('no former value') as string });
}, 240_000);
