import { connect as connectTcp } from 'node:net';
import type { Duplex } from 'node:stream';
import { reveal } from '../base/secret.ts';
import type { ApiAnswer } from '../resources/define.ts';
import { visit } from '../ssh/visit.ts';
import type { Deed } from '../trials/define.ts';
import { http } from './api.ts';
import { watchScreen } from './screen.ts';
import type { Work } from './work.ts';

/** Milliseconds. */
const pause = 2000;
const knockLimit = 5000;
const pageLimit = 120_000;
/** Bytes of a page. */
const pageMost = 8 * 1024 * 1024;
/** Seconds. */
const loginLimit = 30;

/** Does what users do besides asking APIs. One for each trial: a browser's cookies are its own. */
export class User {
  readonly #work: Work;
  readonly #host: string;
  readonly #privateKey: string;
  readonly #cookies = new Map<string, string>();

  /** `host`: where browsers stand; floating IPs are also tried from here. */
  constructor(work: Work, host: string, privateKey: string) {
    this.#work = work;
    this.#host = host;
    this.#privateKey = privateKey;
  }

  async do(deed: Deed): Promise<ApiAnswer> {
    switch (deed.deed) {
      case 'wait':
        await this.#work.clock.sleep(pause);
        return { status: 200, body: '' };
      case 'page':
        return this.#page(
          deed.url,
          deed.form && Object.fromEntries(Object.entries(deed.form).map(([name, value]) => [name, reveal(value)])),
        );
      case 'knock': {
        const stream = await this.#reach(deed.address, deed.port);
        stream?.destroy();
        return { status: stream ? 200 : 0, body: '' };
      }
      case 'login':
        return this.#login(deed);
      case 'screen':
        return { status: 200, body: await watchScreen(new URL(deed.url), this.#dial) };
    }
  }

  readonly #dial = (address: string, port: number): Promise<Duplex> => this.#work.shell(this.#host).dial(address, port);

  async #login({ address, user, command }: Extract<Deed, { deed: 'login' }>): Promise<ApiAnswer> {
    const stream = await this.#reach(address, 22);
    if (!stream) return { status: 255, body: 'nobody answers' };
    try {
      const { code, printed } = await visit(stream, { user, privateKey: this.#privateKey }, command, loginLimit);
      return { status: code, body: printed };
    } catch (error) {
      return { status: 255, body: error instanceof Error ? error.message : String(error) };
    }
  }

  /**
   * Who reaches floating IPs differs: this machine, as it is for users, or the cloud's hosts. Whichever is answered first;
   * undefined when none is.
   */
  async #reach(address: string, port: number): Promise<Duplex | undefined> {
    const open: Duplex[] = [];
    let over = false;
    const keep = (stream: Duplex): Duplex => {
      stream.on('error', () => undefined);
      if (over) stream.destroy();
      open.push(stream);
      return stream;
    };
    const late = new Promise<undefined>((resolve) => {
      setTimeout(() => {
        resolve(undefined);
      }, knockLimit).unref();
    });
    const ways = [dialHere(address, port), this.#dial(address, port)].map((way) => way.then(keep));
    const first = await Promise.race([Promise.any(ways).catch(() => undefined), late]);
    over = true;
    for (const stream of open) if (stream !== first) stream.destroy();
    return first;
  }

  /** As a browser asks: with the cookies that it was given, and on to where it is sent. */
  async #page(url: string, form?: Readonly<Record<string, string>>, hops = 5): Promise<ApiAnswer> {
    const { hostname, port, pathname, search, host } = new URL(url);
    const body = form && new URLSearchParams(form).toString();
    const stream = await this.#dial(hostname, Number(port || '80'));
    const { status, location, text } = await new Promise<{ status: number; location: string | undefined; text: string }>(
      (resolve, reject) => {
        const outgoing = http().request(
          {
            createConnection: () => stream,
            method: body === undefined ? 'GET' : 'POST',
            path: pathname + search,
            headers: {
              host,
              connection: 'close',
              cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; '),
              ...(body === undefined
                ? {}
                : { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body), referer: url }),
            },
          },
          (incoming) => {
            for (const cookie of incoming.headers['set-cookie'] ?? []) {
              const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
              if (name !== undefined && value !== undefined) this.#cookies.set(name, value);
            }
            const chunks: Buffer[] = [];
            let size = 0;
            incoming.on('data', (chunk: Buffer) => {
              size += chunk.length;
              if (size > pageMost) outgoing.destroy(new Error(`${url} is longer than ${pageMost} bytes`));
              else chunks.push(chunk);
            });
            incoming.on('error', reject);
            incoming.on('end', () => {
              const { location } = incoming.headers;
              resolve({ status: incoming.statusCode ?? 0, location, text: Buffer.concat(chunks).toString() });
            });
          },
        );
        const late = setTimeout(() => {
          outgoing.destroy(new Error(`${url} was not answered within ${pageLimit / 1000} s`));
        }, pageLimit);
        outgoing.on('close', () => {
          clearTimeout(late);
        });
        outgoing.on('error', reject);
        outgoing.end(body);
      },
    );
    if (status < 300 || status >= 400 || location === undefined || hops === 0) return { status, body: text };
    return this.#page(new URL(location, url).href, undefined, hops - 1);
  }
}

function dialHere(address: string, port: number): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: address, port, noDelay: true });
    socket.setTimeout(knockLimit, () => socket.destroy(new Error('timed out')));
    socket.once('connect', () => {
      socket.setTimeout(0);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}
