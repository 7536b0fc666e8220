import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';

/**
 * Where a file is once all links are followed, if that is neither one of these paths nor below one of them; undefined
 * where it is, or where there is no such file.
 */
export function strayed(file: string, allowed: readonly string[]): string | undefined {
  const real = realOf(file);
  if (real === undefined || allowed.some((path) => `${real}/`.startsWith(`${realOf(path) ?? resolve(path)}/`.replace('//', '/'))))
    return undefined;
  return real;
}

function realOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
