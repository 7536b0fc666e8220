import { openSync, writeSync } from 'node:fs';
import type { Interface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { Invalid } from '../base/problem.ts';
import { readPrivate } from '../private/private.ts';
import { exits } from './exit.ts';

/** Asks for a passphrase, or takes it from the file that CELLWISE_PASSPHRASE_FILE names. */
export async function askPassphrase(file: string): Promise<string> {
  const { CELLWISE_PASSPHRASE_FILE: given } = process.env;
  if (given !== undefined) return readPrivate(given).toString('utf8').replace(/\n$/, '');
  return onTerminal((ask) => ask(`Passphrase of ${file}: `), 'Name a file that holds the passphrase by CELLWISE_PASSPHRASE_FILE.');
}

/** Asks for a new value, twice. */
export async function askTwice(what: string): Promise<string> {
  return onTerminal(async (ask) => {
    const value = await ask(`${what}: `);
    if ((await ask('Once more: ')) === value) return value;
    throw new Invalid([{ code: 'secret-value', message: 'The two are not the same', hint: 'Nothing was changed. Try again.' }]);
  }, 'Give it by standard input.');
}

type Ask = (question: string) => Promise<string>;

/** Talks to the terminal itself, whatever standard input is; nothing that is typed is shown. */
async function onTerminal<T>(talk: (ask: Ask) => Promise<T>, hint: string): Promise<T> {
  const [{ createInterface }, { ReadStream }] = await Promise.all([import('node:readline/promises'), import('node:tty')]);
  let terminal: number;
  try {
    terminal = openSync('/dev/tty', 'r+');
  } catch {
    throw new Invalid([{ code: 'cannot-ask', message: 'Nobody can be asked: there is no terminal', hint }]);
  }
  const input = new ReadStream(terminal);
  const silent = new Writable({
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
  const lines = createInterface({ input, output: silent, terminal: true, historySize: 0 });
  try {
    return await talk((question) => answer(lines, terminal, question));
  } finally {
    lines.close();
    input.destroy();
  }
}

function answer(lines: Interface, terminal: number, question: string): Promise<string> {
  writeSync(terminal, question);
  return new Promise((resolve) => {
    const leave = (): void => {
      writeSync(terminal, '\n');
      lines.close();
      process.exit(exits.interrupted);
    };
    lines.once('SIGINT', leave).once('close', leave);
    void lines.question('').then((typed) => {
      lines.removeListener('SIGINT', leave).removeListener('close', leave);
      writeSync(terminal, '\n');
      resolve(typed);
    });
  });
}
