import { readNewest } from '../engine/journal.ts';
import type { Session } from './session.ts';

/** Says which hosts of the last run the inventory has no longer. Nothing is done to them: that would take `state: absent`. */
export function tellDropped({ cloud, places, emit }: Session): void {
  const last = readNewest(places.runs)?.entries.find((entry) => entry.type === 'inventory');
  const now = new Set(cloud.inventory.hosts.map(({ name }) => name));
  for (const host of last?.hosts.filter((name) => !now.has(name)) ?? []) {
    const text = 'no longer in the inventory, and left as it is. To empty it first, put it back with `state: absent`.';
    emit({ type: 'note', host, text });
  }
}
