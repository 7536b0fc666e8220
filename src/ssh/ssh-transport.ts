import type { Duplex } from 'node:stream';
import type { Client, ClientChannel } from 'ssh2';
import { Unreachable } from '../base/shell.ts';
import type { Channel, Ending, Transport } from './channel.ts';
import type { Destination } from './failures.ts';

/** A Transport over one ssh2 connection. */
export class SshTransport implements Transport {
  /** Settles when the connection has ended. */
  readonly closed: Promise<void>;
  readonly #client: Client;
  readonly #to: Destination;
  #error: string | undefined;
  #over = false;

  constructor(client: Client, to: Destination) {
    this.#client = client;
    this.#to = to;
    client.on('error', (error) => {
      this.#error ??= error.message;
    });
    this.closed = new Promise((resolve) => {
      client.on('close', () => {
        this.#over = true;
        resolve();
      });
    });
  }

  exec(command: string): Promise<Channel> {
    return this.#ask((done) => this.#client.exec(command, done)).then((stream) => this.#channel(stream as ClientChannel));
  }

  dial(address: string, port: number): Promise<Duplex> {
    return this.#ask((done) => this.#client.forwardOut('127.0.0.1', 0, address, port, done)).then((stream) => {
      // Whoever uses the connection listens for its errors too; until then they must not end the process.
      stream.on('error', () => undefined);
      return stream;
    });
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#client.end();
    setTimeout(() => {
      this.#client.destroy();
    }, 1000).unref();
  }

  #ask(start: (done: (error: Error | undefined, stream: ClientChannel) => void) => void): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      void this.closed.then(() => {
        reject(this.#lost());
      });
      try {
        start((error, stream) => {
          if (error) reject(error);
          else resolve(stream);
        });
      } catch {
        // ssh2 throws when the connection is no more.
        reject(this.#lost());
      }
    });
  }

  #channel(stream: ClientChannel): Channel {
    const ignore = () => undefined;
    stream.on('error', ignore);
    stream.stderr.on('error', ignore);
    const closed = new Promise<Ending>((resolve) => {
      let ending: Ending = {};
      stream.on('exit', (code: number | null, signal?: string) => {
        ending = { code: code ?? undefined, signal };
      });
      stream.on('close', () => {
        resolve(ending);
      });
      void this.closed.then(() => {
        resolve({ ...ending, error: this.#error ?? 'the connection was closed' });
      });
    });
    return {
      input: stream,
      output: stream,
      errors: stream.stderr,
      closed,
      destroy: () => {
        stream.destroy();
        stream.resume();
        stream.stderr.resume();
      },
    };
  }

  #lost(): Unreachable {
    return new Unreachable(this.#to.host, 'lost', `The connection to ${this.#to.host} was lost: ${this.#error ?? 'it was closed'}`);
  }
}
