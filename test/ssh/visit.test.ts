import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { generateKey } from '../../src/ssh/key.ts';
import { visit } from '../../src/ssh/visit.ts';
import { startServer } from './server.ts';

test('a machine that nobody knows lets a new key in, runs a command, and is left', async () => {
  const { privateKey, publicKey } = generateKey('new');
  const server = await startServer({ accepts: [{ path: '', line: publicKey }] });
  const stream = connect(server.port, '127.0.0.1');
  const visitor = { user: 'root', privateKey };
  expect(await visit(stream, visitor, 'echo here; echo there >&2; exit 3', 20)).toEqual({
    code: 3,
    printed: expect.stringMatching(/^(here\nthere|there\nhere)\n$/) as string,
  });
  expect(stream.destroyed).toBe(true);
  server.close();
});

test('a machine that prints without end is left', async () => {
  const { privateKey, publicKey } = generateKey('new');
  const server = await startServer({ accepts: [{ path: '', line: publicKey }] });
  const stream = connect(server.port, '127.0.0.1');
  const visitor = { user: 'root', privateKey };
  await expect(visit(stream, visitor, 'head -c 100000000 /dev/zero', 20)).rejects.toThrow('it prints more than 1048576 bytes');
  expect(stream.destroyed).toBe(true);
  server.close();
});

test('a key that is not known is not let in', async () => {
  const server = await startServer();
  const stream = connect(server.port, '127.0.0.1');
  const { privateKey } = generateKey('other');
  await expect(visit(stream, { user: 'root', privateKey }, 'true', 20)).rejects.toThrow(/authentication methods failed/);
  server.close();
});

test('one that says nothing is not waited for', async () => {
  const { privateKey, publicKey } = generateKey('new');
  const deaf = await startServer({ accepts: [{ path: '', line: publicKey }], exec: () => undefined });
  await expect(visit(connect(deaf.port, '127.0.0.1'), { user: 'root', privateKey }, 'true', 2)).rejects.toThrow('no answer within 2 s');
  deaf.close();
});
