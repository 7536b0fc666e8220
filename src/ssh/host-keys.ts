import { createHash, createHmac } from 'node:crypto';
import { matches } from './patterns.ts';

/** A host key: its type (e.g. `ssh-ed25519`) and its bytes in base64. */
export interface HostKey {
  readonly type: string;
  readonly blob: string;
}

/** What a host's key turned out to be. */
export type Verdict = 'known' | 'unknown' | 'changed' | 'revoked';

/** What known_hosts files say of a host. */
export interface Known {
  readonly keys: readonly HostKey[];
  readonly revoked: readonly HostKey[];
  /** They name a certificate authority for it: of no use here, as ssh2 knows no certificates. */
  readonly authority: boolean;
}

/** The text of known_hosts files, read once. Lines that make no sense are passed over, as OpenSSH does. */
export class KnownHosts {
  readonly #trusted = new Lines();
  readonly #revoked = new Lines();
  readonly #authorities = new Lines();

  constructor(texts: readonly string[]) {
    for (const text of texts) for (const line of text.split(/\r?\n/)) this.#add(line);
  }

  /** The keys that are known of a host under the first of `names` that has any. A key revoked under any of them is revoked. */
  find(names: readonly string[]): Known {
    const lower = names.map((name) => name.toLowerCase());
    return {
      keys: firstSome(lower, (name) => this.#trusted.of(name)),
      revoked: lower.flatMap((name) => this.#revoked.of(name)),
      authority: lower.some((name) => this.#authorities.of(name).length > 0),
    };
  }

  #add(line: string): void {
    const fields = line.trim().split(/\s+/);
    const lines = fields[0]?.startsWith('@') === true ? this.#marked(fields.shift()!) : this.#trusted;
    const [names, type, blob] = fields;
    if (names === undefined || names.startsWith('#') || type === undefined || blob === undefined) return;
    lines?.add(names, { type, blob });
  }

  #marked(marker: string): Lines | undefined {
    return marker === '@revoked' ? this.#revoked : marker === '@cert-authority' ? this.#authorities : undefined;
  }
}

/** Keys by the names of hosts: plain names are looked up in a map, patterns and hashed names are tried. */
class Lines {
  readonly #plain = new Map<string, HostKey[]>();
  readonly #patterns: { readonly key: HostKey; readonly patterns: readonly string[] }[] = [];
  readonly #hashed: { readonly key: HostKey; readonly salt: Buffer; readonly hash: Buffer }[] = [];

  add(names: string, key: HostKey): void {
    const list = names.toLowerCase().split(',');
    if (names.startsWith('|1|')) {
      const [, , salt = '', hash = ''] = names.split('|');
      this.#hashed.push({ key, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') });
    } else if (/[*?!]/.test(names)) this.#patterns.push({ key, patterns: list });
    else for (const name of list) this.#plain.set(name, [...(this.#plain.get(name) ?? []), key]);
  }

  of(name: string): HostKey[] {
    const patterns = this.#patterns.filter((line) => matches(line.patterns, name));
    const hashed = this.#hashed.filter((line) => createHmac('sha1', line.salt).update(name).digest().equals(line.hash));
    return [...(this.#plain.get(name) ?? []), ...[...patterns, ...hashed].map((line) => line.key)];
  }
}

function firstSome<T>(names: readonly string[], of: (name: string) => T[]): T[] {
  for (const name of names) {
    const found = of(name);
    if (found.length > 0) return found;
  }
  return [];
}

/** The names under which known_hosts knows a host: `[address]:port` off port 22, and then the bare one too, as OpenSSH does. */
export function hostNames(address: string, port: number): string[] {
  return port === 22 ? [address] : [`[${address}]:${port}`, address];
}

/** A key as people write it: `ssh-ed25519 AAAA… comment`. Undefined when it is none. */
export function parseHostKey(text: string): HostKey | undefined {
  const [type, blob] = text.trim().split(/\s+/);
  if (type === undefined || blob === undefined || wireKey(Buffer.from(blob, 'base64')).type !== type) return undefined;
  return { type, blob };
}

/** The key that a server shows, as it comes over the wire. */
export function wireKey(bytes: Buffer): HostKey {
  const length = bytes.length >= 4 ? bytes.readUInt32BE(0) : 0;
  return { type: bytes.toString('latin1', 4, 4 + Math.min(length, 64)), blob: bytes.toString('base64') };
}

/** Judges the key that a host shows against those that are known. */
export function judge(shown: HostKey, known: Pick<Known, 'keys' | 'revoked'>): Verdict {
  const same = (key: HostKey) => key.blob.replace(/=+$/, '') === shown.blob.replace(/=+$/, '');
  if (known.revoked.some(same)) return 'revoked';
  if (known.keys.some(same)) return 'known';
  return known.keys.length > 0 ? 'changed' : 'unknown';
}

/** `SHA256:…`, as `ssh-keygen -l` prints it. */
export function sha256(key: HostKey): string {
  return `SHA256:${createHash('sha256').update(Buffer.from(key.blob, 'base64')).digest('base64').replace(/=+$/, '')}`;
}
