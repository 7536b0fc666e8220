import { binary, erlang } from '../base/erlang.ts';
import { text, type Text } from '../base/secret.ts';
import type { State } from '../base/state.ts';
import { defineResource, type Found } from './define.ts';

/** A user of RabbitMQ: password, tags, and what it may do in each virtual host. */
export const rabbitmqUser = defineResource({
  type: 'rabbitmq-user',
  summary: 'A user of RabbitMQ with its password, tags and permissions. Permissions in other virtual hosts are taken away.',
  nameParam: 'user',
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['user'],
    anyOf: [{ required: ['password'] }, { required: ['absent'] }],
    additionalProperties: false,
    properties: {
      user: { type: 'string', minLength: 1, maxLength: 255, description: 'Its name.' },
      password: { type: 'string', format: 'secret', description: 'Its password.' },
      tags: {
        type: 'array',
        items: { type: 'string', pattern: '^[a-z][a-z_]*$' },
        default: [],
        description: 'E.g. administrator, monitoring.',
      },
      permissions: {
        type: 'object',
        default: { '/': '.*' },
        description: 'For each virtual host the pattern of the names that it may configure, write and read.',
        additionalProperties: { type: 'string' },
      },
      absent: { type: 'boolean', description: 'The user must not be there, e.g. guest.' },
      idle: { type: 'boolean', description: 'With absent: one that somebody is connected as is left alone.' },
      node: { type: 'string', pattern: '^[A-Za-z0-9_-]+$', default: 'rabbit', description: 'Name of the Erlang node, without its host.' },
    },
  },
  desired: (p): State | null => {
    if (p.absent) return null;
    const permissions = Object.fromEntries(Object.entries(p.permissions).map(([vhost, pattern]) => [vhost, [pattern, pattern, pattern]]));
    return { password: 'current', tags: p.tags.toSorted(), permissions };
  },
  // Whether the password is right RabbitMQ says itself; texts come back in base64.
  probe: (p) =>
    erlang(
      p.node,
      text`U = ${binary(p.user)}, B = fun(X) -> base64:encode(X) end,
[case [T || [{user, N}, {tags, T}] <- rabbit_auth_backend_internal:list_users(), N =:= U] of
  [] -> io:format("absent~n");
  [Tags] ->
    io:format("connections ~b~n", [length(rabbit_connection_tracking:list_of_user(U))]),
    io:format("password ~s~n", [element(1, rabbit_access_control:check_user_pass_login(U, ${binary(p.password ?? '')}))]),
    [io:format("tag ~s~n", [T]) || T <- Tags],
    [io:format("may ~s ~s ~s ~s~n", [B(V), B(C), B(W), B(R)]) ||
      [{vhost, V}, {configure, C}, {write, W}, {read, R}] <- rabbit_auth_backend_internal:list_user_permissions(U)],
    io:format("done~n")
end || rabbit:is_running()]`,
    ),
  parse: (output, p): Found => {
    const said = output.out.toString().split('\n');
    if (said.includes('absent')) return null;
    if (!said.includes('done')) return { unknown: 'RabbitMQ does not answer on this host' };
    // What must be gone once it is idle is as it should be until then.
    if (p.absent && p.idle && !said.includes('connections 0')) return null;
    const rows = said.map((line) => line.split(' '));
    return {
      password: said.includes('password ok') ? 'current' : 'other',
      tags: rows.flatMap(([what, tag = '']) => (what === 'tag' ? [tag] : [])).toSorted(),
      permissions: Object.fromEntries(
        rows.flatMap(([what, ...texts]) => {
          const [vhost = '', ...patterns] = texts.map((word) => Buffer.from(word, 'base64').toString());
          return what === 'may' ? [[vhost, patterns] as const] : [];
        }),
      ),
    };
  },
  apply: (p, change) => {
    const user = binary(p.user);
    const by = '<<"cellwise">>';
    if (p.absent) return erlang(p.node, text`rabbit_auth_backend_internal:delete_user(${user}, ${by}), io:format("done~n")`);
    const differs = new Set(change.differences.map((difference) => difference.key));
    const before = Object.keys((change.before?.['permissions'] ?? {}) as State);
    const secret = binary(p.password ?? '');
    const parts: Text[] = [];
    if (change.before === null) parts.push(text`ok = rabbit_auth_backend_internal:add_user(${user}, ${secret}, ${by})`);
    else if (differs.has('password')) parts.push(text`ok = rabbit_auth_backend_internal:change_password(${user}, ${secret}, ${by})`);
    if (differs.has('tags'))
      parts.push(`rabbit_auth_backend_internal:set_tags(${user}, [${p.tags.map((tag) => `'${tag}'`).join(', ')}], ${by})`);
    if (differs.has('permissions')) {
      for (const [vhost, pattern] of Object.entries(p.permissions)) {
        const may = binary(pattern);
        parts.push(`rabbit_auth_backend_internal:set_permissions(${user}, ${binary(vhost)}, ${may}, ${may}, ${may}, ${by})`);
      }
      for (const vhost of before.filter((name) => !(name in p.permissions))) {
        parts.push(`rabbit_auth_backend_internal:clear_permissions(${user}, ${binary(vhost)}, ${by})`);
      }
    }
    return erlang(p.node, text`${parts.reduce((all, part) => text`${all},\n${part}`)},\nio:format("done~n")`);
  },
});
