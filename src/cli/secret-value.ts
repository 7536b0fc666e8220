import { text } from 'node:stream/consumers';
import { Invalid } from '../base/problem.ts';
import type { SecretUse } from '../plan/secrets.ts';
import { askTwice } from './prompt.ts';

/**
 * A value that a person gives: typed twice on a terminal, where nobody sees it, or from standard input, where no process list shows
 * it; the newline at its end is not part of it. Throws Invalid for what cannot be kept.
 */
export async function readValue(name: string, use: SecretUse | undefined): Promise<string> {
  const value = process.stdin.isTTY ? await askTwice(`Value of ${name}`) : (await text(process.stdin)).replace(/\r?\n$/, '');
  const why = whyNot(value, use);
  if (why !== undefined)
    throw new Invalid([{ code: 'secret-value', message: `The value of ${name} ${why}`, hint: 'Nothing was changed.' }]);
  return value;
}

function whyNot(value: string, use: SecretUse | undefined): string | undefined {
  if (value === '') return 'is empty';
  // Nothing that names a line break or moves a cursor has a place in a configuration file, an environment or a login.
  const control = /\p{Cc}|[\u2028\u2029]/u.exec(value);
  if (control)
    return `has a control character (U+${control[0].codePointAt(0)!.toString(16).padStart(4, '0').toUpperCase()}), which files cannot carry`;
  const schema = use?.params.find(({ pattern }) => pattern !== undefined && !new RegExp(pattern, 'u').test(value));
  return (
    schema && `must have ${schema.patternErrorMessage ?? `the form ${schema.pattern!}`}: the places it is written to cannot carry the rest`
  );
}
