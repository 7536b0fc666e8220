import { createHash, createHmac } from 'node:crypto';

/** A host key: its type (e.g. `ssh-ed25519`) and its bytes in base64. */
export interface HostKey {
  readonly type: string;
  readonly blob: string;
}

interface Line extends HostKey {
  readonly revoked: boolean;
}

interface PatternLine extends Line {
  readonly matches: (name: string) => boolean;
}

interface HashedLine extends Line {
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** What a host's key turned out to be. */
export type Verdict = 'known' | 'unknown' | 'changed' | 'revoked';

/**
 * The text of known_hosts files, read once: plain names are looked up in a map, patterns and hashed names are tried.
 * Lines of certificate authorities, and lines that make no sense, are passed over, as OpenSSH does.
 */
export class KnownHosts {
  readonly #plain = new Map<string, Line[]>();
  readonly #patterns: PatternLine[] = [];
  readonly #hashed: HashedLine[] = [];

  constructor(texts: readonly string[]) {
    for (const text of texts) for (const line of text.split(/\r?\n/)) this.#add(line);
  }

  /** The keys that are known of a host, under the first of `names` that any line knows. */
  find(names: readonly string[]): { readonly keys: readonly HostKey[]; readonly revoked: readonly HostKey[] } {
    for (const name of names) {
      const lines = this.#linesOf(name.toLowerCase());
      if (lines.length > 0) return { keys: lines.filter((line) => !line.revoked), revoked: lines.filter((line) => line.revoked) };
    }
    return { keys: [], revoked: [] };
  }

  #linesOf(name: string): Line[] {
    return [
      ...(this.#plain.get(name) ?? []),
      ...this.#patterns.filter((line) => line.matches(name)),
      ...this.#hashed.filter((line) => createHmac('sha1', line.salt).update(name).digest().equals(line.hash)),
    ];
  }

  #add(line: string): void {
    const fields = line.trim().split(/\s+/);
    const marker = fields[0]?.startsWith('@') === true ? fields.shift() : undefined;
    const [names, type, blob] = fields;
    if (names === undefined || names.startsWith('#') || type === undefined || blob === undefined) return;
    if (marker !== undefined && marker !== '@revoked') return;
    const key = { type, blob, revoked: marker === '@revoked' };
    if (names.startsWith('|1|')) this.#addHashed(names, key);
    else if (/[*?!]/.test(names)) this.#patterns.push({ ...key, matches: patternTest(names.toLowerCase()) });
    else for (const name of names.toLowerCase().split(',')) this.#plain.set(name, [...(this.#plain.get(name) ?? []), key]);
  }

  #addHashed(names: string, key: Line): void {
    const [, , salt = '', hash = ''] = names.split('|');
    this.#hashed.push({ ...key, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') });
  }
}

/** `*.example.com,!old.example.com`: one pattern must match, and none of the negated ones. */
function patternTest(names: string): (name: string) => boolean {
  const patterns = names.split(',').map((pattern) => {
    const negated = pattern.startsWith('!');
    return { negated, test: wildcard(negated ? pattern.slice(1) : pattern) };
  });
  return (name) => patterns.some((p) => !p.negated && p.test(name)) && !patterns.some((p) => p.negated && p.test(name));
}

/** `*` and `?` tried without a regular expression: a hostile pattern must not take exponential time. */
function wildcard(pattern: string): (name: string) => boolean {
  return (name) => {
    let [p, n, star, mark] = [0, 0, -1, 0];
    while (n < name.length) {
      if (p < pattern.length && (pattern[p] === '?' || (pattern[p] === name[n] && pattern[p] !== '*'))) {
        p++;
        n++;
      } else if (pattern[p] === '*') {
        star = p++;
        mark = n;
      } else if (star >= 0) {
        p = star + 1;
        n = ++mark;
      } else return false;
    }
    while (pattern[p] === '*') p++;
    return p === pattern.length;
  };
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
export function judge(shown: HostKey, known: { readonly keys: readonly HostKey[]; readonly revoked: readonly HostKey[] }): Verdict {
  const same = (key: HostKey) => key.blob.replace(/=+$/, '') === shown.blob.replace(/=+$/, '');
  if (known.revoked.some(same)) return 'revoked';
  if (known.keys.some(same)) return 'known';
  return known.keys.length > 0 ? 'changed' : 'unknown';
}

/** `SHA256:…`, as `ssh-keygen -l` prints it. */
export function sha256(key: HostKey): string {
  return `SHA256:${createHash('sha256').update(Buffer.from(key.blob, 'base64')).digest('base64').replace(/=+$/, '')}`;
}

const algorithmsOf: Readonly<Record<string, readonly string[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

/** Host key algorithms to ask for: those of known keys first, so that the server shows a key that can be checked. */
export function algorithmOrder(known: readonly HostKey[]): string[] {
  const types = [...known.map((key) => key.type), ...Object.keys(algorithmsOf)];
  return [...new Set(types.flatMap((type) => algorithmsOf[type] ?? []))];
}
