import { createHash, randomBytes } from 'node:crypto';
import { Invalid } from '../base/problem.ts';

/** A secret's value, who gave it, and when. */
export interface Value {
  readonly value: string;
  readonly by: 'cellwise' | 'hand';
  /** ISO 8601; left out: before this was written down. */
  readonly changed?: string;
}

export interface Entry extends Value {
  /** What hosts have had until the next apply has gone well. */
  readonly former?: Value;
}

/**
 * What the encrypted file holds. Encryption to a public key proves nothing about who encrypted, so the file holds a key that only
 * those know who could open it before: a file with another key was made by somebody else. It is renewed when an operator is
 * removed, who knows it, too.
 */
export interface Contents {
  /** Left out in a file of the first format. */
  key?: string;
  /** Counts writes: an older file is noticed. */
  version: number;
  /** `cloud.name` of the inventory. */
  cloud?: string;
  /**
   * By recipient: the proof by which its holder knows the key again on another computer, empty until they have written the
   * file. That they can be added to is for those alone who can open the file.
   */
  recipients: Map<string, string>;
  /** Who could open the file once, and when they were removed. */
  removed: Map<string, string>;
  secrets: Map<string, Entry>;
}

const firstLine = 'cellwise-secrets 2\n';

/** `recipient`: whose file it is. */
export function newContents(recipient: string): Contents {
  return { key: newKey(), version: 0, recipients: new Map([[recipient, '']]), removed: new Map(), secrets: new Map() };
}

export function newKey(): string {
  return randomBytes(32).toString('base64url');
}

/** What people compare to know whose file it is; it gives nothing of the key away. */
export function fingerprintOf(contents: Contents): string {
  return digest(contents.key ?? textOf(contents)).slice(0, 32);
}

/** Tells two files of one version apart. */
export function markOf(contents: Contents): string {
  return digest(textOf(contents)).slice(0, 32);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The text to encrypt. Its first line keeps those from reading it who know the first format only, and would make all secrets anew. */
export function textOf({ key, version, cloud, recipients, removed, secrets }: Contents): string {
  const maps = { recipients: fromMap(recipients), removed: fromMap(removed), secrets: fromMap(secrets) };
  return firstLine + JSON.stringify({ key, version, cloud, ...maps }, null, 2);
}

/** Reads a decrypted file. Throws Invalid when it is no file of secrets. */
export function parseContents(text: string, file: string, recipient: string): Contents {
  const known = text.startsWith(firstLine);
  let parsed: unknown;
  try {
    parsed = JSON.parse(known ? text.slice(firstLine.length) : text);
  } catch {
    throw damaged(file);
  }
  if (!isGroup(parsed)) throw damaged(file);
  return known ? second(parsed, file) : first(parsed, file, recipient);
}

/** Names and values, and nothing else. What Cellwise makes is 32 letters and digits: another value was given by hand. */
function first(parsed: Group, file: string, recipient: string): Contents {
  const secrets = mapOf(parsed, isText, file, ([name, value]): [string, Entry] => [
    name,
    { value, by: /^[A-Za-z0-9]{32}$/.test(value) ? 'cellwise' : 'hand' },
  ]);
  return { version: 0, recipients: new Map([[recipient, '']]), removed: new Map(), secrets };
}

function second({ key, version, cloud, recipients, removed, secrets }: Group, file: string): Contents {
  const isRest = isText(key) && Number.isSafeInteger(version) && (cloud === undefined || isText(cloud));
  if (!isRest || !isGroup(recipients) || !isGroup(removed) || !isGroup(secrets)) throw damaged(file);
  return {
    key,
    version: version as number,
    ...(isText(cloud) ? { cloud } : {}),
    recipients: mapOf(recipients, isText, file, (entry) => entry),
    removed: mapOf(removed, isText, file, (entry) => entry),
    secrets: mapOf(secrets, isEntry, file, (entry) => entry),
  };
}

type Group = Readonly<Record<string, unknown>>;

function mapOf<T, U>(
  group: Group,
  is: (value: unknown) => value is T,
  file: string,
  make: (entry: [string, T]) => [string, U],
): Map<string, U> {
  return new Map(
    Object.entries(group).map(([name, value]) => {
      if (!is(value)) throw damaged(file);
      return make([name, value]);
    }),
  );
}

function isEntry(value: unknown): value is Entry {
  return isValue(value) && (!('former' in value) || isValue(value.former));
}

function isValue(value: unknown): value is Value {
  if (!isGroup(value)) return false;
  return (
    isText(value['value']) &&
    ['cellwise', 'hand'].includes(String(value['by'])) &&
    ['undefined', 'string'].includes(typeof value['changed'])
  );
}

function isGroup(value: unknown): value is Group {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function fromMap<T>(map: ReadonlyMap<string, T>): Readonly<Record<string, T>> {
  return Object.fromEntries(map);
}

function damaged(file: string): Invalid {
  return new Invalid([
    {
      code: 'secrets-identity',
      message: `${file} can be opened, but what is in it is no file of Cellwise's secrets`,
      hint: 'Restore it from a copy.',
    },
  ]);
}
