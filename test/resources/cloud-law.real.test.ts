import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Secret } from '../../src/base/secret.ts';
import { compare, type State } from '../../src/base/state.ts';
import { openApis, type ApiSession } from '../../src/engine/api.ts';
import type { Api } from '../../src/plan/plan.ts';
import type { AnyParams, ApiAnswer, ApiRequest, ApiResource } from '../../src/resources/define.ts';
import { connect as connectHost } from '../../src/ssh/connect.ts';
import { run as apply, stepsOf, type Ran } from '../engine/clouds.ts';
import { imageAfter, type Machine, startMachine } from '../machines.ts';
import { inventoryOf, planOf, rolesOf, secretsOf } from '../plan/clouds.ts';
import { cloud, ed25519 } from './cloud-law.ts';
import { resource, type Run, runIn, type Send } from './converge.ts';
import { nameOf, obey } from './obey.ts';

const password = Secret.of('admin', 'Ab7xQ2mP9v');
const services = { identity: 5000, image: 9292, compute: 8774, network: 9696, volumev3: 8776 };

let machine: Machine;
let run: Run;
let open: () => ApiSession;
let send: Send;

beforeAll(async () => {
  const script = readFileSync(join(import.meta.dirname, 'apis.sh'), 'utf8');
  // RabbitMQ keeps its data by the name of its host.
  machine = await startMachine({ name: 'apis', image: await imageAfter('apis', `PW=${password.reveal()}\n${script}`) });
  run = runIn(machine.container);
  const login = { user: 'admin', password, project: 'admin', region: 'RegionOne' };
  const apis = new Map<string, Api>(
    Object.entries(services).map(([service, port]) => [
      service,
      { service, host: 'ctl', url: `http://127.0.0.1:${port}`, ...(service === 'identity' ? { login } : {}) },
    ]),
  );
  open = () =>
    openApis(apis, {
      dial: (_, __, port) => Promise.resolve(connect(port, machine.address)),
      mend: (_, command) => run(command),
    });
  const session = open();
  send = (request) => {
    session.refresh();
    return session.follow(asking(request), 60);
  };
}, 1_200_000);

afterAll(async () => {
  await machine.stop();
});

function* asking(request: ApiRequest): Generator<ApiRequest, ApiAnswer, ApiAnswer> {
  return yield request;
}

describe('apply twice, the second run does nothing; what is changed by hand is mended, and nothing else', () => {
  test.each(cloud.map((law, i) => [`${i} ${law.type} ${nameOf(law)}`, law] as const))('%s', async (_, law) => {
    await obey(law, run, send);
  });

  test('nothing that was a value was executed', async () => {
    expect(await machine.exec('test ! -e /tmp/executed')).toMatchObject({ code: 0 });
  });
});

test('1,000 networks are looked at by a few requests', async () => {
  // Past the API, which needs a minute for as many.
  const { code, err } = await run({
    script: `mariadb neutron -e "SELECT MAX(id) INTO @last FROM standardattributes;
INSERT INTO standardattributes (id, resource_type, created_at, updated_at, revision_number) SELECT @last + seq, 'networks', NOW(), NOW(), 1 FROM seq_1_to_1000;
INSERT INTO networks (id, project_id, name, status, admin_state_up, mtu, standard_attr_id) SELECT UUID(), project_id, CONCAT('many ', seq), status, 1, mtu, @last + seq FROM networks, seq_1_to_1000 WHERE name = 'lone';
INSERT INTO networksecuritybindings SELECT id, 1 FROM networks WHERE name LIKE 'many %'"`,
  });
  expect({ code, err: err.toString() }).toEqual({ code: 0, err: '' });
  const names = Array.from({ length: 1000 }, (_, i) => `many ${i + 1}`);
  const { type, params } = resource('network', { network: '', project: 'other' });
  const session = open();
  const at = performance.now();
  const found = await Promise.all(names.map((network) => session.follow((type as ApiResource<AnyParams>).look({ ...params, network }))));
  process.stderr.write(`1,000 networks: ${Math.round(performance.now() - at)} ms, ${session.requests} requests\n`);
  expect(session.requests).toBeLessThan(10);
  expect(found.map((one) => compare(one as State | null, type.desired(params)))).toEqual(names.map(() => null));
});

