import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';

// An Ed25519 key is any 32 bytes, in the wrapping that OpenSSH and openssl read.
function pkcs8(secret: string): Buffer {
  const seed = createHash('sha256').update(`ssh key ${secret}`).digest();
  return Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
}

/** A private Ed25519 key made of a secret, the same each time, as a file that OpenSSH reads. */
export function sshKey(secret: string): string {
  return `-----BEGIN PRIVATE KEY-----\n${pkcs8(secret).toString('base64')}\n-----END PRIVATE KEY-----\n`;
}

/** Its public key as a line of authorized_keys, without a comment. It gives nothing of the secret away. */
export function sshPublicKey(secret: string): string {
  const key = createPublicKey(createPrivateKey({ key: pkcs8(secret), format: 'der', type: 'pkcs8' }));
  const bytes = Buffer.from(key.export({ format: 'jwk' }).x!, 'base64url');
  const field = (part: Buffer): Buffer[] => [Buffer.from([0, 0, 0, part.length]), part];
  return `ssh-ed25519 ${Buffer.concat([...field(Buffer.from('ssh-ed25519')), ...field(bytes)]).toString('base64')}`;
}
