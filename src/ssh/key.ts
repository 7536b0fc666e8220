import { generateKeyPairSync, randomBytes } from 'node:crypto';

/** An ed25519 key pair in the formats of OpenSSH, which Node cannot write and without which a bare machine has no ssh-keygen. */
export function generateKey(comment: string): { privateKey: string; publicKey: string } {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const seed = Buffer.from(jwk.d!, 'base64url');
  const point = Buffer.from(jwk.x!, 'base64url');
  const publicBlob = Buffer.concat([field('ssh-ed25519'), field(point)]);
  return {
    privateKey: pem(privateBlob(publicBlob, point, seed, comment)),
    publicKey: `ssh-ed25519 ${publicBlob.toString('base64')} ${comment}`,
  };
}

/** PROTOCOL.key of OpenSSH, without encryption: header, public key, then the private part padded to the block size of 8. */
function privateBlob(publicBlob: Buffer, point: Buffer, seed: Buffer, comment: string): Buffer {
  const check = randomBytes(4);
  const secret = [check, check, publicBlob, field(Buffer.concat([seed, point])), field(comment)];
  const unpadded = Buffer.concat([check, check, publicBlob, field(Buffer.concat([seed, point])), field(comment)]);
  const padding = Buffer.from(Array.from({ length: (8 - (unpadded.length % 8)) % 8 }, (_, i) => i + 1));
  const header = [Buffer.from('openssh-key-v1\0'), field('none'), field('none'), field(''), number(1), field(publicBlob)];
  return Buffer.concat([...header, field(Buffer.concat([...secret, padding]))]);
}

function field(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([number(bytes.length), bytes]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function pem(blob: Buffer): string {
  const lines = blob.toString('base64').match(/.{1,70}/g)!;
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n');
}
