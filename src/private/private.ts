import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  type Stats,
} from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { Invalid } from '../base/problem.ts';

// What Cellwise keeps for its user alone. Whoever can write one of these directories, or put a link in the place of a file,
// could otherwise read secrets, or have Cellwise overwrite files elsewhere.

/** Beside each inventory: Cellwise's own, and never in git. */
const ours = '.cellwise';
const writable = 0o022;
const readable = 0o077;

/**
 * Makes a directory that only its owner can enter, or checks one that exists: a real directory, owned by this user, writable by
 * nobody else. Below `.cellwise` one that is too open is closed; elsewhere it is refused. Throws Invalid.
 */
export function privateDirectory(path: string): void {
  const whole = resolve(path);
  const isOurs = whole.split(sep).includes(ours);
  if (isOurs && basename(whole) !== ours) privateDirectory(dirname(whole));
  const found = lstatSync(whole, { throwIfNoEntry: false });
  if (!found) makeDirectory(whole, 0o700);
  else {
    if (!found.isDirectory()) throw refused(`${path} is not a directory`, 'A link does not count as one. Move it away.');
    refuseStranger(path, found, [userId()]);
    if ((found.mode & writable) !== 0) {
      if (!isOurs) throw refused(`Others can write to the directory ${path}`, `chmod go-w ${path}`);
      chmodSync(whole, 0o700);
    }
  }
  if (basename(whole) === ours) ignoreInGit(whole);
}

/** Makes a directory, and those above it. Not by Node's recursive mkdir, which never ends below /proc. */
export function makeDirectory(path: string, mode?: number): void {
  if (existsSync(path)) return;
  makeDirectory(dirname(path), mode);
  mkdirSync(path, { mode });
}

/** `git add -A` must not take the identity along. */
function ignoreInGit(directory: string): void {
  try {
    writeFileSync(join(directory, '.gitignore'), '*\n', { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Writes a file of mode 0600, whole or not at all; never through a link. Throws Invalid. */
export function writePrivate(file: string, content: string | Uint8Array): void {
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (found && !found.isFile())
    throw refused(`${file} is not a plain file`, 'Cellwise does not write through links or to devices. Name another file.');
  const temporary = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}`);
  try {
    writeFileSync(temporary, content, { mode: 0o600, flag: 'wx', flush: true });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncDirectory(dirname(file));
}

/** A rename is on disk once its directory is. */
function syncDirectory(directory: string): void {
  const handle = openSync(directory, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Opens a file of mode 0600 to append to, and its private directory; never through a link. Throws Invalid. */
export function appendPrivate(file: string): number {
  privateDirectory(dirname(file));
  const { O_APPEND, O_CREAT, O_WRONLY, O_NOFOLLOW } = constants;
  const handle = linkless(file, () => openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600));
  const found = fstatSync(handle);
  if (found.uid === userId() && (found.mode & readable) !== 0) fchmodSync(handle, 0o600);
  return handle;
}

function linkless<T>(file: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ELOOP') throw error;
    throw refused(`${file} is a link`, 'Cellwise does not write through links. Move it away.');
  }
}

/** A file that holds a key; throws Invalid when others can read it, as OpenSSH does. */
export function readPrivate(file: string): Buffer {
  const handle = openSync(file, 'r');
  try {
    const why = exposed(file, fstatSync(handle));
    if (why) throw why;
    return readFileSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Why a key file is not used: others can read it, or it is somebody else's. A pipe has no mode that would tell. */
export function exposed(file: string, found: Stats): Invalid | undefined {
  if (!found.isFile()) return undefined;
  try {
    refuseStranger(file, found, [userId(), 0]);
  } catch (error) {
    return error as Invalid;
  }
  if ((found.mode & readable) === 0) return undefined;
  return refused(
    `${file} holds a key, and others than its owner can open it (mode ${(found.mode & 0o777).toString(8)})`,
    `chmod 600 ${file}`,
  );
}

function refuseStranger(path: string, { uid }: Stats, owners: readonly number[]): void {
  if (owners.includes(uid)) return;
  throw refused(`${path} belongs to another user (uid ${uid})`, `Take it over if you trust what is in it: chown ${userId()} ${path}`);
}

function userId(): number {
  return process.geteuid!();
}

function refused(message: string, hint: string): Invalid {
  return new Invalid([{ code: 'not-private', message, hint }]);
}
