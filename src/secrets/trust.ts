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

/**
 * Undefined: nothing was seen yet. It is proved by the identity: git overwrites files that it ignores, so that whoever can push could
 * bring one along. One that is not proved fits no file.
 */
export function readSeen(file: string, identity: Identity): Seen | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const [seen = '', proof] = text.split('\n');
  return proof === identity.vouch(seen) ? (JSON.parse(seen) as Seen) : { fingerprint: '', version: 0, mark: '' };
}

export function writeSeen(file: string, seen: Seen, identity: Identity): void {
  const text = JSON.stringify(seen);
  privateDirectory(dirname(file));
  writePrivate(file, `${text}\n${identity.vouch(text)}\n`);
}

/** Throws Invalid unless a file comes from somebody who could open the one before, and is not older than what was seen. */
export function refuseForged(file: string, contents: Contents, seen: Seen | undefined, identity: Identity): void {
  const now = seenOf(contents);
  // A proof counts where nothing was seen yet: it stays good when its maker's trust has ended.
  const isKnown = seen ? seen.fingerprint === now.fingerprint : contents.key === undefined || isVouched(contents, identity);
  if (!isKnown) throw untrusted(file, now);
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
  return contents.recipients.get(identity.recipient) === voucherOf(contents, identity);
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
