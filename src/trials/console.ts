import { defineTrial } from './define.ts';
import { prompted } from './servers.ts';

export const console = defineTrial({
  type: 'console',
  summary: "The console of a host's server shows that it has started.",
  nameParam: 'prompt',
  params: {
    type: 'object',
    required: ['prompt'],
    additionalProperties: false,
    properties: { prompt: { type: 'string', description: 'A regular expression for what it shows in the end.' } },
  },
  needs: ['server'],
  suspects: ['libvirt', 'neutron-openvswitch-agent', 'neutron-dhcp-agent', 'neutron-metadata-agent', 'nova-api'],
  *attempt({ prompt }, stage) {
    yield* prompted(stage, stage.of('server').id, prompt);
    return { prompt };
  },
});
