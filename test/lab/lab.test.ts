import { expect, test } from 'vitest';
import { createArguments, sshArguments } from '../../src/lab/lab.ts';
import { capabilities, untilReady } from '../../src/lab/machine.ts';

const host = { name: 'ctl1', address: '10.77.0.11', disks: [] };
const spec = { name: 'lab', directory: '/srv/lab keys', networks: [], hosts: [host] };
const attachments = [
  { network: 'cellwise-lab-0-management', address: '10.77.0.11', link: 'eth0' },
  { network: 'cellwise-lab-1-storage', address: '10.78.0.11', link: 'storage' },
];

test('a container is a machine of its host', () => {
  const args = createArguments(
    { spec, host, attachments, image: 'cellwise-machine:trixie-12345678', cache: undefined, publicKey: '' },
    'cellwise-lab-ctl1',
  );
  expect(args.slice(0, 9)).toEqual([
    ...['create', '--name', 'cellwise-lab-ctl1', '--hostname', 'ctl1'],
    ...['--network', 'cellwise-lab-0-management', '--ip', '10.77.0.11'],
  ]);
  expect(args).toContain('cellwise.lab=lab');
  expect(args).toContain('cellwise.layout=cellwise-lab-0-management=10.77.0.11,cellwise-lab-1-storage=10.78.0.11');
  expect(args).toContain('LAB_LINKS=10.78.0.11=storage 10.77.0.11=eth0');
  expect(args).toContain('--cgroupns=private');
  expect(args).not.toContain('--privileged');
  expect(args.at(-1)).toBe('cellwise-machine:trixie-12345678');
});

test('a machine gets neither all capabilities nor the clock', () => {
  expect(capabilities).not.toContain('ALL');
  expect(capabilities).not.toContain('SYS_RESOURCE');
  expect(capabilities).not.toContain('SYS_TIME');
  expect(new Set(capabilities).size).toBe(capabilities.length);
});

test('ssh uses the key and the host keys of the lab, and nothing of the user', () => {
  expect(sshArguments(spec, host, ['systemctl', 'status'])).toEqual([
    ...['-F', 'none', '-o', 'IdentityFile="/srv/lab keys/id_ed25519"', '-o', 'IdentitiesOnly=yes'],
    ...['-o', 'UserKnownHostsFile="/srv/lab keys/known_hosts"', '-o', 'LogLevel=ERROR'],
    ...['root@10.77.0.11', 'systemctl', 'status'],
  ]);
});

test('a public key is one word of the script, whatever its comment says', () => {
  expect(untilReady("ssh-ed25519 AAAA it's $(me)", undefined)).toContain(String.raw`'ssh-ed25519 AAAA it'\''s $(me)'`);
});
