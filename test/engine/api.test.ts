import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Secret } from '../../src/base/secret.ts';
import { DataFailed, openApis, type ApiHosts, type ApiSession } from '../../src/engine/api.ts';
import type { Api } from '../../src/plan/plan.ts';
import type { ApiAnswer, ApiRequest } from '../../src/resources/define.ts';
import { runHere } from '../resources/converge.ts';
import { dialHere } from './local-shell.ts';

const canary = 'cAnArY';
interface Heard {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}
type Answer = (heard: Heard, response: ServerResponse) => void;

const servers: { close(): unknown; closeAllConnections?(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections?.();
    server.close();
  }
});

/** A server here, and the APIs of a cloud that are on it. Tokens are t1, t2, …; only the newest is good. */
async function cloud(
  answer: Answer,
  path = '',
): Promise<{ apis: Map<string, Api>; heard: Heard[]; logins: () => number; expire: () => void }> {
  const heard: Heard[] = [];
  let logins = 0;
  let good = '';
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const one = {
        method: request.method!,
        path: request.url!,
        headers: request.headers,
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      };
      heard.push(one);
      if (one.path === `${path}/v3/auth/tokens`) {
        good = `t${(logins += 1)}`;
        response.writeHead(201, { 'x-subject-token': good }).end('{}');
      } else if (one.headers['x-auth-token'] !== undefined && one.headers['x-auth-token'] !== good) {
        response.writeHead(401).end('{}');
      } else {
        answer(one, response);
      }
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
  const login = { user: 'admin', password: Secret.of('keystone.admin_password', canary), project: 'admin', region: 'RegionOne' };
  return {
    heard,
    logins: () => logins,
    expire: () => {
      good = 'none';
    },
    apis: new Map([
      ['identity', { service: 'identity', host: 'ctl1', url, login }],
      ['image', { service: 'image', host: 'ctl2', url }],
    ]),
  };
}

const json =
  (body: unknown, status = 200): Answer =>
  (_, response) => {
    response.writeHead(status).end(JSON.stringify(body));
  };
const hosts: ApiHosts = {
  dial: (_, address, port) => dialHere(address, port),
  mend: (_, command) => runHere(command),
};
const dialing = (dial: ApiHosts['dial']): ApiHosts => ({ ...hosts, dial });

function* asking(...requests: (Partial<ApiRequest> & { path: string })[]): Generator<ApiRequest, ApiAnswer[], ApiAnswer> {
  const answers: ApiAnswer[] = [];
  for (const request of requests) answers.push(yield { service: 'identity', method: 'GET', ...request });
  return answers;
}
const ask = (session: ApiSession, ...requests: (Partial<ApiRequest> & { path: string })[]): Promise<ApiAnswer[]> =>
  session.follow(asking(...requests));

