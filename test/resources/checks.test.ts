import { expect, test } from 'vitest';
import type { ApiRequest } from '../../src/resources/define.ts';
import { checks } from '../../src/resources/checks.ts';

const services = [
  { binary: 'nova-compute', host: 'cmp1', state: 'up' },
  { binary: 'nova-compute', host: 'cmp2', state: 'down' },
  { binary: 'nova-conductor', host: 'ctl1', state: 'up' },
];
const agents = [
  { binary: 'neutron-l3-agent', host: 'ctl1', alive: true },
  { binary: 'neutron-l3-agent', host: 'ctl2', alive: false },
];
const compute = { service: 'compute', method: 'GET', path: '/v2.1/os-services' };
const volume = { service: 'volumev3', method: 'GET', path: '/v3/os-services' };
const volumes = [{ binary: 'cinder-volume', host: 'ceph@rbd', state: 'down' }];
const network = { service: 'network', method: 'GET', path: '/v2.0/agents' };
const catalog = {
  catalog: [
    { type: 'image', endpoints: [{}] },
    { type: 'compute', endpoints: [] },
  ],
};
const identity = { service: 'identity', method: 'GET', path: '/v3/auth/catalog' };

const hypervisors = {
  service: 'compute',
  method: 'GET',
  path: '/v2.1/os-hypervisors/detail?hypervisor_hostname_pattern=cmp1',
  microversion: '2.88',
};
const answered = (uptime: string | null) => ({
  hypervisors: [
    { service: { host: 'cmp10' }, uptime: 'up' },
    { service: { host: 'cmp1' }, uptime },
  ],
});

test.each<[number, unknown, string | undefined]>([
  [200, answered('10:00 up 1 day'), undefined],
  [200, answered(null), 'Nova asks it, and it does not answer'],
  [200, { hypervisors: [] }, 'Nova asks it, and it does not answer'],
  [500, '', 'Nova answered 500 when it was to ask the service'],
])('a compute service that must answer: %s %j', (status, body, said) => {
  const check = checks.get('compute-service');
  if (check?.via !== 'api') throw new TypeError('it does not ask an API');
  const conversation = check.ask({ service: 'nova-compute', host: 'cmp1', answers: true });
  expect(conversation.next().value as ApiRequest).toEqual(compute);
  expect(conversation.next({ status: 200, body: { services } }).value).toEqual(hypervisors);
  expect(conversation.next({ status, body })).toEqual({ done: true, value: said });
});

test.each<[number, string | undefined]>([
  [200, undefined],
  [502, 'Cinder asks it, and it does not answer (502)'],
])('a volume service that must answer: %s', (status, said) => {
  const check = checks.get('volume-service');
  if (check?.via !== 'api') throw new TypeError('it does not ask an API');
  const conversation = check.ask({ service: 'cinder-volume', host: 'ceph@rbd', answers: true });
  expect(conversation.next().value as ApiRequest).toEqual(volume);
  const up = volumes.map((each) => ({ ...each, state: 'up' }));
  const asked = { service: 'volumev3', method: 'GET', path: '/v3/capabilities/ceph%40rbd' };
  expect(conversation.next({ status: 200, body: { services: up } }).value).toEqual(asked);
  expect(conversation.next({ status, body: {} })).toEqual({ done: true, value: said });
});

test.each<[string, object, object, number, unknown, string | undefined]>([
  ['compute-service', { service: 'nova-compute', host: 'cmp1' }, compute, 200, { services }, undefined],
  ['compute-service', { service: 'nova-compute', host: 'cmp2' }, compute, 200, { services }, 'Nova has not heard from it for a while'],
  ['compute-service', { service: 'nova-compute', host: 'ctl1' }, compute, 200, { services }, 'it has not announced itself'],
  ['compute-service', { service: 'nova-compute', host: 'cmp1' }, compute, 503, '', 'the list of services was answered 503'],
  [
    'volume-service',
    { service: 'cinder-volume', host: 'ceph@rbd' },
    volume,
    200,
    { services: volumes },
    'Cinder has not heard from it for a while',
  ],
  ['network-agent', { agent: 'neutron-l3-agent', host: 'ctl1' }, network, 200, { agents }, undefined],
  ['network-agent', { agent: 'neutron-l3-agent', host: 'ctl2' }, network, 200, { agents }, 'Neutron has not heard from it for a while'],
  ['network-agent', { agent: 'neutron-dhcp-agent', host: 'ctl1' }, network, 200, { agents }, 'it has not announced itself'],
  ['network-agent', { agent: 'neutron-l3-agent', host: 'ctl1' }, network, 500, '', 'the list of agents was answered 500'],
  ['catalog', { service: 'image' }, identity, 200, catalog, undefined],
  ['catalog', { service: 'compute' }, identity, 200, catalog, 'in the catalogue without an endpoint'],
  ['catalog', { service: 'network' }, identity, 200, catalog, 'not in the catalogue, which lists image, compute'],
])('%s %j', (type, params, asked, status, body, said) => {
  const check = checks.get(type);
  if (check?.via !== 'api') throw new TypeError(`${type} does not ask an API`);
  const conversation = check.ask({ ...params });
  expect(conversation.next().value as ApiRequest).toEqual(asked);
  expect(conversation.next({ status, body })).toEqual({ done: true, value: said });
});
