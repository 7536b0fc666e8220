import { createServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Secret } from '../../src/base/secret.ts';
import { User } from '../../src/engine/deeds.ts';
import type { Work } from '../../src/engine/work.ts';
import { dialHere } from './local-shell.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});
const listen = async (server: Server): Promise<number> => {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};
/** A user who stands on this machine. */
const user = () => new User({ shell: () => ({ dial: dialHere }) } as unknown as Work, 'ctl1', 'no key');

test('a browser keeps cookies, sends forms, and goes where it is sent', async () => {
  const heard: string[] = [];
  const port = await listen(
    createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method, url, headers } = request;
        heard.push(`${method!} ${url!} ${headers.cookie ?? ''} ${Buffer.concat(chunks).toString()}`);
        if (url === '/login' && method === 'GET') response.setHeader('set-cookie', ['csrf=1; path=/', 'old=x']).end('form');
        else if (url === '/login')
          response.writeHead(302, { location: '/home?a=b', 'set-cookie': ['old=y', 'session=2=2; HttpOnly'] }).end();
        else response.writeHead(url === '/home?a=b' ? 200 : 404).end('home');
      });
    }),
  );
  const browser = user();
  const url = `http://127.0.0.1:${port}/login`;
  expect(await browser.do({ deed: 'page', url })).toEqual({ status: 200, body: 'form' });
  const form = { name: 'a b', password: Secret.of('x', 'c&d') };
  expect(await browser.do({ deed: 'page', url, form })).toEqual({ status: 200, body: 'home' });
  expect(await browser.do({ deed: 'page', url: `http://127.0.0.1:${port}/none` })).toEqual({ status: 404, body: 'home' });
  expect(heard).toEqual([
    'GET /login  ',
    'POST /login csrf=1; old=x name=a+b&password=c%26d',
    'GET /home?a=b csrf=1; old=y; session=2=2 ',
    'GET /none csrf=1; old=y; session=2=2 ',
  ]);
});

test('a page that does not end is not read to its end', async () => {
  const port = await listen(
    createServer((_, response) => {
      const more = (): void => {
        if (!response.destroyed) response.write('x'.repeat(1 << 20), more);
      };
      more();
    }),
  );
  await expect(user().do({ deed: 'page', url: `http://127.0.0.1:${port}/` })).rejects.toThrow(/is longer than 8388608 bytes/);
});

test('a port is open or not', async () => {
  const port = await listen(createTcpServer((socket) => socket.on('error', () => undefined)));
  expect(await user().do({ deed: 'knock', address: '127.0.0.1', port })).toMatchObject({ status: 200 });
  expect(await user().do({ deed: 'knock', address: '127.0.0.1', port: 1 })).toMatchObject({ status: 0 });
});

test('nobody is at home', async () => {
  const login = { deed: 'login', address: '127.0.0.99', user: 'root', command: 'true' } as const;
  expect(await user().do(login)).toMatchObject({ status: 255 });
});
