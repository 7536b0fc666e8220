// What OpenSSH's own sshd and Cellwise agree on, and what they must not agree on.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Unreachable } from '../../src/base/shell.ts';
import { algorithmsFor } from '../../src/ssh/algorithms.ts';
import { connect, type SshTarget } from '../../src/ssh/connect.ts';
import { startMachine, type Machine } from '../machines.ts';

let machine: Machine;
let target: SshTarget;
let port = 2200;
beforeAll(async () => {
  machine = await startMachine();
  target = { name: machine.name, address: machine.address, user: 'root', identities: [machine.identity], hostKeys: [machine.hostKey] };
});
afterAll(() => machine.stop());

/** An sshd of its own, with options of sshd_config. */
async function sshd(...options: string[]): Promise<SshTarget> {
  port++;
  const { code, err } = await machine.exec(`/usr/sbin/sshd -p ${port} ${options.map((option) => `-o '${option}'`).join(' ')}`);
  expect(err).toBe('');
  expect(code).toBe(0);
  return { ...target, port };
}

const ours = algorithmsFor([]) as Record<'kex' | 'cipher' | 'hmac', string[]>;
// An AEAD cipher has no MAC of its own.
const words = { kex: 'KexAlgorithms', cipher: 'Ciphers', hmac: 'Ciphers=aes128-ctr -o MACs' };

describe.each(['kex', 'cipher', 'hmac'] as const)('%s', (kind) => {
  test.each(ours[kind])('%s alone is enough', async (algorithm) => {
    const shell = await connect(await sshd(...`${words[kind]}=${algorithm}`.split(' -o ')));
    expect(String((await shell.run({ script: 'id -u' })).out)).toBe('0\n');
    await shell.close();
  });
});

test.each([
  [['Ciphers=aes128-ctr', 'MACs=hmac-sha1'], 'MAC', 'hmac-sha2-256-etm@openssh.com (MACs in sshd_config)'],
  [['Ciphers=aes128-ctr', 'MACs=hmac-sha1-etm@openssh.com,umac-64@openssh.com'], 'MAC', 'hmac-sha2-256-etm@openssh.com'],
  [['Ciphers=aes128-cbc,3des-cbc'], 'cipher', 'aes128-gcm@openssh.com (Ciphers in sshd_config)'],
  [['KexAlgorithms=diffie-hellman-group14-sha1'], 'key exchange algorithm', 'curve25519-sha256 (KexAlgorithms in sshd_config)'],
  [['HostKeyAlgorithms=ssh-rsa', 'HostKey=/tmp/rsa'], 'host key format', 'ssh-ed25519, or rsa-sha2-512 (HostKeyAlgorithms in sshd_config)'],
])('%j is refused, with what to do about it', async (options, what, remedy) => {
  await machine.exec('[ -e /tmp/rsa ] || ssh-keygen -q -t rsa -b 2048 -N "" -f /tmp/rsa');
  const error: unknown = await connect(await sshd(...options)).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(Unreachable);
  expect(error).toMatchObject({
    reason: 'protocol',
    message: expect.stringContaining(`have no ${what} in common`) as string,
    hint: expect.stringContaining(remedy) as string,
  });
});
