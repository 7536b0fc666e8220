import type { Command, Output } from '../base/command.ts';
import type { Found } from '../resources/define.ts';
import { batch } from './batch.ts';
import { glance, type ShellStep } from './look.ts';

/** Commands until one fails, and a look at steps behind them, whether one has failed or not: all in one exchange. */
export function exchange(
  commands: readonly Command[],
  steps: readonly ShellStep[],
): { readonly command: Command; readonly read: (output: Output) => ReadonlyMap<string, Found> } {
  const looking = glance(steps);
  const both = batch([batch(commands, true).command, looking.command]);
  return { command: both.command, read: (output) => looking.read(both.split(output)[1]!) };
}
