import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readlink, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Invalid } from '../../src/base/problem.ts';
import { diskLink } from '../../src/lab/disks.ts';
import { docker } from '../../src/lab/docker.ts';
import { down, labFiles, sshArguments, status, up, type LabMachine } from '../../src/lab/lab.ts';
import type { LabSpec } from '../../src/lab/layout.ts';
import { testRun } from '../machines.ts';

const third = Number(testRun()) % 256;
const notes: string[] = [];
let spec: LabSpec;

async function upAgain(): Promise<LabMachine[]> {
  notes.length = 0;
  return up(spec, (event) => {
    if (event.type === 'note') notes.push(event.text);
  });
}

async function onMachine(host: string, script: string): Promise<string> {
  return docker(['exec', `cellwise-${spec.name}-${host}`, 'sh', '-c', script]);
}

beforeAll(async () => {
  spec = {
    name: `test-${testRun()}`,
    directory: await mkdtemp(join(tmpdir(), 'cellwise-lab-')),
    networks: [
      { name: 'mgmt', cidr: `10.213.${third}.0/24` },
      { name: 'storage', cidr: `10.214.${third}.0/24` },
    ],
    hosts: [
      { name: 'ctl1', address: `10.213.${third}.11`, disks: [] },
      {
        name: 'sto1',
        address: `10.213.${third}.21`,
        addresses: { storage: `10.214.${third}.21` },
        disks: [{ device: '/dev/sdb', size: '64M' }],
      },
    ],
  };
  const machines = await upAgain();
  expect(machines.map(({ was }) => was)).toEqual(['created', 'created']);
});

afterAll(async () => {
  await down(spec, () => undefined);
  await rm(spec.directory, { recursive: true });
});

test('every host answers on its SSH port', async () => {
  for (const host of spec.hosts) expect(await banner(host.address)).toMatch(/^SSH-2\.0-OpenSSH/);
});

test('a machine is what its host is called, has its addresses, and reaches the others', async () => {
  expect(await onMachine('sto1', 'hostname; cat /etc/hostname')).toBe('sto1\nsto1');
  const addresses = await onMachine('sto1', "ip -4 -o address show scope global | awk '{print $2, $4}'");
  expect(addresses).toContain(`eth0 10.213.${third}.21/24`);
  expect(addresses).toContain(`storage 10.214.${third}.21/24`);
  expect(await onMachine('sto1', 'ip route show default')).toContain(`via 10.213.${third}.1 dev eth0`);
  await onMachine('ctl1', `ping -c 1 -W 2 10.213.${third}.21`);
});

test('no unit has failed, and the files that roles replace are plain files', async () => {
  expect(await onMachine('ctl1', 'systemctl is-system-running; systemctl --failed --no-legend')).toBe('running');
  await onMachine('ctl1', 'for f in hosts hostname resolv.conf; do cp /etc/$f /etc/.new && mv -fT /etc/.new /etc/$f || exit; done');
});

test('a disk is as large as it should be, and keeps what is on it when its machine is restarted', async () => {
  expect(await onMachine('sto1', 'blockdev --getsize64 /dev/sdb && echo kept | dd of=/dev/sdb conv=fsync status=none')).toBe(
    String(64 << 20),
  );
  await docker(['restart', '--time', '3', `cellwise-${spec.name}-sto1`]);
  expect(await onMachine('sto1', 'head -c 4 /dev/sdb')).toBe('kept');
  expect((await upAgain()).map(({ was }) => was)).toEqual(['running', 'running']);
  const [ctl1, sto1] = [spec.hosts[0]!, spec.hosts[1]!];
  const more = { ...sto1, disks: [...sto1.disks, { device: '/dev/sdc', size: '64M' }] };
  await expect(up({ ...spec, hosts: [ctl1, more] }, () => undefined)).rejects.toThrow('sto1 lacks disks');
});

test('root gets in by the key of the lab, and by its known_hosts alone', async () => {
  const { identity, knownHosts } = labFiles(spec.directory);
  expect((await stat(identity)).mode & 0o777).toBe(0o600);
  expect((await readFile(knownHosts, 'utf8')).trim().split('\n')).toHaveLength(2);
  const ran = await promisify(execFile)('ssh', sshArguments(spec, spec.hosts[0]!, ['id', '-u'])).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  // A bare machine has no ssh client.
  if (ran) expect(ran.stdout).toBe('0\n');
});

test('machines have host keys and ids of their own', async () => {
  const read = (host: string) => onMachine(host, 'cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub');
  expect(await read('ctl1')).not.toBe(await read('sto1'));
});

test('up again makes nothing, and starts what is stopped with its files as they were', async () => {
  const before = await docker(['ps', '--quiet', '--no-trunc', '--filter', `label=cellwise.lab=${spec.name}`]);
  await onMachine('sto1', 'echo 192.0.2.1 kept >>/etc/hosts');
  await docker(['stop', '--time', '3', `cellwise-${spec.name}-sto1`]);
  expect((await status(spec)).map(({ up: isUp }) => isUp)).toEqual([true, false]);

  expect((await upAgain()).map(({ was }) => was)).toEqual(['running', 'started']);
  expect(await docker(['ps', '--quiet', '--no-trunc', '--filter', `label=cellwise.lab=${spec.name}`])).toBe(before);
  expect(await onMachine('sto1', 'cat /etc/hosts')).toContain('192.0.2.1 kept');
  expect((await upAgain()).map(({ was }) => was)).toEqual(['running', 'running']);
  expect(notes).toEqual(expect.arrayContaining(['ctl1 is up', 'sto1 is up']));
});

test('a lost key is replaced on machines that are up', async () => {
  await rm(labFiles(spec.directory).identity);
  await upAgain();
  const publicKey = (await readFile(`${labFiles(spec.directory).identity}.pub`, 'utf8')).trim();
  expect(await onMachine('ctl1', 'cat /root/.ssh/authorized_keys')).toContain(publicKey);
});

test('other addresses, or another directory, are refused with a way out', async () => {
  const ctl1 = { ...spec.hosts[0]!, address: `10.213.${third}.12` };
  await expect(up({ ...spec, hosts: [ctl1] }, () => undefined)).rejects.toThrow('is up with other addresses for ctl1');
  await expect(down({ ...spec, directory: '/elsewhere' }, () => undefined)).rejects.toThrow(Invalid);
});

test('down removes all, and again does no harm', async () => {
  const loop = await readlink(diskLink(spec.directory, 'sto1', '/dev/sdb'));
  await down(spec, () => undefined);
  await down(spec, () => undefined);
  expect(await docker(['ps', '--all', '--quiet', '--filter', `label=cellwise.lab=${spec.name}`])).toBe('');
  expect(await docker(['network', 'ls', '--quiet', '--filter', `label=cellwise.lab=${spec.name}`])).toBe('');
  expect((await status(spec)).map(({ text }) => text)).toEqual(['not there', 'not there']);
  const { stdout } = await promisify(execFile)('losetup', ['--list', '--noheadings', '--output', 'NAME,BACK-FILE']);
  expect(stdout).not.toContain(`${loop} ${spec.directory}`);
});

/** What a server says first. */
function banner(address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(22, address);
    socket.setTimeout(5000, () => socket.destroy(new Error(`${address} says nothing`)));
    socket.on('error', reject).once('data', (bytes) => {
      socket.destroy();
      resolve(bytes.toString());
    });
  });
}
