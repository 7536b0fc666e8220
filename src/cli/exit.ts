import type { Summary } from '../base/event.ts';

/** How the process ends; documented in the README. */
export const exits = { done: 0, failed: 1, pending: 2, invalid: 3, unreachable: 4, locked: 5, interrupted: 130 } as const;

/** The exit code of a run. A failed step says more than a host that did not answer. */
export function exitOf(summary: Summary, drain: AbortSignal): number {
  if (drain.aborted) return exits.interrupted;
  if (summary.failed > 0) return exits.failed;
  return summary.unreachable > 0 ? exits.unreachable : exits.done;
}
