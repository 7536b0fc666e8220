import { randomInt } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Invalid } from '../base/problem.ts';
import { Secret } from '../base/secret.ts';
import { writePrivate } from '../private/private.ts';
import { seal, unseal } from './age-file.ts';
import { fingerprintOf, newContents, newKey, parseContents, textOf, type Contents, type Entry, type Value } from './contents.ts';
import { makeIdentity, readIdentity, type AskPassphrase, type Identity } from './identity.ts';
import { locked } from './lock.ts';
import { readSeen, refuseForged, seenOf, voucherOf, writeSeen } from './trust.ts';

/** The secrets of one cloud. */
export interface SecretStore {
  /** The secret of a name, e.g. keystone.db_password; made when it is missing. */
  readonly get: (name: string) => Secret;
  readonly has: (name: string) => boolean;
  readonly names: () => readonly string[];
  /** Names of secrets that were made or changed since the store was opened or saved. */
  readonly unsaved: () => readonly string[];
  /** Writes what was changed. True: others had written meanwhile, and some values are now theirs. */
  readonly save: () => Promise<boolean>;
}

/** The same in a file: encrypted with age on disk, in the clear in memory only. */
export interface SecretsFile extends SecretStore {
  readonly identity: Identity;
  /** What is known of a secret besides its value. */
  readonly about: (name: string) => Omit<Entry, 'value'> | undefined;
  readonly contents: () => Readonly<Pick<Contents, 'cloud' | 'removed' | 'recipients'>>;
  readonly fingerprint: () => string;
  /** Makes a change here, and in the file when it is saved. */
  readonly edit: (edit: Edit) => void;
  /** Gives a secret a value of one's own. */
  readonly set: (name: string, value: string) => void;
  /** Gives a secret a new random value. */
  readonly rotate: (name: string) => void;
}

export interface SecretFiles {
  /** The encrypted secrets: an armored age file, fit for git. */
  readonly file: string;
  /** The age identity that opens it; never in git. */
  readonly identity: string;
  /** `.cellwise/NAME`: what was last seen of the file, and the lock of those who write it. */
  readonly directory: string;
}

export interface OpenOptions {
  readonly passphrase?: AskPassphrase;
  /** The fingerprint of a file that is believed, whatever was seen before. */
  readonly accept?: string;
}

/** A change to the contents, done again on what others have written meanwhile. Returns the names that it changes. */
export type Edit = (contents: Contents) => readonly string[];

/** Opens the secrets; an identity and an empty store are made when there are none. Throws Invalid when they don't fit. */
export async function openSecrets(files: SecretFiles, options: OpenOptions = {}): Promise<SecretsFile> {
  if (!existsSync(files.identity)) await locked(files.directory, () => firstIdentity(files));
  const identity = await readIdentity(files.identity, options.passphrase);
  const contents = await read(files, identity, options.accept);
  if (contents.version > 0 || contents.key === undefined) await remember(files, identity, contents, options.accept !== undefined);
  return store(contents, files, identity);
}

/** The secrets as they are, when that can be told without asking or writing anything. */
export async function peekSecrets(files: SecretFiles): Promise<Pick<Contents, 'cloud' | 'secrets'> | undefined> {
  try {
    const identity = await readIdentity(files.identity);
    return parseContents(await unseal(readFileSync(files.file), identity.decrypter), files.file, identity.recipient);
  } catch {
    return undefined;
  }
}

async function firstIdentity({ file, identity }: SecretFiles): Promise<void> {
  if (existsSync(identity)) return;
  if (existsSync(file))
    throw refused(
      `${file} is encrypted, and its identity ${identity} is missing`,
      'Get the identity from whoever made the file, or name it by CELLWISE_IDENTITY.',
    );
  await makeIdentity(identity);
}

/** What was seen is read ahead of the file: who writes does it the other way round, so the file is never too old. */
async function read(files: SecretFiles, identity: Identity, accept?: string): Promise<Contents> {
  const seen = readSeen(seenFile(files), identity);
  if (!existsSync(files.file)) {
    if (seen) throw lost(files, seen.version);
    return newContents(identity.recipient);
  }
  const contents = await decrypt(files, identity);
  if (accept === undefined) refuseForged(files.file, contents, seen, identity);
  else if (accept !== fingerprintOf(contents)) throw otherFingerprint(files.file, fingerprintOf(contents));
  return contents;
}

/** Unless another process has seen a newer one meanwhile, or it is accepted anyway. */
async function remember(files: SecretFiles, identity: Identity, contents: Contents, anyway: boolean): Promise<void> {
  const now = seenOf(contents);
  if (readSeen(seenFile(files), identity)?.mark === now.mark) return;
  await locked(files.directory, () => {
    const seen = readSeen(seenFile(files), identity);
    if (anyway || seen === undefined || now.version >= seen.version) writeSeen(seenFile(files), now, identity);
    return Promise.resolve();
  });
}

