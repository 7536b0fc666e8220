import { sh, withInput, type Command } from './command.ts';
import { mapText, text, type Text } from './secret.ts';

/**
 * Runs an Erlang expression inside the running RabbitMQ. erl_call (10 ms) comes with Erlang itself, where rabbitmqctl starts
 * a machine of its own (1.2 s), takes what it is told as arguments, and lets Debian's wrapper expand `$()` in them.
 * erl_call succeeds whatever happens, so what went well says so at the end of its output: `done`, `absent` or
 * `exists true|false`. What it prints about errors may hold a password: it is not shown.
 */
export function erlang(node: string, expression: Text): Command {
  // By -r erl_call calls itself after the second that it is: of two at a time, RabbitMQ takes one. A process's number is its own.
  return withInput(
    sh`
command -v erl_call >/dev/null || { echo 'RabbitMQ is not installed on this host' >&2; exit 127; }
self=cellwise$(sh -c 'echo $$')
said=$(HOME=/var/lib/rabbitmq timeout 60 runuser -u rabbitmq -- erl_call -h "$self" -sname ${node} -fetch_stdout -no_result_term -e 2>/dev/null)
printf '%s\\n' "$said"
case $said in absent | *done | exists*) ;; *) echo 'RabbitMQ could not do it: see its log' >&2; exit 1 ;; esac`,
    text`${expression}.\n`,
  );
}

/** Any text as an Erlang binary: nothing in it is seen by Erlang's parser. */
export function binary<T extends Text>(value: T): T {
  return mapText(value, (plain) => `<<${[...Buffer.from(plain)].join(',')}>>`) as T;
}
