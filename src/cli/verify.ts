import * as engine from '../engine/run.ts';
import { exitOf } from './exit.ts';
import type { Options } from './options.ts';
import { openSession } from './session.ts';

export async function verify(_args: readonly string[], options: Options): Promise<number> {
  const session = await openSession(options, 'verify');
  const summary = await engine.verify(session);
  session.emit(summary);
  await session.output.end();
  return exitOf(summary, session.drain);
}
