import { armor, Decrypter, Encrypter } from 'age-encryption';
import { text } from 'node:stream/consumers';

/** Encrypts a text for each of the recipients (age1…), as an armored age file. Throws when one is no recipient. */
export async function seal(content: string, recipients: readonly string[]): Promise<string> {
  return armor.encode(await encrypterFor(recipients).encrypt(content));
}

/** Throws when one is no recipient. */
export function encrypterFor(recipients: readonly string[]): Encrypter {
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  return encrypter;
}

/** Encrypts a text with a passphrase, as `age -p -a` does. */
export async function sealWithPassphrase(content: string, passphrase: string): Promise<string> {
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  return armor.encode(await encrypter.encrypt(content));
}

/** Decrypts an age file, armored or not. Throws when nothing that was given to `decrypter` opens it. */
export async function unseal(sealed: Uint8Array, decrypter: Decrypter): Promise<string> {
  const armored = new TextDecoder('latin1').decode(sealed);
  const bytes = armored.startsWith('-----BEGIN') ? armor.decode(armored) : sealed;
  // As a stream: given bytes it answers by way of fetch's Response, and Node loads all of that for it.
  return text(await decrypter.decrypt(ReadableStream.from([bytes])));
}

/** Is it a file that age has encrypted? */
export function isSealed(bytes: Uint8Array): boolean {
  return /^(-----BEGIN AGE ENCRYPTED FILE-----|age-encryption\.org\/v1)/.test(new TextDecoder('latin1').decode(bytes.subarray(0, 64)));
}
