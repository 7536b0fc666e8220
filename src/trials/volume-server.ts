import { ask, defineTrial } from './define.ts';
import { prompted, running } from './servers.ts';
import { becomes } from './storage.ts';

export const volumeServer = defineTrial({
  type: 'volume-server',
  summary: 'A server starts from a volume that was made from the image. When it is deleted, the volume is still there.',
  nameParam: 'suffix',
  params: {
    type: 'object',
    required: ['suffix'],
    additionalProperties: false,
    properties: { suffix: { type: 'string', description: "What the server's name ends with." } },
  },
  scope: 'cluster',
  needs: ['volume', 'console'],
  suspects: ['libvirt', 'nova-compute', 'nova-scheduler', 'nova-conductor', 'nova-api', 'cinder-api'],
  *attempt({ suffix }, stage) {
    const { image: volume } = stage.of('volume');
    const server = {
      name: `${stage.name}-${suffix}`,
      flavorRef: stage.of('server').flavor,
      networks: [{ uuid: stage.of('network').id }],
      block_device_mapping_v2: [
        { uuid: volume, source_type: 'volume', destination_type: 'volume', boot_index: 0, delete_on_termination: false },
      ],
    };
    const service = 'compute';
    const made = yield* ask<{ server: { id: string } }>(stage, { service, method: 'POST', path: '/v2.1/servers', body: { server } });
    const { id } = made.server;
    const shown = yield* running(stage, id);
    yield* prompted(stage, id, stage.of('console').prompt);
    yield* ask(stage, { service, method: 'DELETE', path: `/v2.1/servers/${id}` });
    yield* becomes(stage, volume, 'available');
    return { said: `on ${shown['OS-EXT-SRV-ATTR:host'] ?? 'a host'}` };
  },
});
