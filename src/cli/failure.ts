import { Invalid, type Problem } from '../base/problem.ts';
import { clean, printable } from '../base/printable.ts';
import { Unreachable } from '../base/shell.ts';
import { Locked } from '../engine/work.ts';
import { colors, problemText } from '../report/words.ts';
import { exits } from './exit.ts';
import { complain, print, useColor } from './output.ts';

/** Says why a command could not go on, and returns the exit code. A person's mistake gets no stack trace. */
export function tell(error: unknown, json: boolean): number {
  const c = colors(useColor(process.stderr));
  const report = (problem: Problem): void => {
    if (json) void print(`${JSON.stringify({ type: 'problem', problem: clean(problem) })}\n`);
    complain(problemText(clean(problem), c));
  };
  if (error instanceof Invalid) {
    error.problems.forEach(report);
    const n = error.problems.length;
    if (n > 1) complain(`${n} problems.`);
    return exits.invalid;
  }
  if (error instanceof Locked || error instanceof Unreachable) {
    const [code, exit] = error instanceof Locked ? (['locked', exits.locked] as const) : (['unreachable', exits.unreachable] as const);
    const hint = error instanceof Locked ? 'Wait for that run, or ask them; the lock goes when their run ends or dies.' : error.hint;
    report({ code, message: error.message, ...(hint === undefined ? {} : { hint }) });
    return exit;
  }
  if (isFileError(error)) {
    complain(`${c.red('error')} ${printable(`${error.path} cannot be used: ${error.message.replace(/, \w+ '.*$/, '')}`)}`);
    return exits.invalid;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  complain(`${c.red('bug')} Cellwise did not expect this; please report it:\n${printable(text)}`);
  return exits.failed;
}

/** What the file system refused: the disk is full, a directory is missing, permission is denied. */
function isFileError(error: unknown): error is NodeJS.ErrnoException & { readonly path: string } {
  return error instanceof Error && 'syscall' in error && 'path' in error && typeof error.path === 'string';
}
