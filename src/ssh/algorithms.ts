import type { Algorithms, CipherAlgorithm, KexAlgorithm, MacAlgorithm, ServerHostKeyAlgorithm } from 'ssh2';
import type { HostKey } from './host-keys.ts';
import { matches } from './patterns.ts';

/** Lists of algorithms as ssh_config writes them; they narrow what is offered, and never widen it. */
export interface Wishes {
  readonly kex?: string;
  readonly ciphers?: string;
  readonly macs?: string;
  readonly hostKeys?: string;
}

// All that ssh2 can do and nobody advises against: no SHA-1, no CBC. In Node AES-GCM is by far the fastest.
const kex: readonly KexAlgorithm[] = [
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
  'diffie-hellman-group16-sha512',
  'diffie-hellman-group18-sha512',
  'diffie-hellman-group14-sha256',
  'diffie-hellman-group-exchange-sha256',
];
const ciphers: readonly CipherAlgorithm[] = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
];
const macs: readonly MacAlgorithm[] = ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'];
const hostKeysOf: Readonly<Record<string, readonly ServerHostKeyAlgorithm[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

/** What is offered to a host: types of its known keys first, so that it shows a key that can be checked. */
export function algorithmsFor(known: readonly HostKey[], wishes: Wishes = {}): Algorithms {
  const types = [...known.map((key) => key.type), ...Object.keys(hostKeysOf)];
  const hostKeys = [...new Set(types.flatMap((type) => hostKeysOf[type] ?? []))];
  return {
    kex: narrowed('KexAlgorithms', kex, wishes.kex),
    cipher: narrowed('Ciphers', ciphers, wishes.ciphers),
    hmac: narrowed('MACs', macs, wishes.macs),
    serverHostKey: narrowed('HostKeyAlgorithms', hostKeys, wishes.hostKeys),
    compress: ['none'],
  };
}

/** `a,b`: only these; `-a`: all but these; `+a` and `^a` add or prefer, which takes nothing away. */
function narrowed<T extends string>(word: string, ours: readonly T[], wish: string | undefined): T[] {
  if (wish === undefined || /^[+^]/.test(wish)) return [...ours];
  const named = wish.replace(/^-/, '').split(',');
  const left = ours.filter((name) => matches(named, name) !== wish.startsWith('-'));
  if (left.length === 0) throw new Error(`${word} ${wish} leaves none of those that Cellwise offers: ${ours.join(', ')}`);
  return left;
}
