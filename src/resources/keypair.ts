import type { State } from '../base/state.ts';
import { defineApiResource } from './define.ts';
import { call, find, must, type Talk } from './openstack.ts';

/** A public key of a user. Servers get it when they are made, and keep it: removing one takes nothing from them. */
export const keypair = defineApiResource({
  type: 'keypair',
  summary: 'A public SSH key of a user, which new servers of that user let in.',
  nameParam: 'keypair',
  identity: (p) => `${p.user}/${p.keypair}`,
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['keypair', 'public_key'],
    additionalProperties: false,
    properties: {
      keypair: { type: 'string', pattern: '^[A-Za-z0-9 _.@-]{1,255}$', description: 'Its name.' },
      user: { type: 'string', default: 'admin', description: 'The user of the default domain that it belongs to.' },
      public_key: {
        type: 'string',
        pattern: '^(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?$',
        description: 'The key: ssh-ed25519 AAAA….',
      },
      absent: { type: 'boolean', default: false, description: 'True: it must not be there. Servers that have it keep it.' },
    },
  },
  desired: (p): State | null => (p.absent ? null : { public_key: bare(p.public_key) }),
  cannot: (_, { before, after }) =>
    before && after
      ? 'Nova cannot change the key of a key pair: give the new one another name, or remove this one first (absent: true)'
      : undefined,
  *look(p) {
    const user = yield* userId(p.user);
    const path = `/v2.1/os-keypairs?user_id=${user ?? ''}`;
    const pairs =
      user === undefined ? [] : yield* call<readonly Pair[]>({ service: 'compute', method: 'GET', path, microversion, list: 'keypairs' });
    const known = pairs.find(({ keypair: { name } }) => name === p.keypair);
    return known ? { public_key: bare(known.keypair.public_key) } : null;
  },
  *apply(p) {
    const user_id = must(yield* userId(p.user), `user ${p.user}`);
    const path = '/v2.1/os-keypairs';
    const body = { keypair: { name: p.keypair, public_key: p.public_key, type: 'ssh', user_id } };
    yield* p.absent
      ? call({ service: 'compute', method: 'DELETE', path: `${path}/${encodeURIComponent(p.keypair)}?user_id=${user_id}`, microversion })
      : call({ service: 'compute', method: 'POST', path, body, microversion });
  },
});

interface Pair {
  readonly keypair: { readonly name: string; readonly public_key: string };
}

// From here on pages can be asked for; that an administrator may name a user is older.
const microversion = '2.35';

function* userId(name: string): Talk<string | undefined> {
  const where = { domain_id: 'default', name };
  return (yield* find({ service: 'identity', path: '/v3/users', list: 'users', where }, `the user ${name}`))?.id;
}

/** A key without its comment. */
function bare(key: string): string {
  return key.trim().split(/\s+/).slice(0, 2).join(' ');
}
