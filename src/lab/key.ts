import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { privateDirectory } from '../private/private.ts';
import { generateKey } from '../ssh/key.ts';

/** A key pair on disk: the path of the private key and the line for authorized_keys. */
export interface KeyPair {
  readonly identity: string;
  readonly publicKey: string;
}

/** The ed25519 key pair in `directory` (id_ed25519, 0600, and id_ed25519.pub), made when it is not there. */
export async function ensureKey(directory: string, comment: string): Promise<KeyPair> {
  const identity = join(directory, 'id_ed25519');
  privateDirectory(directory);
  const pair = generateKey(comment);
  try {
    await writeFile(identity, pair.privateKey, { mode: 0o600, flag: 'wx' });
    await writeFile(`${identity}.pub`, `${pair.publicKey}\n`);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  return { identity, publicKey: (await readFile(`${identity}.pub`, 'utf8')).trim() };
}
