import { binary, erlang } from '../base/erlang.ts';
import { defineResource, type Found } from './define.ts';

/** A virtual host of RabbitMQ. It holds queues with messages, so there is no way to remove it here. */
export const rabbitmqVhost = defineResource({
  type: 'rabbitmq-vhost',
  summary: 'A virtual host of RabbitMQ.',
  nameParam: 'vhost',
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['vhost'],
    additionalProperties: false,
    properties: {
      vhost: { type: 'string', minLength: 1, maxLength: 255, description: 'Its name, e.g. /.' },
      node: { type: 'string', pattern: '^[A-Za-z0-9_-]+$', default: 'rabbit', description: 'Name of the Erlang node, without its host.' },
    },
  },
  desired: () => ({ there: true }),
  probe: (p) => erlang(p.node, `[io:format("exists ~p~n", [rabbit_vhost:exists(${binary(p.vhost)})]) || rabbit:is_running()]`),
  parse: (output): Found => {
    const said = output.out.toString();
    if (said.includes('exists true')) return { there: true };
    return said.includes('exists false') ? null : { unknown: 'RabbitMQ does not answer on this host' };
  },
  apply: (p) => erlang(p.node, `rabbit_vhost:add(${binary(p.vhost)}, <<"cellwise">>), io:format("done~n")`),
});
