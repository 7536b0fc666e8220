// What a controller shows to its network and keeps to itself, as the roles make it: Keystone and the dashboard on one host.
import { request, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCloud } from '../cli/test-cloud.ts';

const cloud = new TestCloud('guarded', '10.117');
const address = '10.117.0.11';

beforeAll(async () => {
  cloud.write((text) => text.replace('services: [keystone]', 'services: [horizon]').replace(/ {2}(?:cmp|sto)\[.*\n/g, ''));
  await cloud.up();
  const { code, err } = await cloud.apply();
  expect(code, err).toBe(0);
}, 1_800_000);
afterAll(() => cloud.down(), 120_000);

const on = (script: string): Promise<string> => cloud.on('ctl1', script);

/** What a page of the controller says when a browser asks for it by this name. */
function get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(url, { headers }, (answer) => {
      resolve(answer.resume());
    })
      .on('error', reject)
      .end();
  });
}

test('nothing but SSH and the dashboard listens on all addresses', async () => {
  const listening = (await on('ss -Hltn')).split('\n').map((row) => row.split(/\s+/)[3]!);
  const everywhere = listening.filter((at) => /^(0\.0\.0\.0|\*|\[::\]):/.test(at)).map((at) => Number(at.split(':').at(-1)));
  expect(new Set(everywhere)).toEqual(new Set([22, 80]));
  for (const port of [4369, 5000, 5672, 25672]) expect(listening).toContain(`${address}:${port}`);
});

test('a user of the message queue has a right to its own virtual host and to no other', async () => {
  const list = (what: string): Promise<string> => on(`rabbitmqctl -q --no-table-headers ${what}`);
  expect(await list('list_user_permissions keystone')).toBe('keystone\t.*\t.*\t.*');
  expect(await list('list_permissions -p /')).toBe('');
});

describe('a rotation of keys', () => {
  const openstack = (words: string): Promise<string> => on(`. /root/admin-openrc && openstack ${words}`);

  /** Rotates, and has Keystone forget what it has looked at before. */
  async function rotate(): Promise<void> {
    await on('systemctl start keystone-fernet-rotate keystone-credential-rotate && systemctl restart memcached@keystone');
  }

  test('is planned by timers, and leaves tokens and credentials good', { timeout: 600_000 }, async () => {
    expect(await on('systemctl is-active keystone-fernet-rotate.timer keystone-credential-rotate.timer')).toBe('active\nactive');
    const token = await openstack('token issue -f value -c id');
    await openstack('credential create --type secret admin kept');
    const asked = async () =>
      (await get(`http://${address}:5000/v3/auth/tokens`, { 'X-Auth-Token': token, 'X-Subject-Token': token })).statusCode;
    for (let times = 0; times < 3; times += 1) {
      await rotate();
      expect(await asked()).toBe(200);
    }
    expect(await on('cd /etc/keystone && ls fernet-keys | wc -l && ls credential-keys | wc -l')).toBe('5\n3');
    expect(await openstack('credential list -f value -c Data')).toBe('kept');
    // Of five keys one is to come: a token outlives three rotations, and ends with the fourth.
    await rotate();
    expect(await asked()).toBe(401);
    expect(await on('stat -c "%U %a" /etc/keystone/*-keys/* | sort -u')).toBe('keystone 600');
  });

  test('is no difference for the next apply', { timeout: 300_000 }, async () => {
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
  });
});

describe('the dashboard', () => {
  const page = `http://${address}/horizon/auth/login/`;

  test('answers to its names alone, and says no versions', async () => {
    const { statusCode, headers } = await get(page);
    expect([statusCode, headers.server]).toEqual([200, 'Apache']);
    expect((await get(page, { Host: 'ctl1' })).statusCode).toBe(200);
    expect((await get(page, { Host: 'evil.example' })).statusCode).toBe(400);
  });

  test('hides the cookie of a session from scripts and other sites', { timeout: 120_000 }, async () => {
    const login = `
import os, re, requests
with requests.Session() as s:
    form = s.get('${page}').text
    mark = re.search('name="csrfmiddlewaretoken" value="([^"]*)"', form)[1]
    answer = s.post('${page}', headers={'Referer': '${page}'}, allow_redirects=False,
        data={'csrfmiddlewaretoken': mark, 'username': 'admin', 'password': os.environ['OS_PASSWORD'], 'region': 'default'})
    print(answer.status_code, answer.headers['Set-Cookie'])`;
    const said = await on(`. /root/admin-openrc && python3 -W ignore - <<'END'${login}\nEND`);
    expect(said).toMatch(/^302 .*sessionid=\w{32}; expires=[^;]*; HttpOnly; [^,]*SameSite=Lax$/);
  });
});
