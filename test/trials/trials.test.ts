import { describe, expect, it, test, vi } from 'vitest';
import type { ApiAnswer } from '../../src/resources/define.ts';
import type { Handed, Stage } from '../../src/trials/define.ts';
import { trials } from '../../src/trials/index.ts';

vi.setSystemTime('2026-01-02T03:04:05.678Z');

const handed: { [K in keyof Handed]: Handed[K] } = {
  image: { id: 'i1', min_disk: 1, min_ram: 100 },
  network: { id: 'n1', subnet: 's1', gateway: '192.168.240.1' },
  router: { external: 'x1' },
  server: { id: 'v1', name: 'run-cmp1', address: '192.168.240.5', port: 'p1', group: 'g1', flavor: 'f1' },
  console: { prompt: 'READY' },
  'closed-port': { address: '203.0.113.7', port: 22 },
  login: { address: '203.0.113.7', user: 'root', server: 'run-cmp1', inner: '192.168.240.5' },
  volume: { image: 'w1', empty: 'w2' },
};

/** A stage on which every trial before has gone well; `more`: what trials of all hosts have come to. */
function stageOf(more: { readonly [K in keyof Handed]?: readonly Handed[K][] } = {}): Stage {
  const login = (user: string) => ({ user, password: 'pw', project: 'run' });
  return {
    name: 'run',
    project: 'project1',
    user: login('run'),
    admin: login('admin'),
    host: 'cmp1',
    of: (type) => handed[type],
    all: (type) => more[type] ?? [handed[type]],
  };
}

/** What is asked, as `METHOD path` or the deed, and the answer: a body, answered 200, or a status with one. */
type Turn = readonly [asked: string, answer: object | string | number | ApiAnswer];

/** Plays an attempt against answers; returns what it came to, or the message that it ended with. */
function play(type: string, params: object, turns: readonly Turn[], stage = stageOf()): unknown {
  const attempt = trials.get(type)!.attempt(params as never, stage);
  const asked: string[] = [];
  try {
    let step = attempt.next();
    for (const [wanted, answer] of turns) {
      if (step.done) throw new Error(`It ended before ${wanted}`);
      const act = step.value;
      asked.push(
        'deed' in act ? `${act.deed} ${'for' in act ? act.for : 'url' in act ? act.url : act.address}` : `${act.method} ${act.path}`,
      );
      const whole = typeof answer === 'object' && 'status' in answer && 'body' in answer;
      step = attempt.next(whole ? answer : { status: typeof answer === 'number' ? answer : 200, body: answer });
      expect(asked.at(-1)).toBe(wanted);
    }
    expect(step.done, `it goes on with ${JSON.stringify(step.value)}`).toBe(true);
    return step.value;
  } catch (error) {
    expect(asked).toEqual(turns.map(([wanted]) => wanted));
    return (error as Error).message;
  }
}

const flavors = [
  { id: 'f2', name: 'large', vcpus: 2, ram: 2048, disk: 20 },
  { id: 'f1', name: 'small', vcpus: 1, ram: 128, disk: 1 },
  { id: 'f0', name: 'nano', vcpus: 1, ram: 64, disk: 1 },
];
const server = (more: object): object => ({
  server: { status: 'BUILD', 'OS-EXT-STS:task_state': 'spawning', 'OS-EXT-SRV-ATTR:host': 'cmp1', ...more },
});
const begun: readonly Turn[] = [
  ['GET /v2.1/flavors/detail', flavors],
  ['POST /v2.0/security-groups', { security_group: { id: 'g1' } }],
  ['POST /v2.0/security-group-rules', {}],
  ['POST /v2.0/ports', { port: { id: 'p1', fixed_ips: [{ ip_address: '192.168.240.5' }] } }],
  ['POST /v2.1/servers', { server: { id: 'v1' } }],
];
const floating: readonly Turn[] = [
  ['POST /v2.0/floatingips', { floatingip: { id: 'x', floating_ip_address: '203.0.113.7' } }],
  ['GET /v2.0/floatingips/x', { floatingip: { status: 'DOWN' } }],
  ['wait the floating IP 203.0.113.7 is DOWN', ''],
  ['GET /v2.0/floatingips/x', { floatingip: { status: 'ACTIVE' } }],
];
const endpoint = (type: string, region = 'One') => ({ type, endpoints: [{ interface: 'public', region }] });
const stack = '/v1/project1/stacks/run/k1';
const measures = '/v1/resource/instance/v1/metric/cpu/measures?refresh=true';
const login = 'http://ctl1/horizon/auth/login/';
const volumes = '/v3/project1/volumes';
const attached = '/v2.1/servers/v1/os-volume_attachments';
const account = '/v1/AUTH_project1';
const gateway: readonly Turn[] = [
  [`PUT ${account}/cellwise-verify`, { status: 201, body: '' }],
  [`PUT ${account}/cellwise-verify/object`, { status: 201, body: '' }],
  [
    'GET /v3/auth/catalog',
    { catalog: [{ type: 'object-store', endpoints: [{ interface: 'internal', region: 'One', url: `http://sto1:7480/swift${account}` }] }] },
  ],
  ['GET /v3/users', [{ id: 'u1' }]],
  ['POST /v3/users/u1/credentials/OS-EC2', { credential: { access: 'AK', secret: 'SK' } }],
];
const signed =
  'http://sto1:7480/cellwise-verify/object?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20260102%2Fdefault%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature=8eb72cc2511c86cd4b5c3d634a2ad826dda5c99f1e89fec9195d0bae052c49cc';
