import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

/** Opens a TCP connection from where the cloud can be reached. */
export type Dial = (address: string, port: number) => Promise<Duplex>;

/** Milliseconds. */
const limit = 30_000;
/** Bytes: a picture of the largest screen, and a name. */
const most = { all: 64 * 1024 * 1024, name: 4096 };

/**
 * Opens a noVNC console by its URL, as the page at the URL does, and waits for a picture; returns its size, `WIDTHxHEIGHT`.
 * Rejects with what went wrong.
 */
export async function watchScreen(url: URL, dial: Dial): Promise<string> {
  const path = url.searchParams.get('path') ?? '';
  // The platform's WebSocket dials by itself: what it dials is the way to the cloud.
  const tunnel = createServer((socket) => {
    socket.on('error', () => undefined);
    dial(url.hostname, Number(url.port || '80')).then(
      (stream) => {
        stream.on('error', () => socket.destroy());
        let size = 0;
        stream.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > most.all) stream.destroy();
        });
        stream.pipe(socket).pipe(stream);
      },
      () => socket.destroy(),
    );
  });
  tunnel.listen(0, '127.0.0.1');
  await once(tunnel, 'listening');
  const { port } = tunnel.address() as AddressInfo;
  const socket = new WebSocket(`ws://127.0.0.1:${port}/${path.replace(/^\//, '')}`, ['binary']);
  socket.binaryType = 'arraybuffer';
  try {
    return await picture(socket);
  } finally {
    socket.close();
    tunnel.close();
  }
}

function picture(socket: WebSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error('the console shows no picture'));
    }, limit);
    const end = (finish: () => void): void => {
      clearTimeout(timer);
      finish();
    };
    const talk = viewer();
    let heard = Buffer.alloc(0);
    // How many bytes it waits for.
    let step = talk.next();
    socket.addEventListener('message', ({ data }) => {
      heard = Buffer.concat([heard, Buffer.from(data)]);
      try {
        while (!step.done && (step.value.say !== undefined || heard.length >= step.value.hear)) {
          const { say, hear } = step.value;
          if (say !== undefined) socket.send(say);
          step = talk.next(heard.subarray(0, hear));
          heard = heard.subarray(hear);
        }
        if (step.done) {
          const size = step.value;
          end(() => {
            resolve(size);
          });
        }
      } catch (error) {
        end(() => {
          reject(error instanceof Error ? error : new Error(String(error)));
        });
      }
    });
    socket.addEventListener('close', ({ code, reason }) => {
      end(() => {
        reject(new Error(`the console was closed (${code}${reason === '' ? '' : `: ${reason}`}) before it showed a picture`));
      });
    });
    socket.addEventListener('error', () => {
      end(() => {
        reject(new Error('the console proxy does not open a WebSocket'));
      });
    });
  });
}

type Turn = { readonly hear: number; readonly say?: undefined } | { readonly hear: 0; readonly say: Uint8Array };

/** The part of a viewer in RFB 3.8 (RFC 6143) up to the first picture: yields what it says, or how much it wants to hear. */
function* viewer(): Generator<Turn, string, Buffer> {
  const hear = function* (bytes: number): Generator<Turn, Buffer, Buffer> {
    return yield { hear: bytes };
  };
  const say = function* (...bytes: readonly number[]): Generator<Turn, void, Buffer> {
    yield { hear: 0, say: Uint8Array.from(bytes) };
  };
  const version = (yield* hear(12)).toString('latin1');
  if (!version.startsWith('RFB ')) throw new Error(`the console does not speak RFB: ${JSON.stringify(version)}`);
  yield { hear: 0, say: Buffer.from('RFB 003.008\n') };
  const kinds = yield* hear((yield* hear(1))[0]!);
  const none = 1;
  if (!kinds.includes(none)) throw new Error(`the console wants a login of the kinds ${[...kinds].join(', ')}`);
  yield* say(none);
  const result = (yield* hear(4)).readUInt32BE();
  if (result !== 0) throw new Error(`the console lets nobody in (${result})`);
  const shared = 1;
  yield* say(shared);
  const about = yield* hear(24);
  const [width, height] = [about.readUInt16BE(0), about.readUInt16BE(2)];
  const name = about.readUInt32BE(20);
  if (name > most.name) throw new Error(`the console has a name of ${name} bytes`);
  yield* hear(name);
  // All of the screen, whether it has changed or not.
  yield* say(3, 0, 0, 0, 0, 0, width >> 8, width & 255, height >> 8, height & 255);
  const [message, , high, low] = yield* hear(4);
  if (message !== 0) throw new Error(`the console answers ${message} instead of a picture`);
  if ((high! << 8) + low! === 0) throw new Error('the console sends an empty picture');
  return `${width}x${height}`;
}
