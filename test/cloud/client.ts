// A user of the cloud's APIs, past Cellwise.
import { setTimeout as delay } from 'node:timers/promises';

export interface Server {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly 'OS-EXT-SRV-ATTR:host': string | null;
  readonly 'OS-EXT-STS:task_state': string | null;
  readonly fault?: { readonly message: string };
}

export class Client {
  readonly #token: string;
  readonly #endpoints: ReadonlyMap<string, string>;

  private constructor(token: string, endpoints: ReadonlyMap<string, string>) {
    this.#token = token;
    this.#endpoints = endpoints;
  }

  /** Logs in to the project admin; `keystone`: http://HOST:PORT. */
  static async login(keystone: string, password: string): Promise<Client> {
    const user = { name: 'admin', domain: { id: 'default' }, password };
    const scope = { project: { name: 'admin', domain: { id: 'default' } } };
    const body = JSON.stringify({ auth: { identity: { methods: ['password'], password: { user } }, scope } });
    const answer = await fetch(`${keystone}/v3/auth/tokens`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const { token } = (await answer.json()) as { token: { catalog: { type: string; endpoints: { interface: string; url: string }[] }[] } };
    const endpoints = token.catalog.map(
      ({ type, endpoints: all }) => [type, all.find((each) => each.interface === 'public')!.url] as const,
    );
    return new Client(answer.headers.get('x-subject-token')!, new Map(endpoints));
  }

  /** Where a service is, says the catalogue. */
  endpoint(service: string): string {
    return this.#endpoints.get(service)!;
  }

  /** What there is at a URL; throws what is answered instead. */
  async bytes(url: string, method = 'GET', body?: Buffer, headers: Readonly<Record<string, string>> = {}): Promise<Buffer> {
    const answer = await fetch(url, {
      method,
      headers: { 'x-auth-token': this.#token, ...headers },
      ...(body === undefined ? {} : { body: new Uint8Array(body) }),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (answer.status >= 400) throw new Error(`${method} ${url}: ${answer.status} ${bytes.toString()}`);
    return bytes;
  }

  async ask(service: string, method: string, path: string, body?: unknown): Promise<unknown> {
    const text = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const answer = await this.bytes(this.endpoint(service) + path, method, text, {
      'content-type': 'application/json',
      'openstack-api-version': `${service} ${service === 'placement' ? '1.36' : '2.96'}`,
    });
    return answer.length === 0 ? undefined : (JSON.parse(answer.toString()) as unknown);
  }

  async get<T>(service: string, path: string): Promise<T> {
    return (await this.ask(service, 'GET', path)) as T;
  }

  async #id(service: string, path: string, list: string, name: string): Promise<string> {
    const found = (await this.get<Record<string, { id: string; name: string }[]>>(service, path))[list]!.find((each) => each.name === name);
    if (!found) throw new Error(`There is no ${name} in ${list}`);
    return found.id;
  }

  /** Boots a machine and waits until it runs; on `host` if that is given. */
  async boot(name: string, options: { readonly flavor: string; readonly network: string; readonly host?: string }): Promise<Server> {
    const server = {
      name,
      imageRef: await this.#id('image', '/v2/images', 'images', 'tiny'),
      flavorRef: await this.#id('compute', '/flavors', 'flavors', options.flavor),
      networks: [{ uuid: await this.#id('network', '/v2.0/networks', 'networks', options.network) }],
      ...(options.host === undefined ? {} : { host: options.host }),
    };
    const body = await this.ask('compute', 'POST', '/servers', { server });
    return this.until((body as { server: { id: string } }).server.id, 'ACTIVE');
  }

  async server(id: string): Promise<Server> {
    return (await this.get<{ server: Server }>('compute', `/servers/${id}`)).server;
  }

  async act(id: string, body: unknown): Promise<void> {
    await this.ask('compute', 'POST', `/servers/${id}/action`, body);
  }

  /** Waits until a machine is in a state, for ten minutes: it may be emulated on a busy machine. */
  async until(id: string, status: string): Promise<Server> {
    for (let waited = 0; ; waited += 1) {
      const server = await this.server(id);
      if (server.status === status && server['OS-EXT-STS:task_state'] === null) return server;
      if (server.status === 'ERROR' || waited === 600)
        throw new Error(`${server.name} is ${server.status}: ${server.fault?.message ?? ''}`);
      await delay(1000);
    }
  }

  /** The last lines of its console. */
  async console(id: string): Promise<string> {
    const body = await this.ask('compute', 'POST', `/servers/${id}/action`, { 'os-getConsoleOutput': { length: 20 } });
    return (body as { output: string }).output;
  }

  /** What the console proxy of a machine's cell sends first, and where it is. */
  async screen(id: string): Promise<{ readonly host: string; readonly banner: string }> {
    const body = await this.ask('compute', 'POST', `/servers/${id}/remote-consoles`, {
      remote_console: { protocol: 'vnc', type: 'novnc' },
    });
    const url = new URL((body as { remote_console: { url: string } }).remote_console.url);
    const socket = new WebSocket(`ws://${url.host}/${url.searchParams.get('path') ?? ''}`, ['binary']);
    socket.binaryType = 'arraybuffer';
    const banner = await new Promise<string>((resolve, reject) => {
      const fail = (): void => {
        reject(new Error(`No screen at ${url.host}`));
      };
      socket.addEventListener('message', ({ data }) => {
        resolve(Buffer.from(data as ArrayBuffer).toString('latin1'));
      });
      socket.addEventListener('error', fail);
      socket.addEventListener('close', fail);
    });
    socket.close();
    return { host: url.hostname, banner };
  }

  async remove(id: string): Promise<void> {
    await this.ask('compute', 'DELETE', `/servers/${id}`);
  }
}
