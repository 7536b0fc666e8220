import * as engine from '../engine/run.ts';
import { exitOf } from './exit.ts';
import type { Options } from './options.ts';
import { inSession } from './session.ts';

export async function verify(_args: readonly string[], options: Options): Promise<number> {
  return inSession(options, 'verify', async (session) => {
    const summary = await engine.verify({
      ...session,
      ...(options.health ? {} : { trials: { holder: session.holder, of: options.quick === true ? 'quick' : 'all' } }),
    });
    session.emit(summary);
    return exitOf(summary, session.drain);
  });
}
