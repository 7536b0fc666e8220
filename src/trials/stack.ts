import { ask, defineTrial, until } from './define.ts';

interface Stack {
  readonly stack_status: string;
  readonly stack_status_reason: string;
}

export const stack = defineTrial({
  type: 'stack',
  summary: 'A stack with a network in it comes up and goes down again.',
  nameParam: 'version',
  params: {
    type: 'object',
    required: ['version'],
    additionalProperties: false,
    properties: { version: { type: 'string', description: 'The version of the template.' } },
  },
  scope: 'cluster',
  needs: ['network'],
  suspects: ['neutron-server', 'rabbitmq'],
  *attempt({ version }, stage) {
    const service = 'orchestration';
    const resources = {
      network: { type: 'OS::Neutron::Net' },
      subnet: { type: 'OS::Neutron::Subnet', properties: { network: { get_resource: 'network' }, cidr: '192.168.241.0/24' } },
    };
    const template = { heat_template_version: version, resources };
    const body = { stack_name: stage.name, template, disable_rollback: true };
    const all = `/v1/${stage.project}/stacks`;
    const made = yield* ask<{ stack: { id: string } }>(stage, { service, method: 'POST', path: all, body });
    const path = `${all}/${stage.name}/${made.stack.id}`;
    const reach = (wanted: string) =>
      until<{ stack: Stack }>(stage, { service, method: 'GET', path }, ({ stack: { stack_status, stack_status_reason } }) => {
        if (stack_status === wanted) return undefined;
        if (stack_status.endsWith('FAILED')) throw new Error(`${stack_status}: ${stack_status_reason}`);
        return `the stack is ${stack_status}`;
      });
    yield* reach('CREATE_COMPLETE');
    yield* ask(stage, { service, method: 'DELETE', path });
    // By its id a stack can still be asked for when it is gone.
    yield* reach('DELETE_COMPLETE');
    return {};
  },
});
