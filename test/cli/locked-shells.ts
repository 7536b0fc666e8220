// Stands in for src/ssh/connect.ts, see locked.ts.
import { LocalShell } from '../engine/local-shell.ts';

const holder = { run: 'r0', who: 'ann@desk', what: 'cellwise apply', since: '2026-01-01T10:00:00Z' };

// eslint-disable-next-line @typescript-eslint/no-extraneous-class -- its namesake shares connections; here are none
export class Shared {}

export function connect(
  target: { readonly name: string },
  { early }: { readonly early?: (shell: LocalShell) => void },
): Promise<LocalShell> {
  const shell = new LocalShell(target.name, { holder });
  early?.(shell);
  return Promise.resolve(shell);
}