describe('talking to an API', () => {
  it('logs in once, with the password on the wire alone, and shows its token', async () => {
    const { apis, heard, logins } = await cloud(json({ projects: [] }));
    const session = openApis(apis, hosts);
    expect(await ask(session, { path: '/v3/projects?name=a%20b' }, { path: '/v3/users' })).toEqual([
      { status: 200, body: { projects: [] } },
      { status: 200, body: { projects: [] } },
    ]);
    expect(logins()).toBe(1);
    expect(session.requests).toBe(3);
    expect(heard[0]).toMatchObject({
      method: 'POST',
      path: '/v3/auth/tokens',
      body: {
        auth: {
          identity: { methods: ['password'], password: { user: { name: 'admin', domain: { id: 'default' }, password: canary } } },
          scope: { project: { name: 'admin', domain: { id: 'default' } } },
        },
      },
    });
    expect(heard[1]).toMatchObject({
      method: 'GET',
      path: '/v3/projects?name=a%20b',
      headers: { 'x-auth-token': 't1', accept: 'application/json' },
    });
    expect(heard[1]!.headers.host).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(JSON.stringify(apis.get('identity'))).not.toContain(canary);
  });

  it('logs in once for many who ask at the same time', async () => {
    const { apis, logins } = await cloud(json({}));
    const session = openApis(apis, hosts);
    await Promise.all(Array.from({ length: 10 }, (_, i) => ask(session, { path: `/v3/${i}` })));
    expect(logins()).toBe(1);
    expect(session.requests).toBe(11);
  });

  it('goes through the host that the API is on, to the port of its URL', async () => {
    const { apis, heard } = await cloud(json({}), '/image');
    const dialed: string[] = [];
    const session = openApis(
      apis,
      dialing((host, address, port) => {
        dialed.push(host);
        return dialHere(address, port);
      }),
    );
    await ask(session, { service: 'image', path: '/v2/images' });
    expect(dialed).toEqual(['ctl1', 'ctl2']);
    expect(heard.map(({ path }) => path)).toEqual(['/image/v3/auth/tokens', '/image/v2/images']);
  });

  it('logs in anew when its token is no longer good, once', async () => {
    const { apis, logins, expire } = await cloud(json({}));
    const session = openApis(apis, hosts);
    await ask(session, { path: '/a' });
    expire();
    expect(await ask(session, { path: '/b' })).toEqual([{ status: 200, body: {} }]);
    expect(logins()).toBe(2);
  });

  it('gives a 401 that stays one to whoever asked', async () => {
    const { apis, logins } = await cloud(json({}, 401));
    expect(await ask(openApis(apis, hosts), { path: '/a' })).toEqual([{ status: 401, body: {} }]);
    expect(logins()).toBe(2);
  });

  it('sends no token with a question that asks for none', async () => {
    const { apis, heard, logins } = await cloud(json({}));
    const session = openApis(apis, hosts);
    await ask(session, { path: '/v3', auth: 'none' });
    expect(heard[0]!.headers['x-auth-token']).toBeUndefined();
    expect(logins()).toBe(0);
  });

  it('an answer without a token is another one than that with it', async () => {
    const { apis } = await cloud(({ headers }, response) => {
      response.writeHead(headers['x-auth-token'] === undefined ? 300 : 200).end('{}');
    });
    const answers = await ask(openApis(apis, hosts), { path: '/v3', auth: 'none' }, { path: '/v3' });
    expect(answers.map(({ status }) => status)).toEqual([300, 200]);
  });

  it('reveals secrets on the wire, deep in a body, and nowhere else', async () => {
    const { apis, heard } = await cloud(json({ ok: true }, 201));
    const body = {
      user: { name: 'ü🦀', password: Secret.of('nova', canary), list: [Secret.of('a', 'AA'), { b: Secret.of('b', 'BB') }], none: null },
    };
    const [answer] = await ask(openApis(apis, hosts), { method: 'POST', path: '/v3/users', body });
    expect(answer).toEqual({ status: 201, body: { ok: true } });
    expect(heard[1]).toMatchObject({
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: { user: { name: 'ü🦀', password: canary, list: ['AA', { b: 'BB' }], none: null } },
    });
    expect(JSON.stringify(body)).not.toContain(canary);
  });

  it('has no body where there is none', async () => {
    const { apis, heard } = await cloud(json(undefined, 204));
    expect(await ask(openApis(apis, hosts), { method: 'DELETE', path: '/v3/users/1' })).toEqual([{ status: 204, body: '' }]);
    expect(heard[1]!.headers['content-length']).toBeUndefined();
    expect(heard[1]!.headers['content-type']).toBeUndefined();
  });
});

describe('the same question', () => {
  it('is asked once until something is changed or forgotten', async () => {
    const { apis, heard } = await cloud(json({}));
    const session = openApis(apis, hosts);
    const asked = (): number => heard.filter(({ method, path }) => method === 'GET' && path === '/v3/users').length;
    await Promise.all(Array.from({ length: 5 }, () => ask(session, { path: '/v3/users' }, { path: '/v3/users' })));
    expect(asked()).toBe(1);
    await ask(session, { path: '/v3/users' }, { method: 'POST', path: '/v3/users', body: {} }, { path: '/v3/users' });
    expect(asked()).toBe(2);
    session.refresh();
    await ask(session, { path: '/v3/users' });
    expect(asked()).toBe(3);
    await ask(session, { path: '/v3/users', service: 'image' });
    expect(asked()).toBe(4);
  });

  it('that was not answered is asked again once things may have changed', async () => {
    let down = true;
    const { apis } = await cloud(json({}));
    const session = openApis(
      apis,
      dialing((...to) => (down ? Promise.reject(new Error('connection refused')) : hosts.dial(...to))),
    );
    await expect(ask(session, { path: '/a' })).rejects.toThrow('connection refused');
    down = false;
    session.refresh();
    expect(await ask(session, { path: '/a' })).toEqual([{ status: 200, body: {} }]);
  });
});

