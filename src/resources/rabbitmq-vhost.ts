import { sh, withInput } from '../base/command.ts';
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

/**
 * Runs an Erlang expression inside the running RabbitMQ. erl_call (10 ms) comes with Erlang itself, where rabbitmqctl starts
 * a machine of its own (1.2 s), takes what it is told as arguments, and lets Debian's wrapper expand `$()` in them.
 * erl_call succeeds whatever happens, so what went well says so by its output.
 */
function erlang(node: string, expression: string) {
  return withInput(
    sh`
command -v erl_call >/dev/null || { echo 'RabbitMQ is not installed on this host' >&2; exit 127; }
said=$(HOME=/var/lib/rabbitmq timeout 60 runuser -u rabbitmq -- erl_call -r -sname ${node} -fetch_stdout -no_result_term -e) || exit
printf '%s\\n' "$said"
case $said in exists* | done) ;; *) echo 'RabbitMQ could not do it: see its log' >&2; exit 1 ;; esac`,
    `${expression}.\n`,
  );
}

/** Any text as an Erlang binary: nothing in it is seen by Erlang's parser. */
function binary(value: string): string {
  return `<<${[...Buffer.from(value)].join(',')}>>`;
}