const page = '<form><input type="hidden" name="csrfmiddlewaretoken" value="c0"><input name="password"></form>';

test.each<[string, string, object, readonly Turn[], unknown]>([
  ['all services', 'token', { region: 'One' }, [['GET /v3/auth/catalog', { catalog: [endpoint('image')] }]], { said: 'services: image' }],
  [
    'a service elsewhere',
    'token',
    { region: 'One' },
    [['GET /v3/auth/catalog', { catalog: [endpoint('image'), endpoint('compute', 'one')] }]],
    'No public endpoint in One: compute',
  ],
  [
    'it is there',
    'image',
    { image: 'tiny' },
    [
      [
        'GET /v2/images',
        [
          { id: 'i0', status: 'queued' },
          { id: 'i1', status: 'active', min_disk: 0, min_ram: 0 },
        ],
      ],
    ],
    { id: 'i1', min_disk: 0, min_ram: 0 },
  ],
  ['without data', 'image', { image: 'tiny' }, [['GET /v2/images', [{ id: 'i0', status: 'queued' }]]], 'The image tiny is queued'],
  [
    'not there',
    'image',
    { image: 'tiny' },
    [['GET /v2/images', []]],
    'A user sees no image called tiny: declare it under resources.images (tiny: {build: tiny}), or name another by the param verify_image of glance',
  ],
  ['refused', 'image', { image: 'tiny' }, [['GET /v2/images', { status: 403, body: { m: { message: 'no' } } }]], 'Glance answered 403: no'],
  [
    'DHCP comes',
    'network',
    { cidr: '192.168.240.0/24' },
    [
      ['POST /v2.0/networks', { network: { id: 'n1' } }],
      ['POST /v2.0/subnets', { subnet: { id: 's1', gateway_ip: '192.168.240.1' } }],
      ['GET /v2.0/ports?network_id=n1&device_owner=network:dhcp', { ports: [] }],
      ['wait no DHCP agent has taken the network', ''],
      ['GET /v2.0/ports?network_id=n1&device_owner=network:dhcp', { ports: [{ status: 'DOWN' }] }],
      ['wait the port of the DHCP server is DOWN', ''],
      ['GET /v2.0/ports?network_id=n1&device_owner=network:dhcp', { ports: [{ status: 'ACTIVE' }] }],
    ],
    handed.network,
  ],
  [
    'no way out',
    'router',
    { external: '' },
    [['GET /v2.0/networks?router:external=true', []]],
    'There is no external network: declare one under resources.networks with `external: true`',
  ],
  [
    'the way out that is named',
    'router',
    { external: 'b' },
    [
      [
        'GET /v2.0/networks?router:external=true',
        [
          { id: 'a1', name: 'a' },
          { id: 'x1', name: 'b' },
        ],
      ],
      ['POST /v2.0/routers', { router: { id: 'r1' } }],
      ['PUT /v2.0/routers/r1/add_router_interface', {}],
      ['GET /v2.0/ports?device_id=r1', { ports: [{ status: 'ACTIVE' }] }],
    ],
    { said: 'b', external: 'x1' },
  ],
  [
    'it runs where it was asked for',
    'server',
    { host: 'cmp1', flavor: '' },
    [
      ...begun,
      ['GET /v2.1/servers/v1', server({})],
      ['wait the server is BUILD, spawning', ''],
      ['GET /v2.1/servers/v1', server({ status: 'ACTIVE' })],
    ],
    { ...handed.server, said: 'small, 192.168.240.5' },
  ],
  [
    'it runs elsewhere',
    'server',
    { host: 'cmp2', flavor: '' },
    [...begun, ['GET /v2.1/servers/v1', server({ status: 'ACTIVE' })]],
    'It was asked for on cmp2 and is on cmp1',
  ],
  [
    'it cannot be made',
    'server',
    { host: 'cmp1', flavor: 'nano' },
    [...begun, ['GET /v2.1/servers/v1', server({ status: 'ERROR', fault: { message: 'No valid host' } })]],
    'Nova could not make it: No valid host',
  ],
  [
    'no flavor is large enough',
    'server',
    { host: 'cmp1', flavor: '' },
    [['GET /v2.1/flavors/detail', flavors.slice(2)]],
    'None of the 1 flavors that a user sees fits the image (100 MiB, 1 GiB): declare one under resources.flavors',
  ],
  ['no such flavor', 'server', { host: 'cmp1', flavor: 'x' }, [['GET /v2.1/flavors/detail', flavors]], 'A user sees no flavor called x'],
  [
    'it starts',
    'console',
    { prompt: 'login: *$' },
    [
      ['POST /v2.1/servers/v1/action', { output: '' }],
      ['wait the console is silent', ''],
      ['POST /v2.1/servers/v1/action', { output: 'Loading\nmodules …\r\n' }],
      ['wait the last line on the console is: modules …', ''],
      ['POST /v2.1/servers/v1/action', { output: 'tiny login: ' }],
    ],
    { prompt: 'login: *$' },
  ],
  [
    'closed',
    'closed-port',
    { port: 22 },
    [...floating, ['knock 203.0.113.7', 0]],
    { said: '203.0.113.7', address: '203.0.113.7', port: 22 },
  ],
  [
    'open to all',
    'closed-port',
    { port: 22 },
    [...floating, ['knock 203.0.113.7', 200]],
    '203.0.113.7 answers at port 22, which no rule of its security group opens',
  ],
  [
    'let in',
    'login',
    { user: 'root' },
    [
      ['POST /v2.0/security-group-rules', {}],
      ['login 203.0.113.7', { status: 255, body: 'nobody answers' }],
      ['wait root@203.0.113.7 is not let in: nobody answers', ''],
      ['login 203.0.113.7', { status: 0, body: 'run-cmp1.novalocal\n' }],
    ],
    { ...handed.login, said: 'root@203.0.113.7' },
  ],
  [
    'a server without metadata',
    'login',
    { user: 'root' },
    [
      ['POST /v2.0/security-group-rules', {}],
      ['login 203.0.113.7', { status: 0, body: 'tiny\n' }],
    ],
    'The server is called tiny and not run-cmp1: the metadata service has not told it',
  ],
  ['one alone', 'neighbours', { command: 'ping' }, [['login 203.0.113.7', { status: 0, body: '' }]], { said: '192.168.240.1' }],
  [
    'an image of it, and a server of that',
    'snapshot',
    { suffix: 'again' },
    [
      ['POST /v2.1/servers/v1/action', { image_id: 'i9' }],
      ['GET /v2/images/i9', { status: 'saving' }],
      ['wait the image is saving', ''],
      ['GET /v2/images/i9', { status: 'active' }],
      ['POST /v2.1/servers', { server: { id: 'v9' } }],
      ['GET /v2.1/servers/v9', server({ status: 'ACTIVE', 'OS-EXT-SRV-ATTR:host': 'cmp2' })],
      ['POST /v2.1/servers/v9/action', { output: 'READY' }],
    ],
    { said: 'on cmp2' },
  ],
  [
    'a copy that is lost',
    'snapshot',
    { suffix: 'again' },
    [
      ['POST /v2.1/servers/v1/action', { image_id: 'i9' }],
      ['GET /v2/images/i9', { status: 'killed' }],
    ],
    'The image is killed',
  ],
  [
    'up and down',
    'stack',
    { version: '1' },
    [
      ['POST /v1/project1/stacks', { stack: { id: 'k1' } }],
      [`GET ${stack}`, { stack: { stack_status: 'CREATE_IN_PROGRESS' } }],
      ['wait the stack is CREATE_IN_PROGRESS', ''],
      [`GET ${stack}`, { stack: { stack_status: 'CREATE_COMPLETE' } }],
      [`DELETE ${stack}`, 204],
      [`GET ${stack}`, { stack: { stack_status: 'DELETE_COMPLETE' } }],
    ],
    {},
  ],
  [
    'a stack that fails',
    'stack',
    { version: '1' },
    [
      ['POST /v1/project1/stacks', { stack: { id: 'k1' } }],
      [`GET ${stack}`, { stack: { stack_status: 'CREATE_FAILED', stack_status_reason: 'no quota' } }],
    ],
    'CREATE_FAILED: no quota',
  ],
  [
    'pages',
    'dashboard',
    { url: 'http://ctl1/horizon' },
    [
      [`page ${login}`, page],
      [`page ${login}`, 'Overview'],
      ['page http://ctl1/horizon/project/instances/', '<table id="instances"> run-cmp1'],
    ],
    {},
  ],
  [
    'not let in',
    'dashboard',
    { url: 'http://ctl1/horizon' },
    [
      [`page ${login}`, page],
      [`page ${login}`, page],
    ],
    'The dashboard does not let the user in',
  ],
  [
    'a page that fails',
    'dashboard',
    { url: 'http://ctl1/horizon' },
    [
      [`page ${login}`, page],
      [`page ${login}`, 'Overview'],
      ['page http://ctl1/horizon/project/instances/', { status: 500, body: '' }],
    ],
    'the page of instances, http://ctl1/horizon/project/instances/, is answered 500',
  ],
  [
    'it is measured in the end',
    'telemetry',
    { metric: 'cpu' },
    [
      [`GET ${measures}`, { status: 404, body: { code: 404 } }],
      ['wait cpu was not measured yet', ''],
      [`GET ${measures}`, []],
      ['wait cpu was not measured yet', ''],
      [
        `GET ${measures}`,
        [
          ['2026-01-02T03:00:00+00:00', 300, 1],
          ['2026-01-02T03:05:00+00:00', 300, 7],
        ],
      ],
    ],
    { said: 'cpu 7 at 2026-01-02T03:05:00+00:00' },
  ],
  ['it may not be read', 'telemetry', { metric: 'cpu' }, [[`GET ${measures}`, { status: 403, body: 'no' }]], 'Gnocchi answered 403 "no"'],
  [
    'both are made',
    'volume',
    { size: 1 },
    [
      [`POST ${volumes}`, { volume: { id: 'w1' } }],
      [`POST ${volumes}`, { volume: { id: 'w2' } }],
      [`GET ${volumes}/w1`, { volume: { status: 'downloading' } }],
      ['wait the volume is downloading', ''],
      [`GET ${volumes}/w1`, { volume: { status: 'available' } }],
      [`GET ${volumes}/w2`, { volume: { status: 'available' } }],
    ],
    handed.volume,
  ],
  [
    'none is made',
    'volume',
    { size: 1 },
    [
      [`POST ${volumes}`, { volume: { id: 'w1' } }],
      [`POST ${volumes}`, { volume: { id: 'w2' } }],
      [`GET ${volumes}/w1`, { volume: { status: 'error' } }],
    ],
    'The volume is error',
  ],
  [
    'its volume outlives it',
    'volume-server',
    { suffix: 'volume' },
    [
      ['POST /v2.1/servers', { server: { id: 'v2' } }],
      ['GET /v2.1/servers/v2', server({ status: 'ACTIVE' })],
      ['POST /v2.1/servers/v2/action', { output: 'READY' }],
      ['DELETE /v2.1/servers/v2', { status: 204, body: '' }],
      [`GET ${volumes}/w1`, { volume: { status: 'in-use' } }],
      ['wait the volume is in-use', ''],
      [`GET ${volumes}/w1`, { volume: { status: 'available' } }],
    ],
    { said: 'on cmp1' },
  ],
  ...(['a1', 'b2'] as const).map((read): [string, string, object, readonly Turn[], unknown] => [
    `read: ${read}`,
    'attachment',
    { mebibytes: 16 },
    [
      [`POST ${attached}`, {}],
      [`GET ${volumes}/w2`, { volume: { status: 'attaching' } }],
      ['wait the volume is attaching', ''],
      [`GET ${volumes}/w2`, { volume: { status: 'in-use' } }],
      ['login 203.0.113.7', { status: 1, body: '' }],
      ['wait the server does not see the volume: ', ''],
      ['login 203.0.113.7', { status: 0, body: 'a1 -\n' }],
      [`DELETE ${attached}/w2`, { status: 202, body: '' }],
      [`GET ${volumes}/w2`, { volume: { status: 'available' } }],
      [`GET ${attached}`, { volumeAttachments: [{ volumeId: 'w1' }, { volumeId: 'w2' }] }],
      ['wait Nova has not let go of the volume', ''],
      [`GET ${attached}`, { volumeAttachments: [{ volumeId: 'w1' }] }],
      [`POST ${attached}`, {}],
      [`GET ${volumes}/w2`, { volume: { status: 'in-use' } }],
      ['login 203.0.113.7', { status: 0, body: `${read} -\n` }],
      ...(read === 'a1'
        ? ([
            [`DELETE ${attached}/w2`, { status: 202, body: '' }],
            [`GET ${volumes}/w2`, { volume: { status: 'available' } }],
            [`GET ${attached}`, { volumeAttachments: [] }],
          ] as const)
        : []),
    ],
    read === 'a1' ? { said: '16 MiB' } : 'What was written has the sum a1 -, and what was read b2 -',
  ]),
  ['put and read', 'objects', { region: 'One' }, [...gateway, [`page ${signed}`, '{"from":"run"}']], {}],
  [
    'put and read by Swift alone',
    'objects',
    { region: 'One', by: 'swift' },
    [...gateway.slice(0, 2), [`GET ${account}/cellwise-verify/object`, { from: 'run' }]],
    {},
  ],
  [
    'another object, by Swift',
    'objects',
    { region: 'One', by: 'swift' },
    [...gateway.slice(0, 2), [`GET ${account}/cellwise-verify/object`, { from: 'x' }]],
    '{"from":"run"} was put, and there is {"from":"x"}',
  ],
  [
    'another object',
    'objects',
    { region: 'One' },
    [...gateway, [`page ${signed}`, 'x']],
    'By Swift {"from":"run"} was put, and by S3 there is x',
  ],
  [
    'not let in by S3',
    'objects',
    { region: 'One' },
    [...gateway, [`page ${signed}`, { status: 403, body: '<Code>AccessDenied' }]],
    'By S3 the object is answered 403: <Code>AccessDenied',
  ],
  [
    'a picture',
    'screen',
    { console: 'novnc' },
    [
      ['POST /v2.1/servers/v1/remote-consoles', { remote_console: { url: 'http://ctl1:6080/?token=t' } }],
      ['screen http://ctl1:6080/?token=t', '720x400'],
    ],
    { said: '720x400' },
  ],
])('%s: %s %j', (_, type, params, turns, outcome) => {
  expect(play(type, params, turns)).toEqual(outcome);
});

