// Swift's replicators hand data over by rsync, whose modules are the disks: who can write there changes anybody's objects.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { imageAfter, type Machine, startMachine } from '../machines.ts';
import { inventoryOf } from '../plan/clouds.ts';
import { write } from './written.ts';

const inventory = inventoryOf(
  '  ctl1: {address: 10.77.0.11, kind: controller}\n  sto[1-3]: {address: 10.77.0.31, kind: storage, disks: [/dev/sdb]}\n',
  '',
  ', storage: swift',
);
let host: Machine;

/** Runs rsync as the replicator of a storage host would, with these arguments; what it ended with. */
async function replicate(environment: string, ...words: readonly string[]): Promise<number> {
  const script = `${environment}; exec rsync --contimeout=5 ${words.join(' ')}`;
  return (await host.exec(`sh -c '${script}' </dev/null`)).code;
}

beforeAll(async () => {
  const install = 'apt-get -q update && apt-get -y -q install --no-install-recommends rsync && useradd -r swift';
  host = await startMachine({ image: await imageAfter('rsync', install) });
  await write(host, inventory, 'sto1', [
    '/etc/rsyncd.conf',
    '/etc/rsyncd.secrets',
    '/etc/swift/rsync.env',
    '/etc/swift/object-server.conf',
  ]);
  const { code, err } = await host.exec(
    'install -d -o swift /srv/node/sdb && echo data >/tmp/data && ip address add 10.77.0.31/8 dev lo && systemctl restart rsync',
  );
  expect(code, err).toBe(0);
});

afterAll(() => host.stop());

test('only who has the password of storage hosts, and comes from the management network, reaches the disks', async () => {
  const module = (await host.exec(`sed -n 's/^rsync_module = //p' /etc/swift/object-server.conf`)).out.trim();
  expect(module).toBe('swift@{replication_ip}::object');
  const target = `${module.replace('{replication_ip}', '10.77.0.31')}/sdb/`;
  const password = 'set -a; . /etc/swift/rsync.env';
  const outside = `--address=${host.address}`;
  expect(await replicate(password, '/tmp/data', target)).toBe(0);
  expect(await replicate('RSYNC_PASSWORD=guess', '/tmp/data', target)).toBe(5);
  expect(await replicate('true', '/tmp/data', target.replace('swift@', ''))).toBe(5);
  expect(await replicate(password, outside, '/tmp/data', target)).toBe(5);
  expect((await host.exec('stat -c "%n %U" /srv/node/sdb/*')).out).toBe('/srv/node/sdb/data swift\n');
  expect((await host.exec('stat -c %a /etc/rsyncd.secrets /etc/swift/rsync.env')).out).toBe('600\n600\n');
});
