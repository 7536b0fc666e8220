import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { docker } from '../../src/lab/docker.ts';
import { TestCloud } from '../cli/test-cloud.ts';
import { Client } from './client.ts';
import { strangers } from './ports.ts';

// A cloud without Ceph, which keeps objects and images in Swift. Each test builds on those before it.
const cloud = new TestCloud('swift', '10.113');
const minutes = 60_000;
const stores = ['sto1', 'sto2', 'sto3'];

/** The lab's inventory without compute hosts, with these storage hosts. */
function hosts(range: string): void {
  cloud.write(
    (text) =>
      `${text
        .replace('services: [keystone]', 'services: [glance, swift-proxy]\n  storage: swift')
        .replace(/ {2}cmp.*\n/, '')
        .replace(/ {2}sto\[.*\n/, `  sto[${range}]: { address: 10.113.0.31, kind: storage }\n`)
        .replace(
          /^params:\n/m,
          '$&  swift-proxy: { workers: 1 }\n  swift-storage: { directories: [/srv/node/d1, /srv/node/d2], mount_check: false, workers: 1 }\n',
        )}\nresources:\n  images: { tiny: { build: tiny } }\n`,
  );
}

let client: Client;

beforeAll(() => {
  hosts('1-3');
  return cloud.up();
}, 3 * minutes);
afterAll(() => cloud.down(), 3 * minutes);

/** The address of an object of the administrator's, or of a container. */
const at = (path: string): string => `${client.endpoint('object-store')}/${path}`;
const put = (path: string, body = Buffer.alloc(0)): Promise<Buffer> => client.bytes(at(path), 'PUT', body);
const get = (path: string): Promise<Buffer> => client.bytes(at(path));
/** How many objects a storage host holds whose content has this text. */
const copies = async (host: string, text: string): Promise<number> =>
  Number(await cloud.on(host, `grep -rlF --include='*.data' -- ${text} /srv/node | wc -l`));
const objects = Array.from({ length: 20 }, (_, i) => `many/object-${i}`);

it('is made in one apply, and the second changes nothing', { timeout: 30 * minutes }, async () => {
  const { code, summary, err } = await cloud.apply();
  expect(summary, err).toMatchObject({ failed: 0, blocked: 0, hosts: 4 });
  expect(code).toBe(0);
  expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
  expect(await strangers(cloud)).toEqual([]);
  const { out } = await cloud.cellwise('secrets', 'show', 'keystone.admin_password');
  client = await Client.login('http://10.113.0.11:5000', out.trim());
  const verified = await cloud.cellwise('verify');
  expect(verified.code, verified.err).toBe(0);
});

describe('images', () => {
  interface Image {
    readonly id: string;
    readonly size: number;
    readonly os_hash_algo: string;
    readonly os_hash_value: string;
  }

  it('are objects in the container glance, byte by byte', { timeout: 5 * minutes }, async () => {
    const [tiny] = (await client.get<{ images: Image[] }>('image', '/v2/images?name=tiny')).images;
    const [service] = (await client.get<{ projects: { id: string }[] }>('identity', '/projects?name=service')).projects;
    const container = `${client.endpoint('object-store').replace(/AUTH_.*/, `AUTH_${service!.id}`)}/glance`;
    const listed = JSON.parse((await client.bytes(`${container}?format=json`)).toString()) as { name: string; bytes: number }[];
    expect(listed).toMatchObject([{ name: tiny!.id, bytes: tiny!.size }]);
    const hash = (bytes: Buffer): string => createHash(tiny!.os_hash_algo).update(bytes).digest('hex');
    expect(hash(await client.bytes(`${container}/${tiny!.id}`))).toBe(tiny!.os_hash_value);
    expect(hash(await client.bytes(`${client.endpoint('image')}/v2/images/${tiny!.id}/file`))).toBe(tiny!.os_hash_value);
    expect(await cloud.on('ctl1', 'find /var/lib/glance/images -type f 2>/dev/null | wc -l')).toBe('0');
  });

  it('come back as they were sent', { timeout: 5 * minutes }, async () => {
    const data = randomBytes(3_000_000);
    const image = { name: 'noise', disk_format: 'raw', container_format: 'bare' };
    const { id } = (await client.ask('image', 'POST', '/v2/images', image)) as Image;
    const file = `${client.endpoint('image')}/v2/images/${id}/file`;
    await client.bytes(file, 'PUT', data, { 'content-type': 'application/octet-stream' });
    expect((await client.bytes(file)).equals(data)).toBe(true);
    await client.ask('image', 'DELETE', `/v2/images/${id}`);
  });
});

describe('objects', () => {
  it('are on three hosts', { timeout: 5 * minutes }, async () => {
    await put('notes');
    await put('notes/first', Buffer.from('the first of all notes'));
    for (const host of stores) await expect.poll(() => copies(host, '"the first of all notes"'), { timeout: minutes }).toBe(1);
  });

  it('are read and written while a host is down, which gets its share when it is back', { timeout: 15 * minutes }, async () => {
    await docker(['stop', '-t', '10', cloud.container('sto2')]);
    expect((await get('notes/first')).toString()).toBe('the first of all notes');
    await put('notes/second', Buffer.from('written without sto2'));
    expect((await get('notes/second')).toString()).toBe('written without sto2');
    await docker(['start', cloud.container('sto2')]);
    // Whose part of the ring it is goes over it, says its replicator: half a minute between two rounds.
    await expect.poll(() => copies('sto2', '"written without sto2"'), { timeout: 8 * minutes, interval: 5000 }).toBe(1);
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
  });

  it('are all there when a fourth host takes its share of them', { timeout: 20 * minutes }, async () => {
    await put('many');
    for (const name of objects) await put(name, Buffer.from(`content of ${name}`));
    hosts('1-4');
    await cloud.up();
    const { code, err, changed } = await cloud.apply();
    expect(code, err).toBe(0);
    expect(changed.filter((step) => !step.startsWith('sto4/')).toSorted()).toEqual(
      ['ctl1', ...stores].flatMap((host) => [
        `${host}/base/hosts-file`,
        ...['account', 'container', 'object'].map((ring) => `${host}/swift/swift-ring ${ring}`),
      ]),
    );
    const readable = async (): Promise<readonly string[]> => Promise.all(objects.map(async (name) => (await get(name)).toString()));
    expect(await readable()).toEqual(objects.map((name) => `content of ${name}`));
    await expect.poll(() => copies('sto4', '"content of many"'), { timeout: 8 * minutes, interval: 5000 }).toBeGreaterThan(5);
    expect(await readable()).toEqual(objects.map((name) => `content of ${name}`));
    expect(await cloud.apply()).toMatchObject({ code: 0, changed: [] });
    const { code: well, err: words } = await cloud.cellwise('verify');
    expect(well, words).toBe(0);
  });
});
