import type { Duplex } from 'node:stream';
import ssh2 from 'ssh2';

/** Bytes of what it prints: it is somebody else's machine. */
const most = 1024 * 1024;

export interface Visitor {
  readonly user: string;
  /** In OpenSSH's format. */
  readonly privateKey: string;
}

/**
 * Logs in over a stream that stands, runs one command and leaves; at most `seconds`. For machines that were made a moment ago:
 * nobody knows their host key yet, so any is accepted. Rejects when nobody is let in.
 */
export function visit(
  stream: Duplex,
  { user, privateKey }: Visitor,
  command: string,
  seconds: number,
): Promise<{ readonly code: number; readonly printed: string }> {
  const client = new ssh2.Client();
  const late = AbortSignal.timeout(seconds * 1000);
  return new Promise<{ code: number; printed: string }>((resolve, reject) => {
    late.addEventListener('abort', () => {
      reject(new Error(`no answer within ${seconds} s`));
    });
    client.on('error', reject);
    client.on('close', () => {
      reject(new Error('the connection was closed'));
    });
    client.on('ready', () => {
      client.exec(command, (error, channel) => {
        if (error) {
          reject(error);
          return;
        }
        const chunks: Buffer[] = [];
        let [size, code] = [0, 255];
        const hear = (chunk: Buffer): void => {
          size += chunk.length;
          if (size > most) reject(new Error(`it prints more than ${most} bytes`));
          else chunks.push(chunk);
        };
        channel.on('data', hear);
        channel.stderr.on('data', hear);
        channel.on('exit', (ended: number | null) => {
          code = ended ?? 255;
        });
        channel.on('close', () => {
          resolve({ code, printed: Buffer.concat(chunks).toString() });
        });
      });
    });
    client.connect({ sock: stream, username: user, privateKey, readyTimeout: seconds * 1000, hostVerifier: () => true });
  }).finally(() => {
    client.destroy();
    stream.destroy();
  });
}
