import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Event, Summary } from '../../src/base/event.ts';
import { tryOut, verify } from '../../src/engine/run.ts';
import { Locked } from '../../src/engine/work.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { select } from '../../src/plan/select.ts';
import { planned } from '../plan/clouds.ts';
import { localHosts } from './local-shell.ts';

const servers: { close(): unknown; closeAllConnections(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface Item {
  readonly id: string;
  readonly name: string;
  readonly domain_id?: string;
}

/** As much of Keystone, Glance and Neutron as a guest with an image needs. `heard` is told of each request before it is answered. */
async function cloud(images: readonly string[], heard: (request: string) => void = () => undefined) {
  const projects: Item[] = [];
  const users: Item[] = [{ id: 'admin', name: 'admin', domain_id: 'default' }];
  const roles = ['admin', 'member'].map((name) => ({ id: name, name }));
  const requests: string[] = [];
  const bodies: string[] = [];
  const answer = (method: string, path: string, body: { project?: Item; user?: Item }): readonly [number, unknown] => {
    const gone = (list: Item[]): readonly [number, unknown] => {
      const at = list.findIndex(({ id }) => path.endsWith(`/${id}`));
      list.splice(at, at < 0 ? 0 : 1);
      return [at < 0 ? 404 : 204, {}];
    };
    const [resource = ''] = path.split('?');
    if (method === 'PUT') return [204, {}];
    if (method === 'DELETE') return gone(resource.includes('/users/') ? users : projects);
    if (method === 'POST' && body.project) return [201, { project: put(projects, body.project) }];
    if (method === 'POST' && body.user) return [201, { user: put(users, body.user) }];
    if (method === 'POST') return [500, { error: { message: 'no more addresses' } }];
    if (resource === '/v3/auth/catalog')
      return [200, { catalog: [{ type: 'image', endpoints: [{ interface: 'public', region: 'RegionOne' }] }] }];
    if (resource === '/v2/images')
      return [
        200,
        { images: path.includes('owner=') ? [] : images.map((name) => ({ id: name, name, status: 'active', min_disk: 0, min_ram: 0 })) },
      ];
    const known: Record<string, unknown> = { '/v3/projects': { projects }, '/v3/users': { users }, '/v3/roles': { roles } };
    const list = resource.split('/').at(-1)!.replace('security-groups', 'security_groups');
    return [200, known[resource] ?? { [list]: [] }];
  };
  const put = (list: Item[], { name }: Item): Item => {
    const made = { id: `${name}-id`, name };
    list.push(made);
    return made;
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const line = `${request.method!} ${request.url!}`;
      requests.push(line);
      bodies.push(text);
      heard(line);
      if (request.url === '/v3/auth/tokens') response.writeHead(201, { 'x-subject-token': 't' }).end('{}');
      else {
        const [status, body] = answer(request.method!, request.url!, text === '' ? {} : (JSON.parse(text) as object));
        response.writeHead(status).end(status === 204 ? '' : JSON.stringify(body));
      }
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const secret = { type: 'string', format: 'secret', description: 'A password.' };
  const login = { user: 'admin', password: '{{password}}', project: 'admin', region: 'RegionOne' };
  const role = (service: string, ...tried: object[]) => ({ hosts: 'first', api: { service, url }, verify: tried });
  const plan = planned({
    keystone: {
      ...role('identity', { token: 'RegionOne' }),
      api: { service: 'identity', url, login },
      params: { password: secret },
      health: [{ run: 'true' }],
    },
    glance: role('image', { image: 'tiny', within: '10s' }),
    neutron: role('network', { network: '192.168.240.0/24' }),
    nova: {
      on: ['compute'],
      health: [{ run: 'true' }],
      verify: [{ server: '{{host.name}}', flavor: '', canary: true }, { console: 'READY' }],
    },
    horizon: { verify: [{ screen: 'novnc' }, { 'closed-port': 22 }] },
  });
  return { plan, requests, bodies, projects, users };
}

interface Told {
  readonly events: readonly Event[];
  readonly summary: Summary;
}

interface Asked {
  readonly drain?: AbortSignal;
  readonly quick?: boolean;
  readonly local?: ReturnType<typeof localHosts>;
  readonly only?: string;
}

async function tell(
  plan: Plan,
  { drain = new AbortController().signal, quick = false, local = localHosts(), only }: Asked = {},
): Promise<Told> {
  const events: Event[] = [];
  const summary = await verify({
    plan,
    ...(only === undefined ? {} : { only: select(plan, only) }),
    open: local.open,
    emit: (event) => events.push(event),
    command: 'verify',
    run: '20261120T180000-abc',
    drain,
    trials: { of: quick ? 'quick' : 'all', holder: { run: 'r', who: 'me@here', what: 'cellwise verify', since: 'now' } },
  });
  return { events, summary };
}

const ended = ({ events }: Told): string[] =>
  // Several are under way at once.
  events
    .toSorted((a, b) => ('step' in a && 'step' in b ? a.step.localeCompare(b.step) : 0))
    .flatMap((event) => {
      if (event.type === 'trial-ok') return [`ok ${event.step}`];
      if (event.type === 'step-failed') return [`failed ${event.step}: ${event.message}`];
      if (event.type === 'step-blocked') return [`blocked ${event.step} by ${event.by}`];
      if (event.type === 'step-skipped') return [`skipped ${event.step}`];
      return event.type === 'note' ? [event.text] : [];
    });
const guest = 'cellwise-verify-20261120t180000-abc';

describe('trials', () => {
  it('go each as far as it can; what was made for them is removed', async () => {
    const { plan, requests, bodies, projects, users } = await cloud(['tiny']);
    const told = await tell(plan);
    expect(ended(told)).toEqual([
      // What builds on a trial that no role has, and what builds on that.
      'Not tried, because this cloud has not all that it takes: closed-port',
      'blocked cmp1/nova/verify: console by ctl1/neutron/verify: network',
      'blocked cmp1/nova/verify: server by ctl1/neutron/verify: network',
      'blocked cmp2/nova/verify: console by ctl1/neutron/verify: network',
      'blocked cmp2/nova/verify: server by ctl1/neutron/verify: network',
      'ok ctl1/glance/verify: image',
      'blocked ctl1/horizon/verify: screen by cmp1/nova/verify: server',
      'ok ctl1/keystone/verify: token',
      'failed ctl1/neutron/verify: network: Neutron answered 500: no more addresses',
    ]);
    // Three roles' health, two trials.
    expect(told.summary).toMatchObject({ ok: 5, failed: 1, blocked: 5 });
    expect([projects, users.map(({ name }) => name)]).toEqual([[], ['admin']]);
    expect(requests).toContain(`DELETE /v3/projects/${guest}-id`);
    const made = JSON.parse(bodies[requests.indexOf('POST /v3/users')]!) as { user: { name: string; password: string } };
    expect(made.user).toMatchObject({ name: guest, password: expect.stringMatching(/^[\w-]{32}$/) as string });
    expect(JSON.stringify(told.events)).not.toContain(made.user.password);
  });

  it('of compute hosts one a cell, where it has to be quick', async () => {
    const { plan } = await cloud(['tiny']);
    const told = ended(await tell(plan, { quick: true }));
    expect(told.flatMap((line) => /^blocked (cmp\d)/.exec(line)?.[1] ?? [])).toEqual(['cmp1', 'cmp1']);
  });

  it('of a part of the cloud, with what these build on', async () => {
    const { plan } = await cloud(['tiny']);
    expect(ended(await tell(plan, { only: 'role:glance' }))).toEqual(['ok ctl1/glance/verify: image', 'ok ctl1/keystone/verify: token']);
    // A server on one host is enough for a screen.
    const screen = ended(await tell(plan, { only: 'role:horizon' })).filter((line) => line.startsWith('blocked'));
    expect(screen).toEqual([
      'blocked cmp1/nova/verify: server by ctl1/neutron/verify: network',
      'blocked ctl1/horizon/verify: screen by cmp1/nova/verify: server',
    ]);
  });

  it('of a canary in an upgrade what its roles say, with what this builds on', async () => {
    const { plan, projects } = await cloud(['tiny']);
    const [events, local]: [Event[], ReturnType<typeof localHosts>] = [[], localHosts()];
    const holder = { run: 'r', who: 'me@here', what: 'cellwise upgrade run', since: 'now' };
    const emit = (event: Event): number => events.push(event);
    const options = { plan, open: local.open, emit, command: 'upgrade', run: '20261120T180000-abc', drain: new AbortController().signal };
    const summary = await tryOut('cmp2', holder, options);
    expect(ended({ events, summary })).toEqual([
      'blocked cmp2/nova/verify: server by ctl1/neutron/verify: network',
      'ok ctl1/glance/verify: image',
      'ok ctl1/keystone/verify: token',
      'failed ctl1/neutron/verify: network: Neutron answered 500: no more addresses',
    ]);
    expect(projects).toEqual([]);
    expect([...local.shells].map(([host, { closed }]) => [host, closed])).toEqual([
      ['ctl1', true],
      ['cmp2', true],
    ]);
  });

  it('remove first what a run has left that was cut off', async () => {
    const { plan, projects } = await cloud([]);
    projects.push({ id: 'old', name: 'cellwise-verify-old' }, { id: 'mine', name: 'cellwise' });
    const told = ended(await tell(plan));
    expect(told).toContain('removing cellwise-verify-old, left by a run that was cut off');
    expect(told).toContainEqual(expect.stringMatching(/^failed ctl1\/glance\/verify: image: A user sees no image called tiny: declare it/));
    expect(projects).toEqual([{ id: 'mine', name: 'cellwise' }]);
  });

  it('stop when they are interrupted, and are cleaned up behind all the same', async () => {
    const drain = new AbortController();
    const { plan, projects, users } = await cloud(['tiny'], (request) => {
      if (request === 'GET /v3/auth/catalog') drain.abort();
    });
    const told = await tell(plan, { drain: drain.signal });
    expect(ended(told)).toContain('skipped ctl1/glance/verify: image');
    expect(told.summary).toMatchObject({ failed: 0 });
    expect([projects, users.length]).toEqual([[], 1]);
  });

  it('make nothing where somebody else is at work', async () => {
    const { plan, requests } = await cloud(['tiny']);
    const holder = { run: 'a', who: 'she@there', what: 'cellwise apply', since: 'then' };
    await expect(tell(plan, { local: localHosts({ ctl1: { holder } }) })).rejects.toThrow(Locked);
    expect(requests.filter((line) => line.startsWith('POST /v3/projects'))).toEqual([]);
  });

  it('are not begun for a host that is not well', async () => {
    const { plan } = await cloud(['tiny']);
    const sick = { ...plan, nodes: new Map(plan.nodes) };
    const health = plan.nodes.get('ctl1/keystone/health')!;
    const [check] = health.kind === 'health' ? health.checks : [];
    sick.nodes.set('ctl1/keystone/health', { ...health, checks: [{ ...check!, params: { run: 'false' } }] } as typeof health);
    expect(ended(await tell(sick))).toContain('blocked ctl1/keystone/verify: token by ctl1/keystone/health');
  });
});
