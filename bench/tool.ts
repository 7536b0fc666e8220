import { join } from 'node:path';
import { measure, type Measured } from './measure.ts';

/** Something that is measured. */
export interface Tool {
  readonly name: string;
  readonly command: readonly string[];
  /** What is run once at first, for caches and connections, where the command itself would take minutes; else the command. */
  readonly warmUp?: readonly string[];
  /** Throws unless the output says that so many steps were changed on each host, and all others were right already. */
  readonly verify: (out: string, changes: number) => void;
}

/** Runs a tool once. What it prints stays in `logs` until the next run. */
export async function runTool(tool: Tool, changes: number, logs: string): Promise<Measured> {
  const log = join(logs, `${tool.name}.log`);
  const measured = await measure(tool.command, log);
  try {
    if (measured.code !== 0) throw new Error(`it ended with exit code ${measured.code}`);
    tool.verify(measured.out, changes);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${tool.name} did not do what was measured: ${why}\n${measured.out.trim().slice(-3000)}`, { cause: error });
  }
  return measured;
}