describe('neighbours', () => {
  it('are reached from the first, each in turn', () => {
    const other = { ...handed.login, server: 'run-cmp2', inner: '192.168.240.6' };
    const stage = stageOf({ login: [handed.login, other] });
    const turns: Turn[] = [
      ['login 203.0.113.7', { status: 1, body: 'PING\n100% packet loss\n' }],
      ['wait run-cmp1 does not reach run-cmp2 at 192.168.240.6: 100% packet loss', ''],
      ['login 203.0.113.7', { status: 0, body: '' }],
    ];
    expect(play('neighbours', { command: 'ping' }, turns, stage)).toEqual({ said: '192.168.240.6' });
  });
});

it('the instances page has to show all servers', () => {
  const stage = stageOf({ server: [handed.server, { ...handed.server, name: 'run-cmp2' }] });
  const turns: Turn[] = [
    [`page ${login}`, page],
    [`page ${login}`, 'Overview'],
    ['page http://ctl1/horizon/project/instances/', '<table id="instances"> run-cmp1'],
  ];
  expect(play('dashboard', { url: 'http://ctl1/horizon' }, turns, stage)).toBe('The page of instances does not show run-cmp2');
});

it('what a trial builds on, others offer', () => {
  for (const { needs, after = [] } of trials.values()) for (const type of [...needs, ...after]) expect([...trials.keys()]).toContain(type);
});