function seenFile({ directory }: SecretFiles): string {
  return join(directory, 'secrets.seen');
}

async function decrypt({ file, identity: identityFile }: SecretFiles, identity: Identity): Promise<Contents> {
  let text: string;
  try {
    text = await unseal(readFileSync(file), identity.decrypter);
  } catch {
    throw refused(
      `The identity ${identityFile} does not open ${file}`,
      'It was encrypted for another one, or is damaged: name the right identity by CELLWISE_IDENTITY.',
    );
  }
  return parseContents(text, file, identity.recipient);
}

function store(opened: Contents, files: SecretFiles, identity: Identity): SecretsFile {
  let contents = opened;
  let edits: Edit[] = [];
  const unsaved = new Set<string>();
  learn(contents);
  const edit = (change: Edit): void => {
    for (const name of change(contents)) unsaved.add(name);
    learn(contents);
    edits.push(change);
  };
  const set = (name: string, value: string, by: Value['by']): void => {
    edit((now) => put(now, name, { value, by, changed: new Date().toISOString() }));
  };
  return {
    identity,
    get(name) {
      if (!contents.secrets.has(name)) edit(madeUnlessThere(name));
      return Secret.of(name, contents.secrets.get(name)!.value);
    },
    has: (name) => contents.secrets.has(name),
    names: () => [...contents.secrets.keys()].toSorted(),
    about: (name) => contents.secrets.get(name),
    contents: () => contents,
    fingerprint: () => fingerprintOf(contents),
    edit,
    set: (name, value) => {
      set(name, value, 'hand');
    },
    rotate: (name) => {
      set(name, generate(), 'cellwise');
    },
    unsaved: () => [...unsaved].toSorted(),
    async save() {
      if (edits.length === 0 && contents.key !== undefined && existsSync(files.file)) return false;
      const before = contents;
      contents = await locked(files.directory, async () => write(files, identity, await read(files, identity), edits));
      edits = [];
      unsaved.clear();
      learn(contents);
      return [...before.secrets].some(([name, { value }]) => contents.secrets.get(name)?.value !== value);
    },
  };
}

async function write(files: SecretFiles, identity: Identity, contents: Contents, edits: readonly Edit[]): Promise<Contents> {
  for (const edit of edits) edit(contents);
  contents.key ??= newKey();
  contents.version += 1;
  contents.recipients.set(identity.recipient, voucherOf(contents, identity));
  writePrivate(files.file, await seal(textOf(contents), [...contents.recipients.keys()]));
  writeSeen(seenFile(files), seenOf(contents), identity);
  return contents;
}

/** A new value; the one that hosts have is kept until an apply has brought the new one to all of them. */
function put({ secrets }: Contents, name: string, value: Value): readonly string[] {
  const before = secrets.get(name);
  const former = before && (before.former ?? only(before));
  secrets.set(name, { ...value, ...(former && former.value !== value.value ? { former } : {}) });
  return [name];
}

function only({ value, by, changed }: Value): Value {
  return { value, by, ...(changed === undefined ? {} : { changed }) };
}

/** Who makes it first wins: others take theirs. */
function madeUnlessThere(name: string): Edit {
  const made: Value = { value: generate(), by: 'cellwise', changed: new Date().toISOString() };
  return ({ secrets }) => {
    if (secrets.has(name)) return [];
    secrets.set(name, made);
    return [name];
  };
}

/** The mask knows all of them from now on, whether anybody asks for them or not; and those that hosts may still have. */
function learn({ secrets }: Contents): void {
  for (const [name, { value, former }] of secrets) {
    Secret.of(name, value);
    if (former) Secret.of(`${name} (former)`, former.value);
  }
}

// Letters and digits only: 190 bits, and the same in every quoting, URL and configuration language.
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

function generate(): string {
  return Array.from({ length: 32 }, () => alphabet[randomInt(alphabet.length)]).join('');
}

function lost({ file, directory }: SecretFiles, version: number): Invalid {
  return new Invalid([
    {
      code: 'secrets-older',
      message: `${file} is missing, and version ${version} of it was used here`,
      hint: `Restore it. If there is no cloud yet, and all secrets may be made anew, remove ${join(directory, 'secrets.seen')}.`,
    },
  ]);
}

function otherFingerprint(file: string, fingerprint: string): Invalid {
  return new Invalid([
    {
      code: 'secrets-untrusted',
      message: `The fingerprint of ${file} is ${fingerprint}, not the one that you gave`,
      hint: 'Somebody wrote it anew, or replaced it: ask a colleague what `cellwise secrets recipients` prints.',
    },
  ]);
}

function refused(message: string, hint: string): Invalid {
  return new Invalid([{ code: 'secrets-identity', message, hint }]);
}