describe('a list', () => {
  const items = Array.from({ length: 25 }, (_, i) => ({ id: i, name: `n${i}`, project_id: i % 2 ? 'odd' : 'even' }));
  /** Ten a page, linked as Glance does it or as Neutron does. */
  const paged =
    (links: (next: string) => object): Answer =>
    ({ path }, response) => {
      const query = new URL(path, 'http://x').searchParams;
      const found = items.filter(({ name }) => !query.has('name') || name.toLowerCase() === query.get('name')!.toLowerCase());
      const from = Number(query.get('marker') ?? 0);
      const next = from + 10 < found.length ? links(`http://public.example/v2.0/nets?limit=10&marker=${from + 10}`) : {};
      response.end(JSON.stringify({ nets: found.slice(from, from + 10), ...next }));
    };
  const nets = (name: string) => ({ path: '/v2.0/nets?limit=10', list: 'nets', where: { name } });

  it.each<[string, (next: string) => object]>([
    ['a path', (next) => ({ next: next.replace('http://public.example', '') })],
    [
      'links',
      (next) => ({
        nets_links: [
          { rel: 'previous', href: 'http://x/?a' },
          { rel: 'next', href: next },
        ],
      }),
    ],
  ])('is all of its pages, by %s, from the address that is known', async (_, links) => {
    const { apis, heard } = await cloud(paged(links));
    const [answer] = await ask(openApis(apis, hosts), { path: '/v2.0/nets?limit=10', list: 'nets' });
    expect(answer).toEqual({ status: 200, body: items });
    expect(heard.slice(1).map(({ path }) => path)).toEqual([
      '/v2.0/nets?limit=10',
      '/v2.0/nets?limit=10&marker=10',
      '/v2.0/nets?limit=10&marker=20',
    ]);
  });

  it('whose pages never end is given up', async () => {
    let page = 0;
    const { apis } = await cloud((heard, response) => {
      json({ nets: [1], next: `/v2.0/nets?marker=${(page += 1)}` })(heard, response);
    });
    await expect(ask(openApis(apis, hosts), { path: '/v2.0/nets', list: 'nets' })).rejects.toThrow('The list nets does not end');
    expect(page).toBeLessThan(3000);
  });

  it('whose pages go in a circle ends', async () => {
    const { apis, heard } = await cloud(json({ nets: [1], next: '/v2.0/nets?marker=1' }));
    expect(await ask(openApis(apis, hosts), { path: '/v2.0/nets', list: 'nets' })).toEqual([{ status: 200, body: [1, 1] }]);
    expect(heard).toHaveLength(3);
  });

  it('that is no list is given as it was answered', async () => {
    const { apis } = await cloud(json({ error: { message: 'no' } }, 403));
    expect(await ask(openApis(apis, hosts), nets('n1'))).toEqual([{ status: 403, body: { error: { message: 'no' } } }]);
  });

  it('is asked for what few look for, and taken whole when many do', async () => {
    const { apis, heard } = await cloud(paged((next) => ({ next })));
    const session = openApis(apis, hosts);
    const asked = (): string[] => heard.slice(1).map(({ path }) => path);
    const few = await Promise.all([3, 4].map((i) => ask(session, nets(`n${i}`))));
    expect(few.map(([answer]) => answer!.body)).toEqual([[items[3]], [items[4]]]);
    expect(asked()).toEqual(['/v2.0/nets?limit=10&name=n3', '/v2.0/nets?limit=10&name=n4']);
    const many = await Promise.all(items.map(({ name }) => ask(session, nets(name))));
    expect(many.map(([answer]) => answer!.body)).toEqual(items.map((item) => [item]));
    expect(asked()).toHaveLength(5);
    // And from now on the whole list is known.
    await ask(session, nets('n9'), nets('nosuch'));
    expect(asked()).toHaveLength(5);
  });

  it('keeps apart names that differ in upper and lower case, whatever the service thinks of it', async () => {
    const { apis } = await cloud(paged((next) => ({ next })));
    expect(await ask(openApis(apis, hosts), nets('N3'))).toEqual([{ status: 200, body: [] }]);
  });
});

it('a microversion is asked for by the name of the service', async () => {
  const { apis, heard } = await cloud(json({}));
  await ask(openApis(apis, hosts), { path: '/v2.1/flavors', service: 'image', microversion: '2.61' });
  expect(heard[1]!.headers['openstack-api-version']).toBe('image 2.61');
});

