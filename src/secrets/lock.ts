import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { Invalid } from '../base/problem.ts';
import { appendPrivate } from '../private/private.ts';

/** Seconds. Writing takes a fraction of one. */
const patience = 60;

/**
 * Does some work while no other process writes the same secrets. The lock is the system's, on the open file, which this process
 * holds: however it ends, nothing is left to clean up. Libraries that make a lock of a file's existence have to guess whether its
 * maker is dead, and two that wait can both take it over.
 */
export async function locked<T>(directory: string, work: () => Promise<T>): Promise<T> {
  const file = join(directory, 'secrets.lock');
  const handle = appendPrivate(file);
  try {
    await lock(file, handle);
    return await work();
  } finally {
    closeSync(handle);
  }
}

/** Node has no flock: the program locks the open file that it inherits, which stays locked when it ends. */
async function lock(file: string, handle: number): Promise<void> {
  const { spawn } = await import('node:child_process');
  return new Promise((resolve, reject) => {
    const child = spawn('flock', ['-w', String(patience), '3'], { stdio: ['ignore', 'ignore', 'ignore', handle] });
    child.on('error', (error) => {
      reject(refused(`The secrets cannot be locked: ${error.message}`, 'Install the program flock (on Debian: util-linux).'));
    });
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(refused(`Somebody else has been writing these secrets for ${patience} seconds`, `fuser ${file} tells who.`));
    });
  });
}

function refused(message: string, hint: string): Invalid {
  return new Invalid([{ code: 'secrets-locked', message, hint }]);
}
