import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import { watchScreen } from '../../src/engine/screen.ts';
import { dialHere } from './local-shell.ts';

const servers: Server[] = [];
const streams: Duplex[] = [];
afterEach(() => {
  for (const stream of streams.splice(0)) stream.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** A frame as servers send it: of at most 125 bytes, unmasked. */
function frame(opcode: number, bytes: readonly number[]): Buffer {
  return Buffer.from([0x80 | opcode, bytes.length, ...bytes]);
}
const text = (words: string): number[] => [...Buffer.from(words)];
const version = text('RFB 003.008\n');
const about = [2, 208, 1, 144, ...new Array<number>(16).fill(0), 0, 0, 0, 4, ...text('QEMU')];
const picture = [0, 0, 0, 1, 0, 0, 0, 0];

/** A console proxy that says these messages, one for each that it hears; the first unasked. `undefined`: it closes. */
async function proxy(says: readonly (readonly number[] | undefined)[]): Promise<{ url: URL; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer();
  server.on('upgrade', (request, stream: Duplex) => {
    streams.push(stream);
    asked.push(request.url!);
    const key = `${request.headers['sec-websocket-key']!}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    stream.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: binary\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    const left = [...says];
    const say = (): void => {
      if (left.length === 0) return;
      const bytes = left.shift();
      if (bytes) stream.write(frame(2, bytes));
      else stream.end(frame(8, [0x03, 0xe8]));
    };
    say();
    stream.on('data', say);
    stream.on('error', () => undefined);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: new URL(`http://127.0.0.1:${port}/vnc_lite.html?path=%3Ftoken%3Dt1`), asked };
}

test('a picture of the screen', async () => {
  const { url, asked } = await proxy([version, [1, 1], [0, 0, 0, 0], about, picture]);
  expect(await watchScreen(url, dialHere)).toBe('720x400');
  expect(asked).toEqual(['/?token=t1']);
});

test.each<[string, readonly (readonly number[] | undefined)[], string]>([
  ['no VNC', [text('HTTP/1.1 400\n')], 'the console does not speak RFB: "HTTP/1.1 400"'],
  ['a password', [version, [1, 2]], 'the console wants a login of the kinds 2'],
  ['nobody is let in', [version, [1, 1], [0, 0, 0, 1]], 'the console lets nobody in (1)'],
  [
    'a name that does not end',
    [version, [1, 1], [0, 0, 0, 0], [...about.slice(0, 20), 255, 255, 255, 255]],
    'the console has a name of 4294967295 bytes',
  ],
  ['no picture', [version, [1, 1], [0, 0, 0, 0], about, [0, 0, 0, 0]], 'the console sends an empty picture'],
  ['an end', [undefined], 'the console was closed (1000) before it showed a picture'],
])('%s', async (_, says, why) => {
  const { url } = await proxy(says);
  await expect(watchScreen(url, dialHere)).rejects.toThrow(why);
});

test('nobody there', async () => {
  await expect(watchScreen(new URL('http://127.0.0.1:1/?path=x'), dialHere)).rejects.toThrow('the console proxy does not open a WebSocket');
});