it.each(['', '/', '/v2.1', '/v3/abc'])(
  'the version in a role’s URL (%s) is that of the catalogue, and not of the request',
  async (path) => {
    const { apis, heard } = await cloud(json({}));
    apis.set('compute', { service: 'compute', host: 'ctl1', url: apis.get('image')!.url + path });
    await ask(openApis(apis, hosts), { path: '/v2.1/flavors', service: 'compute' });
    expect(heard[1]!.path).toBe('/v2.1/flavors');
  },
);

it('another user has a token of their own', async () => {
  const { apis, heard, logins } = await cloud(json({}));
  const auth = { user: 'alice', password: Secret.of('alice', 'pw'), project: 'demo' };
  await ask(openApis(apis, hosts), { path: '/a' }, { path: '/b', auth });
  expect(logins()).toBe(2);
  expect(heard[2]!.body).toMatchObject({
    auth: { identity: { password: { user: { name: 'alice', password: 'pw' } } }, scope: { project: { name: 'demo' } } },
  });
});

describe('bytes', () => {
  /** What a PUT brought, and its headers. */
  const receiving = async (): Promise<{ apis: Map<string, Api>; got: () => { body: string; headers: IncomingMessage['headers'] } }> => {
    let got = { body: '', headers: {} as IncomingMessage['headers'] };
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const login = request.url === '/v3/auth/tokens';
        if (!login) got = { body: Buffer.concat(chunks).toString(), headers: request.headers };
        response.writeHead(login ? 201 : 204, { 'x-subject-token': canary }).end();
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { apis } = await cloud(json({}));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    apis.set('identity', { ...apis.get('identity')!, url }).set('image', { service: 'image', host: 'ctl2', url });
    return { apis, got: () => got };
  };
  const put = { service: 'image', method: 'PUT', path: '/v2/images/1/file', contentType: 'application/octet-stream' } as const;

  it('of a file here go through the connection as they are', async () => {
    const { apis, got } = await receiving();
    const data = { file: import.meta.filename };
    expect(await ask(openApis(apis, hosts), { ...put, data })).toEqual([{ status: 204, body: '' }]);
    expect(got().body).toBe(readFileSync(import.meta.filename, 'utf8'));
    expect(got().headers).toMatchObject({ 'x-auth-token': canary, 'content-type': 'application/octet-stream' });
  });

  it('that a command makes are sent by the host, which keeps nothing; the token is in no script', async () => {
    const { apis, got } = await receiving();
    const scripts: string[] = [];
    const session = openApis(apis, {
      ...hosts,
      mend: (_, command) => {
        scripts.push(command.script);
        return runHere(command);
      },
    });
    const data = { command: { script: 'pwd >it; cat >>it' }, result: 'it' };
    expect(await ask(session, { ...put, data })).toEqual([{ status: 204, body: '' }]);
    const directory = got().body.trim();
    expect(directory).toMatch(/^\/var\/tmp\/cellwise\./);
    expect(existsSync(directory)).toBe(false);
    expect(got().headers).toMatchObject({ 'x-auth-token': canary, 'content-length': String(directory.length + 1) });
    expect(scripts.join('\n')).not.toContain(canary);
  });

  it('that cannot be made are an error with what was said', async () => {
    const { apis } = await receiving();
    const data = { command: { script: 'echo the reason >&2; false; echo more' }, result: 'it' };
    const failure = await ask(openApis(apis, hosts), { ...put, data }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(DataFailed);
    expect((failure as DataFailed).message).toBe('making its data ended with exit code 1');
    expect((failure as DataFailed).output.err.toString()).toBe('the reason\n');
    expect((failure as DataFailed).output.out.toString()).toBe('');
  });
});

describe('patience', () => {
  it('waits for an API that is starting up', { timeout: 10_000 }, async () => {
    let times = 0;
    const { apis } = await cloud((_, response) => {
      response.writeHead((times += 1) < 3 ? 503 : 200).end('{}');
    });
    expect(await openApis(apis, hosts).follow(asking({ path: '/a' }), 5)).toEqual([{ status: 200, body: {} }]);
    expect(times).toBe(3);
  });

  it('is none unless asked for, has an end, and is never had with what changes something', { timeout: 10_000 }, async () => {
    const { apis, heard } = await cloud(json({}, 503));
    const session = openApis(apis, hosts);
    expect(await ask(session, { path: '/a' })).toEqual([{ status: 503, body: {} }]);
    expect(await session.follow(asking({ path: '/b' }), 0.7)).toEqual([{ status: 503, body: {} }]);
    expect(await session.follow(asking({ method: 'POST', path: '/c', body: {} }), 5)).toEqual([{ status: 503, body: {} }]);
    expect(heard.filter(({ path }) => path === '/c')).toHaveLength(1);
    expect(heard.filter(({ path }) => path === '/b').length).toBeGreaterThan(1);
  });
});

describe('answers that are none', () => {
  it.each<[string, Answer, unknown]>([
    ['text', (_, response) => response.writeHead(200).end('<html>hello</html>'), '<html>hello</html>'],
    ['half JSON', (_, response) => response.writeHead(200).end('{"a":'), '{"a":'],
    ['JSON in pieces', (_, response) => (response.write('{"a"'), setTimeout(() => response.end(':"é"}'), 20)), { a: 'é' }],
    ['a number', (_, response) => response.end('5'), 5],
  ])('%s comes as it is', async (_, answer, body) => {
    const { apis } = await cloud(answer);
    expect(await ask(openApis(apis, hosts), { path: '/a' })).toEqual([{ status: 200, body }]);
  });

  it.each<[string, Answer, RegExp]>([
    ['a connection that is closed', (_, response) => response.destroy(), /hang up|reset/],
    [
      'a connection that is cut in the body',
      (_, response) => (response.writeHead(200, { 'content-length': '100' }).write('{"a"'), setTimeout(() => response.destroy(), 20)),
      /abort|reset/,
    ],
    [
      'an endless one',
      (_, response) => {
        const chunk = Buffer.alloc(1 << 20, 'x');
        const more = (): void => {
          while (!response.destroyed && response.write(chunk));
        };
        response.on('drain', more);
        more();
      },
      /more than 64 MiB/,
    ],
  ])('%s is an error', async (_, answer, message) => {
    const { apis } = await cloud(answer);
    await expect(ask(openApis(apis, hosts), { path: '/a' })).rejects.toThrow(message);
  });

  it('none at all is an error after two minutes', async () => {
    const heard = Promise.withResolvers<undefined>();
    const { apis } = await cloud(() => {
      heard.resolve(undefined);
    });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const asked = ask(openApis(apis, hosts), { path: '/a' }).catch((error: unknown) => (error as Error).message);
      await heard.promise;
      vi.advanceTimersByTime(121_000);
      vi.useRealTimers();
      const late = new Promise((resolve) => setTimeout(resolve, 1000, 'it still waits'));
      expect(await Promise.race([asked, late])).toBe('GET /a was not answered within 120 s');
    } finally {
      vi.useRealTimers();
    }
  });

  it('something else than HTTP is an error', async () => {
    const server = createTcpServer((socket) => socket.end('SSH-2.0-OpenSSH_10.0\r\n'));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await expect(
      ask(openApis(new Map([['identity', { service: 'identity', host: 'h', url }]]), hosts), { path: '/', auth: 'none' }),
    ).rejects.toThrow(/Parse Error/);
  });

  it('nobody there is an error, and the next question tries again', async () => {
    const { apis } = await cloud(json({}));
    let tries = 0;
    const session = openApis(
      apis,
      dialing((...to) => ((tries += 1) === 1 ? Promise.reject(new Error('refused')) : hosts.dial(...to))),
    );
    await expect(ask(session, { path: '/a' })).rejects.toThrow('refused');
    expect(await ask(session, { path: '/b' })).toEqual([{ status: 200, body: {} }]);
  });

  it('a login that is refused says who and how, and not the password', async () => {
    const { apis } = await cloud(json({}));
    apis.set('identity', { ...apis.get('identity')!, url: `${apis.get('identity')!.url}/wrong` });
    const failure = await ask(openApis(apis, hosts), { path: '/a' }).catch((error: unknown) => error as Error);
    expect((failure as Error).message).toBe('Logging in to the cloud as admin was answered 200');
    expect((failure as Error).stack).not.toContain(canary);
  });

  it.each<[string, (apis: Map<string, Api>) => unknown, RegExp]>([
    ['an API that no role offers', (apis) => apis.delete('image'), /No role offers the image API/],
    ['a cloud without a login', (apis) => apis.delete('identity'), /how to log in/],
  ])('%s', async (_, change, message) => {
    const { apis } = await cloud(json({}));
    change(apis);
    await expect(ask(openApis(apis, hosts), { service: 'image', path: '/a' })).rejects.toThrow(message);
  });
});
