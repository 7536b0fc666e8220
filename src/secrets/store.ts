import { armor, Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { randomInt } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Invalid } from '../base/problem.ts';
import type { ProblemCode } from '../base/problem-codes.ts';
import { Secret } from '../base/secret.ts';

/** The secrets of one cloud: encrypted with age on disk, in the clear in memory only. */
export interface SecretStore {
  /** The secret of a name, e.g. keystone.db_password; made when it is missing. */
  readonly get: (name: string) => Secret;
  readonly has: (name: string) => boolean;
  readonly names: () => readonly string[];
  /** Gives a secret a value of one's own. */
  readonly set: (name: string, value: string) => void;
  /** Gives a secret a new random value. */
  readonly rotate: (name: string) => void;
  /** Names of secrets that were made or changed since the store was opened or saved. */
  readonly unsaved: () => readonly string[];
  /** Writes the encrypted file, whole or not at all. */
  readonly save: () => Promise<void>;
}

export interface SecretFiles {
  /** The encrypted secrets: an armored age file, fit for git. */
  readonly file: string;
  /** The age identity that opens it; never in git. */
  readonly identity: string;
}

/** Opens the secrets; an identity and an empty store are made when there are none. Throws Invalid when they don't fit. */
export async function openSecrets({ file, identity }: SecretFiles): Promise<SecretStore> {
  if (!existsSync(identity)) {
    if (existsSync(file))
      throw refused(
        'secrets-identity',
        `${file} is encrypted, and its identity ${identity} is missing`,
        'Get the identity from whoever made the file, or name it by CELLWISE_IDENTITY.',
      );
    await makeIdentity(identity);
  }
  const { key, decrypter } = readIdentity(identity);
  const values = existsSync(file) ? await decrypt(file, identity, decrypter) : {};
  return store(new Map(Object.entries(values)), (now) => encrypt(file, key, Object.fromEntries(now)));
}

function store(values: Map<string, string>, write: (values: ReadonlyMap<string, string>) => Promise<void>): SecretStore {
  const unsaved = new Set<string>();
  // The mask knows all of them from now on, whether anybody asks for them or not.
  for (const [name, value] of values) Secret.of(name, value);
  const set = (name: string, value: string): void => {
    values.set(name, value);
    unsaved.add(name);
    Secret.of(name, value);
  };
  return {
    get(name) {
      if (!values.has(name)) set(name, generate());
      return Secret.of(name, values.get(name)!);
    },
    has: (name) => values.has(name),
    names: () => [...values.keys()].toSorted(),
    set,
    rotate: (name) => {
      set(name, generate());
    },
    unsaved: () => [...unsaved].toSorted(),
    async save() {
      await write(values);
      unsaved.clear();
    },
  };
}

// Letters and digits only: 190 bits, and the same in every quoting, URL and configuration language.
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

function generate(): string {
  return Array.from({ length: 32 }, () => alphabet[randomInt(alphabet.length)]).join('');
}

async function makeIdentity(file: string): Promise<void> {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  writeFileSync(
    file,
    `# Opens the secrets of this cloud. Keep a copy where only you can read it.\n# public key: ${recipient}\n${identity}\n`,
    { mode: 0o600, flag: 'wx' },
  );
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw refused('secrets-identity', `${file} cannot be read: ${(error as Error).message}`, 'Name the identity by CELLWISE_IDENTITY.');
  }
}

function readIdentity(file: string): { readonly key: string; readonly decrypter: Decrypter } {
  const line = readText(file)
    .split('\n')
    .find((each) => each.startsWith('AGE-SECRET-KEY-'));
  if (line === undefined) throw refused('secrets-identity', `${file} holds no age identity`, 'Its line begins with AGE-SECRET-KEY-.');
  const key = line.trim();
  const decrypter = new Decrypter();
  try {
    decrypter.addIdentity(key);
  } catch {
    throw refused('secrets-identity', `The age identity in ${file} is damaged`, 'Get it again from whoever made it.');
  }
  return { key, decrypter };
}

async function decrypt(file: string, identity: string, decrypter: Decrypter): Promise<Record<string, string>> {
  try {
    // As a stream: given bytes it answers by way of fetch's Response, and Node loads all of that for it.
    const sealed = ReadableStream.from([armor.decode(readFileSync(file, 'utf8'))]);
    return JSON.parse(await text(await decrypter.decrypt(sealed))) as Record<string, string>;
  } catch {
    throw refused(
      'secrets-identity',
      `The identity ${identity} does not open ${file}`,
      'It was encrypted for another one, or is damaged: name the right identity by CELLWISE_IDENTITY.',
    );
  }
}

async function encrypt(file: string, key: string, values: Readonly<Record<string, string>>): Promise<void> {
  const encrypter = new Encrypter();
  encrypter.addRecipient(await identityToRecipient(key));
  const sealed = armor.encode(await encrypter.encrypt(JSON.stringify(values, null, 2)));
  writeFileSync(`${file}.new`, sealed, { mode: 0o600, flush: true });
  chmodSync(`${file}.new`, 0o600);
  renameSync(`${file}.new`, file);
}

function refused(code: ProblemCode, message: string, hint: string): Invalid {
  return new Invalid([{ code, message, hint }]);
}
