import { ask, defineTrial } from './define.ts';

export const screen = defineTrial({
  type: 'screen',
  summary: "A browser's console shows a picture of a server's screen.",
  nameParam: 'console',
  params: {
    type: 'object',
    required: ['console'],
    additionalProperties: false,
    properties: { console: { type: 'string', enum: ['novnc'], description: 'The kind of console.' } },
  },
  scope: 'cluster',
  needs: ['server'],
  suspects: ['nova-compute', 'nova-api', 'memcached'],
  *attempt({ console: type }, stage) {
    const { remote_console } = yield* ask<{ remote_console: { url: string } }>(stage, {
      service: 'compute',
      method: 'POST',
      path: `/v2.1/servers/${stage.of('server').id}/remote-consoles`,
      microversion: '2.6',
      body: { remote_console: { protocol: 'vnc', type } },
    });
    const { body } = yield { deed: 'screen', url: remote_console.url };
    return { said: String(body) };
  },
});
