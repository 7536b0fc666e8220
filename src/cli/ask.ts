import { createInterface } from 'node:readline/promises';
import { printable } from '../base/printable.ts';
import type { Session } from './session.ts';

/** Asks on the terminal; an interrupt, or an end of input, is a no. */
export async function ask(session: Pick<Session, 'output' | 'drain'>, question: string): Promise<boolean> {
  await session.output.settle();
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^(y|yes)$/i.test((await prompt.question(`${printable(question)} [y/N] `, { signal: session.drain })).trim());
  } catch {
    return false;
  } finally {
    prompt.close();
  }
}
