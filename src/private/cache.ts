import { lstatSync, mkdirSync, realpathSync, type Stats } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';

/**
 * Keeps compiled code between runs, which halves the start. Not in /tmp, Node's own choice: whoever makes the directory there
 * first decides what is run. Without a place that is safe, nothing is kept.
 */
export function keepCompiled(): void {
  const directory = compileCache();
  if (directory !== undefined) enableCompileCache(directory);
}

/**
 * Where Node may keep compiled code: a directory that nobody else can write to, nor anything above it; what lies there is run as
 * this user. Made when it is missing. Undefined: there is none.
 */
function compileCache(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const { XDG_CACHE_HOME: xdg = '' } = environment;
  const directory = join(isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'cellwise');
  const user = process.geteuid?.();
  if (user === undefined || !isAbsolute(directory)) return undefined;
  try {
    for (const each of [dirname(directory), directory]) make(each);
    return isSafe(directory, user) ? directory : undefined;
  } catch {
    return undefined;
  }
}

function make(directory: string): void {
  if (!lstatSync(directory, { throwIfNoEntry: false })) mkdirSync(directory, { mode: 0o700 });
}

function isSafe(directory: string, user: number): boolean {
  const own = lstatSync(directory);
  const around = [...above(directory), ...above(realpathSync(directory))];
  return own.isDirectory() && own.uid === user && (own.mode & 0o022) === 0 && around.every((each) => isKept(each, user));
}

function above(path: string): Stats[] {
  const parent = dirname(path);
  return parent === path ? [] : [lstatSync(parent), ...above(parent)];
}

/** Nobody but root and this user can put another entry in the place of one: the directory is not writable, or sticky. */
function isKept(found: Stats, user: number): boolean {
  if (found.uid !== user && found.uid !== 0) return false;
  return found.isSymbolicLink() || (found.mode & 0o022) === 0 || (found.mode & 0o1000) !== 0;
}
