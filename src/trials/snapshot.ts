import { ask, defineTrial, until } from './define.ts';
import { prompted, running } from './servers.ts';

export const snapshot = defineTrial({
  type: 'snapshot',
  summary: 'A server becomes an image, and the image a server, wherever the scheduler puts it.',
  nameParam: 'suffix',
  params: {
    type: 'object',
    required: ['suffix'],
    additionalProperties: false,
    properties: { suffix: { type: 'string', description: 'What the names of both end with.' } },
  },
  scope: 'cluster',
  needs: ['console'],
  // With its disk in Ceph, Nova suspends the server while it copies it.
  after: ['screen', 'login', 'neighbours', 'attachment'],
  suspects: ['libvirt', 'nova-scheduler', 'nova-conductor', 'nova-api', 'glance', 'neutron-openvswitch-agent'],
  *attempt({ suffix }, stage) {
    const { id, flavor } = stage.of('server');
    const name = `${stage.name}-${suffix}`;
    const { image_id } = yield* ask<{ image_id: string }>(stage, {
      service: 'compute',
      method: 'POST',
      path: `/v2.1/servers/${id}/action`,
      microversion: '2.45',
      body: { createImage: { name } },
    });
    const image = { service: 'image', method: 'GET', path: `/v2/images/${image_id}` } as const;
    yield* until<{ status: string }>(stage, image, ({ status }) => {
      if (status === 'active') return undefined;
      if (status !== 'queued' && status !== 'saving' && status !== 'importing') throw new Error(`The image is ${status}`);
      return `the image is ${status}`;
    });
    const server = { name, imageRef: image_id, flavorRef: flavor, networks: [{ uuid: stage.of('network').id }] };
    const path = '/v2.1/servers';
    const made = yield* ask<{ server: { id: string } }>(stage, { service: 'compute', method: 'POST', path, body: { server } });
    const shown = yield* running(stage, made.server.id);
    yield* prompted(stage, made.server.id, stage.of('console').prompt);
    return { said: `on ${shown['OS-EXT-SRV-ATTR:host'] ?? 'a host'}` };
  },
});
