// Who can write to a service's cache decides whose token is valid, and which code the service runs (its clients unpickle). Debian's
// memcached, keystonemiddleware, oslo.cache and Django, with the configuration that the roles write, against other hosts and the
// other users of this one.
import { createConnection } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { imageAfter, type Machine, startMachine } from '../machines.ts';
import { inventoryOf, small } from '../plan/clouds.ts';
import { write } from './written.ts';

const packages = 'memcached python3-keystonemiddleware python3-pymemcache python3-django';
const settings = '/etc/openstack-dashboard/local_settings.d/_2000_cellwise.py';
const written = [
  '/etc/memcached.conf',
  '/etc/systemd/system/memcached@.service',
  '/etc/glance/glance-api.conf',
  '/etc/keystone/keystone.conf',
  settings,
];

// A service without Keystone: what is not in the cache is nobody's token.
const service = `
import datetime, hashlib, json, sys, webob
from keystonemiddleware import auth_token
def app(env, start):
    start('200 OK', [('content-type', 'text/plain')])
    return [env['HTTP_X_ROLES'].encode()]
middleware = auth_token.AuthProtocol(app, {'oslo_config_project': 'glance', 'oslo_config_file': '/etc/glance/glance-api.conf'})
def ask(token):
    request = webob.Request.blank('/v2/images')
    request.headers['X-Auth-Token'] = token
    return request.get_response(middleware).status
ask('nothing')
now = datetime.datetime.now(datetime.timezone.utc)
stamp = lambda hours: (now + datetime.timedelta(hours=hours)).strftime('%Y-%m-%dT%H:%M:%S.000000Z')
domain = {'id': 'default', 'name': 'Default'}
admin = {'token': {'methods': ['password'], 'expires_at': stamp(9), 'issued_at': stamp(0), 'user': {'id': '0', 'name': 'admin', 'domain': domain},
  'roles': [{'id': '1', 'name': 'admin'}], 'project': {'id': '3', 'name': 'admin', 'domain': domain}, 'audit_ids': ['x'], 'catalog': []}}
`;

// The client of an attacker who speaks memcached's protocol and knows the names that services give their keys.
const attacker = `
import hashlib, json, os, pickle, socket, sys
def tell(server, words):
    family = socket.AF_UNIX if isinstance(server, str) else socket.AF_INET
    with socket.socket(family) as s:
        s.settimeout(3)
        s.connect(server)
        s.sendall(words)
        try: return s.recv(65536)
        except TimeoutError: return b''
def put(server, key, value, flags=0):
    return tell(server, b'set %s %d 600 %d\\r\\n%s\\r\\n' % (key.encode(), flags, len(value), value))
class Run:
    def __reduce__(self): return (os.system, ('touch /tmp/owned',))
code = pickle.dumps(Run(), protocol=2)
`;

const region = `
from oslo_config import cfg
from oslo_cache import core
conf = cfg.ConfigOpts()
core.configure(conf)
conf(['--config-file', '/etc/keystone/keystone.conf'])
region = core.configure_cache_region(conf, core.create_region())
`;

const sessions = `
import os, runpy
from django.conf import settings
mine = runpy.run_path('${settings}')
settings.configure(SECRET_KEY='x', CACHES=mine['CACHES'], SESSION_ENGINE=mine['SESSION_ENGINE'])
import django; django.setup()
from django.contrib.sessions.backends.cache import SessionStore
`;

let host: Machine;

/** Runs Python as a user of the host; what it prints. */
async function python(user: string, ...parts: string[]): Promise<string> {
  const { code, out, err } = await host.exec(`runuser -u ${user} -- python3 -W ignore - <<'END'\n${parts.join('\n')}\nEND\n`);
  expect(code, err).toBe(0);
  return out.trim();
}

beforeAll(async () => {
  const install = `apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -y -q install --no-install-recommends ${packages} && useradd -r keystone && useradd -r glance`;
  host = await startMachine({ image: await imageAfter('caches', install) });
  await write(host, inventoryOf(small), 'ctl1', written);
  // Its users are not those that the files belong to.
  await host.exec(`chmod a+r ${written.join(' ')}`);
  // Nobody answers at the address of the controller.
  const { code, err } = await host.exec(
    'ip address add 10.77.0.11/32 dev lo; systemctl daemon-reload && systemctl restart memcached memcached@glance memcached@keystone memcached@www-data',
  );
  expect(code, err).toBe(0);
});

afterAll(() => host.stop());

const glance = [service, `middleware._token_cache.set('known', admin); print(ask('known'))`];
const keystone = [region, `region.set('a', 'b'); print(region.get('a'))`];
const dashboard = [sessions, `s = SessionStore(); s['a'] = 'b'; s.create(); print(SessionStore(s.session_key)['a'])`];

describe('a cache', () => {
  test.each([
    ['glance', glance, '200 OK'],
    ['keystone', keystone, 'b'],
    ['www-data', dashboard, 'b'],
  ])('of %s is open to nobody else', async (user, use, said) => {
    expect(await python(user, ...use)).toBe(said);
    const attack = `
for path in ['/run/memcached-${user}/socket', '/run/memcached-${user}/mine']:
    for act in [lambda: tell(path, b'version'), lambda: socket.socket(socket.AF_UNIX).bind(path), lambda: os.rename('/run/memcached-${user}', '/run/old')]:
        try: print(path, act())
        except PermissionError: pass
`;
    const strangers = ['nobody', 'memcache', 'glance', 'keystone', 'www-data'].filter((one) => one !== user);
    for (const stranger of strangers) expect(await python(stranger, attacker, attack)).toBe('');
    expect(await python(user, ...use)).toBe(said);
  });

  test('is no port that another host reaches', async () => {
    expect((await host.exec(`ss -Hltn 'src 127.0.0.1:11211'`)).out).toContain('LISTEN');
    const refused = await new Promise((resolve) => {
      const socket = createConnection({ host: host.address, port: 11211 }, () => {
        resolve('open');
        socket.destroy();
      }).on('error', (error: NodeJS.ErrnoException) => {
        resolve(error.code);
      });
    });
    expect(refused).toBe('ECONNREFUSED');
  });

  test('gives no key away, and no token to who has its bytes; what is put there without the secret counts for nothing', async () => {
    await python('glance', ...glance);
    const forge = `
mine = '/run/memcached-glance/socket'
rows = tell(mine, b'lru_crawler metadump all\\r\\n').decode().split()
keys = [row[4:] for row in rows if row.startswith('key=')]
print(len(keys) > 0, any(b'default' in tell(mine, b'get %s\\r\\n' % key.encode()) for key in keys))
print(put(mine, 'tokens/' + hashlib.sha256(b'forged').hexdigest(), json.dumps(admin).encode()))
print(put(mine, 'tokens/' + hashlib.sha256(b'known').hexdigest(), code, 1))
print(ask('forged'), ask('known'), os.path.exists('/tmp/owned'), sep='; ')
`;
    const stored = `b'STORED\\r\\n'`;
    expect(await python('glance', service, attacker, forge)).toBe(
      ['True False', stored, stored, '503 Service Unavailable; 200 OK; False'].join('\n'),
    );
    const list = `
for words in ['lru_crawler metadump all', 'lru_crawler mgdump all', 'watch fetchers mutations'] + ['stats cachedump %d 0' % i for i in range(1, 64)]:
    said = tell(('127.0.0.1', 11211), words.encode() + b'\\r\\n')
    if not said.startswith((b'ERROR', b'CLIENT_ERROR')): print(words, said)
`;
    expect(await python('nobody', attacker, list)).toBe('');
  });
});
