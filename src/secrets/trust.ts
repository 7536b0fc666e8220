import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Invalid } from '../base/problem.ts';
import { privateDirectory, writePrivate } from '../private/private.ts';
import { fingerprintOf, markOf, type Contents } from './contents.ts';
import type { Identity } from './identity.ts';

/** What was last seen of a secrets file on this computer: no secret. */
export interface Seen {
  readonly fingerprint: string;
  readonly version: number;
  readonly mark: string;
}

export function seenOf(contents: Contents): Seen {
  return { fingerprint: fingerprintOf(contents), version: contents.version, mark: markOf(contents) };
}

/** Undefined: nothing was seen yet. What cannot be read is a problem: who damages it must not be trusted for it. */
export function readSeen(file: string): Seen | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as Seen;
  } catch {
    return { fingerprint: '', version: 0, mark: '' };
  }
}

export function writeSeen(file: string, seen: Seen): void {
  privateDirectory(dirname(file));
  writePrivate(file, `${JSON.stringify(seen)}\n`);
}

/** Throws Invalid unless a file comes from somebody who could open the one before, and is not older than what was seen. */
export function refuseForged(file: string, contents: Contents, seen: Seen | undefined, identity: Identity): void {
  const now = seenOf(contents);
  const isKnown = seen ? seen.fingerprint === now.fingerprint : contents.key === undefined;
  if (!isKnown && !isVouched(contents, identity)) throw untrusted(file, now);
  if (!seen || now.version > seen.version || now.mark === seen.mark) return;
  throw refused(
    'secrets-older',
    now.version < seen.version
      ? `${file} is older than what was last used here: version ${now.version}, after ${seen.version}`
      : `${file} is another version ${now.version} than the one that was last used here`,
    `Get the newest. If you restored this one on purpose: cellwise secrets accept ${now.fingerprint}`,
  );
}

/** The proof that a recipient leaves for itself. */
export function voucherOf(contents: Contents, identity: Identity): string {
  return identity.vouch(fingerprintOf(contents));
}

function isVouched(contents: Contents, identity: Identity): boolean {
  return contents.key !== undefined && contents.recipients.get(identity.recipient) === voucherOf(contents, identity);
}

function untrusted(file: string, { fingerprint }: Seen): Invalid {
  return refused(
    'secrets-untrusted',
    `${file} was not written by anyone who is known here to hold an identity of this cloud; its fingerprint is ${fingerprint}`,
    'If you were just given access, or an operator was just removed, ask a colleague what `cellwise secrets recipients` prints. If that is the same fingerprint: cellwise secrets accept FINGERPRINT. Otherwise somebody replaced the file: restore it.',
  );
}

function refused(code: 'secrets-untrusted' | 'secrets-older', message: string, hint: string): Invalid {
  return new Invalid([{ code, message, hint }]);
}
