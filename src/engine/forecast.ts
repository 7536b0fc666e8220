import type { Change } from '../base/state.ts';
import type { Graph } from '../graph/graph.ts';
import type { Plan, Step } from '../plan/plan.ts';
import { isUnknown, type Found, type Unknown } from '../resources/define.ts';
import { changeOf } from './look.ts';

/** What a step would do, told before anything is touched. */
export type Forecast =
  | { readonly kind: 'same' }
  /** `reasons`: the watched names that change too, where that is why. */
  | { readonly kind: 'change'; readonly change: Change; readonly reasons: readonly string[] }
  | { readonly kind: 'unknown'; readonly because: string }
  | { readonly kind: 'unreachable' };

/**
 * Goes through a plan in order and says of each step what it would do, from what a survey found. Pure. A step whose
 * state cannot be told because one before it changes the ground is unknown, with the name of that step.
 */
export function forecast(plan: Plan, graph: Graph, found: ReadonlyMap<string, Found>): ReadonlyMap<string, Forecast> {
  const forecasts = new Map<string, Forecast>();
  // For each node the step that makes its ground uncertain: itself, or the first such step that it waits for.
  const cause = new Map<string, string>();
  for (const id of graph.order()) {
    const node = plan.nodes.get(id)!;
    for (const need of graph.needs(id).keys()) if (!cause.has(id) && cause.has(need)) cause.set(id, cause.get(need)!);
    if (node.kind !== 'step') continue;
    const told = foretell(node, found.get(id), forecasts, cause.get(id));
    forecasts.set(id, told);
    if (told.kind !== 'same' && !cause.has(id)) cause.set(id, id);
  }
  return forecasts;
}

function foretell(step: Step, found: Found | undefined, forecasts: ReadonlyMap<string, Forecast>, cause: string | undefined): Forecast {
  if (found === undefined) return { kind: 'unreachable' };
  const reasons = restartReasons(step, forecasts);
  const unclear = ({ unknown }: Unknown): Forecast => ({
    kind: 'unknown',
    because: cause === undefined ? unknown : `follows from ${cause}`,
  });
  if (isUnknown(found)) return unclear(found);
  const change = changeOf(step, found);
  if (isUnknown(change)) return unclear(change);
  if (change) return { kind: 'change', change, reasons };
  if (reasons.length === 0) return { kind: 'same' };
  // The service runs on what it should have; what it watches was changed behind our back and is about to be mended.
  const differences = [{ key: 'loaded', before: 'what is there now', after: 'what will be there' }];
  return { kind: 'change', change: { before: found, after: found, differences }, reasons };
}

/** The names a service watches that are about to change. */
function restartReasons(step: Step, forecasts: ReadonlyMap<string, Forecast>): string[] {
  return step.watches
    .filter(({ step: watched, keys }) => {
      const told = forecasts.get(watched);
      return told?.kind === 'change' && (keys === undefined || told.change.differences.some(({ key }) => keys.includes(key)));
    })
    .map(({ name }) => name);
}
