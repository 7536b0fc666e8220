// What a controller shows to its network and keeps to itself, as the roles make it: Keystone and the dashboard on one host.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCloud } from '../cli/test-cloud.ts';

const cloud = new TestCloud('guarded', '10.117');
const api = 'http://10.117.0.11:5000/v3';

beforeAll(async () => {
  cloud.write((text) => text.replace('services: [keystone]', 'services: [horizon]').replace(/ {2}(?:cmp|sto)\[.*\n/g, ''));
  await cloud.up();
  const { code, err } = await cloud.apply();
  expect(code, err).toBe(0);
}, 900_000);
afterAll(() => cloud.down(), 120_000);

const on = (script: string): Promise<string> => cloud.on('ctl1', script);

test('nothing but SSH and the dashboard listens on all addresses', async () => {
  const open = await on(`ss -Hltn | awk '{ print $4 }' | grep -E '^(0\\.0\\.0\\.0|\\*|\\[::\\]):' | sed 's/.*://' | sort -un`);
  expect(open).toBe('22\n80\n');
  // RabbitMQ's ports are there, on the host's address.
  const own = await on(`ss -Hltn | awk '{ print $4 }' | grep -oE '^10\\.117\\.0\\.11:(4369|5672|25672|5000)$' | sort -u | wc -l`);
  expect(own).toBe('4\n');
});

test('a user of the message queue has a right to its own virtual host and to no other', async () => {
  expect(await on('rabbitmqctl -q --no-table-headers list_user_permissions keystone')).toBe('keystone\t.*\t.*\t.*\n');
  expect(await on('rabbitmqctl -q --no-table-headers list_permissions -p /')).toBe('');
});

describe('a rotation of keys', () => {
  const token = `curl -sf -D - -o /dev/null -H 'Content-Type: application/json' ${api}/auth/tokens -d @/root/login | tr -d '\\r' | sed -n 's/^x-subject-token: //Ip'`;
  const asked = (name: string) =>
    `curl -s -o /dev/null -w '%{http_code}\\n' -H "X-Auth-Token: ${name}" -H "X-Subject-Token: ${name}" ${api}/auth/tokens`;
  const login = `. /root/admin-openrc; printf '{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "domain": {"id": "default"}, "password": "%s"}}}, "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}}' "$OS_PASSWORD" >/root/login`;

  test('is planned by timers, and leaves tokens and credentials good', { timeout: 300_000 }, async () => {
    expect(await on('systemctl is-active keystone-fernet-rotate.timer keystone-credential-rotate.timer')).toBe('active\nactive\n');
    const said = await on(`${login}
t=$(${token}); openstack credential create --type secret admin kept >/dev/null
# Nothing is answered from the cache.
flush() { printf 'flush_all\\r\\nquit\\r\\n' | python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect("/run/memcached-keystone/socket"); s.sendall(sys.stdin.buffer.read()); s.recv(99)'; }
for i in 1 2 3; do systemctl start keystone-fernet-rotate keystone-credential-rotate; flush; ${asked('$t')}; done
ls /etc/keystone/fernet-keys /etc/keystone/credential-keys | wc -w
openstack credential list -f value -c Data
systemctl start keystone-fernet-rotate; flush; ${asked('$t')}
stat -c '%U %a' /etc/keystone/fernet-keys/*`);
    // Of five keys one is to come: a token outlives three rotations, and ends with the fourth.
    expect(said).toBe(`200\n200\n200\n10\nkept\n401\n${'keystone 600\n'.repeat(5)}`);
  });

  test('is no difference for the next apply', async () => {
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
  });
});

describe('the dashboard', () => {
  const head = (more: string) => on(`curl -s -o /dev/null -D - ${more} http://10.117.0.11/horizon/auth/login/`);

  test('answers to its names alone, and says no versions', async () => {
    const answer = await head('');
    expect(answer).toMatch(/^HTTP\/1.1 200/);
    expect(answer).toMatch(/^server: Apache\r$/im);
    expect(await head("-H 'Host: ctl1'")).toMatch(/^HTTP\/1.1 200/);
    expect(await head("-H 'Host: evil.example'")).toMatch(/^HTTP\/1.1 400/);
  });

  test('keeps sessions where nobody else reaches them, and scripts do not see their cookies', { timeout: 120_000 }, async () => {
    const said = await on(`. /root/admin-openrc; cd /tmp; rm -f jar
page=http://10.117.0.11/horizon/auth/login/
curl -s -c jar -o form $page
mark=$(sed -n 's/.*name="csrfmiddlewaretoken" value="\\([^"]*\\)".*/\\1/p' form | head -1)
curl -s -b jar -c jar -D answer -o /dev/null -H "Referer: $page" --data-urlencode "csrfmiddlewaretoken=$mark" --data-urlencode username=admin --data-urlencode "password=$OS_PASSWORD" -d region=default $page
grep -i '^set-cookie: sessionid=' answer`);
    expect(said).toMatch(/^set-cookie: sessionid=[a-z0-9]{32}; HttpOnly; .*SameSite=Lax/im);
  });
});
