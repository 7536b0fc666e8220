import { createInterface } from 'node:readline/promises';
import { printable } from '../base/printable.ts';
import { complain } from './output.ts';
import type { Session } from './session.ts';

/** Asks on the terminal. An end of input is a no, and so is Ctrl-C, which also interrupts the command. */
export async function ask(session: Pick<Session, 'output' | 'drain'>, question: string): Promise<boolean> {
  await session.output.settle();
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  // The terminal is read key by key while it asks, so Ctrl-C is no signal by itself.
  prompt.on('SIGINT', () => {
    complain('');
    process.emit('SIGINT');
  });
  try {
    return /^(y|yes)$/i.test((await prompt.question(`${printable(question)} [y/N] `, { signal: session.drain })).trim());
  } catch {
    return false;
  } finally {
    prompt.close();
  }
}