describe('an inventory with resources, applied over SSH', () => {
  const api = (service: string, port: number) => ({ api: { service, url: `http://127.0.0.1:${port}/v9` } });
  const roles = rolesOf({
    keystone: {
      params: { admin_password: { type: 'string', format: 'secret', description: 'The password.' } },
      ...api('identity', services.identity),
      api: {
        ...api('identity', services.identity).api,
        login: { user: 'admin', password: '{{admin_password}}', project: 'admin', region: 'RegionOne' },
      },
    },
    glance: api('image', services.image),
    nova: api('compute', services.compute),
    neutron: api('network', services.network),
  });
  const resources = `resources:
  projects: {shop: {}}
  users: {eve: {roles: {shop: [member]}}}
  quotas: {shop: {cores: 3, networks: 4}}
  images: {probe: {build: tiny, properties: {hw_rng_model: virtio}}}
  flavors: {s1: {vcpus: 1, ram: 128, disk: 1}}
  networks:
    world: {external: true, network_type: vlan, physical_network: data, segmentation_id: 130, subnets: {world4: {cidr: 10.94.7.0/24}}}
    shop: {project: shop, subnets: {shop4: {cidr: 192.168.7.0/24}}}
  routers: {shop: {project: shop, gateway: world, interfaces: [shop4]}}
  security_groups: {ssh: {project: shop, ingress: [{protocol: tcp, ports: 22}]}}
  keypairs: {eve: {user: eve, public_key: "${ed25519}"}}
`;
  const applied = (change: (text: string) => string = (text) => text): Promise<Ran> => {
    const inventory = inventoryOf('  ctl1: {address: 10.77.0.11, kind: controller}\n', change(resources));
    const plan = planOf(inventory, roles, secretsOf({ 'keystone.admin_password': password.reveal() }));
    const { address, identity, hostKey } = machine;
    return apply(plan, {
      open: (name, early) =>
        connectHost({ name, address, user: 'root', identities: [identity], hostKeys: [hostKey] }, early ? { early } : {}),
    });
  };

  test('makes all of it, an image that is built on the controller too; a second time it does nothing', { timeout: 600_000 }, async () => {
    const first = await applied();
    expect(stepsOf(first, 'step-failed')).toEqual([]);
    expect(first.summary).toMatchObject({ failed: 0, blocked: 0 });
    expect(stepsOf(first, 'step-changed')).toContain('ctl1/resources/image probe');
    expect(stepsOf(first, 'step-said')).toContain('ctl1/resources/image probe');
    const second = await applied();
    expect(second.summary).toMatchObject({ changed: 0, failed: 0 });
    process.stderr.write(
      `a look at ${second.summary.steps} steps: ${second.summary.seconds} s, ${second.summary.roundTrips} round trips\n`,
    );
  });

  test('what cannot be changed is refused with its reason, and stops nothing else', { timeout: 120_000 }, async () => {
    const ran = await applied((text) =>
      text.replace('ram: 128', 'ram: 256').replace('cores: 3', 'cores: 5').replace('192.168.7', '192.168.8'),
    );
    expect(stepsOf(ran, 'step-failed')).toEqual(['ctl1/resources/flavor s1', 'ctl1/resources/subnet shop4']);
    expect(stepsOf(ran, 'step-blocked')).toEqual(['ctl1/resources/router shop']);
    expect(stepsOf(ran, 'step-changed')).toEqual(['ctl1/resources/quota shop']);
    const said = ran.events.flatMap((event) => (event.type === 'step-planned' ? [event.change.refused ?? ''] : []));
    expect(said.join('\n')).toMatch(/Nova cannot change ram of a flavor[^]*Neutron cannot change cidr/);
  });
});
