import { Decrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { createHmac } from 'node:crypto';
import { dirname } from 'node:path';
import { Invalid } from '../base/problem.ts';
import { privateDirectory, readPrivate, writePrivate } from '../private/private.ts';
import { isSealed, sealWithPassphrase, unseal } from './age-file.ts';

/** What opens the secrets: an age identity. */
export interface Identity {
  readonly recipient: string;
  readonly decrypter: Decrypter;
  /** A proof that only the holder of the identity can make, and check. */
  readonly vouch: (text: string) => string;
  /** The file's text in the clear. */
  readonly content: string;
  readonly isProtected: boolean;
}

/** Asks for the passphrase of a file. */
export type AskPassphrase = (file: string) => Promise<string>;

export async function makeIdentity(file: string): Promise<void> {
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  privateDirectory(dirname(file));
  writePrivate(
    file,
    `# Opens the secrets of this cloud. Keep a copy where only you can read it.\n# public key: ${recipient}\n${identity}\n`,
  );
}

/** Throws Invalid when there is none in the file, others can read it, or the passphrase is wrong. */
export async function readIdentity(file: string, ask?: AskPassphrase): Promise<Identity> {
  const bytes = readBytes(file);
  const isProtected = isSealed(bytes);
  const content = isProtected ? await unlock(file, bytes, ask) : bytes.toString('utf8');
  const key = content
    .split('\n')
    .find((each) => each.startsWith('AGE-SECRET-KEY-'))
    ?.trim();
  if (key === undefined) throw refused(`${file} holds no age identity`, 'Its line begins with AGE-SECRET-KEY-.');
  const decrypter = new Decrypter();
  try {
    decrypter.addIdentity(key);
  } catch {
    throw refused(`The age identity in ${file} is damaged`, 'Get it again from whoever made it.');
  }
  return {
    recipient: await identityToRecipient(key),
    decrypter,
    vouch: (text) => createHmac('sha256', key).update(text).digest('base64url'),
    content,
    isProtected,
  };
}

/** Writes an identity again, with a passphrase or without. */
export async function protect(file: string, { content }: Identity, passphrase: string | undefined): Promise<void> {
  writePrivate(file, passphrase === undefined ? content : await sealWithPassphrase(content, passphrase));
}

function readBytes(file: string): Buffer {
  try {
    return readPrivate(file);
  } catch (error) {
    if (error instanceof Invalid) throw error;
    throw refused(`${file} cannot be read: ${(error as Error).message}`, 'Name the identity by CELLWISE_IDENTITY.');
  }
}

async function unlock(file: string, bytes: Uint8Array, ask: AskPassphrase | undefined): Promise<string> {
  if (!ask) throw refused(`${file} is protected by a passphrase`, 'Use a command that can ask for it.');
  const decrypter = new Decrypter();
  decrypter.addPassphrase(await ask(file));
  try {
    return await unseal(bytes, decrypter);
  } catch {
    throw refused(`The passphrase does not open ${file}`, 'Try again; without it the identity is lost, and a copy is needed.');
  }
}

function refused(message: string, hint: string): Invalid {
  return new Invalid([{ code: 'secrets-identity', message, hint }]);
}
