import type { Path } from '../document/document.ts';
import type { Host, Inventory, Params } from './types.ts';

/** Params from one level of an inventory. */
interface Level {
  /** Shown to people: `cloud`, `cell cell1`, `kind compute`, `host cmp1`. */
  readonly level: string;
  readonly params: Params;
  /** Where `params` is written: `inventory.document.place([...path, role, param])` is the place of a value. */
  readonly path: Path;
}

/** The levels whose params hold for a host, from the farthest to the nearest; the nearer wins. */
export function paramLevels(inventory: Inventory, host: Host): readonly Level[] {
  const cell = inventory.cells.find(({ name }) => name === host.cell);
  return [
    { level: 'cloud', params: inventory.params, path: ['params'] },
    ...(cell ? [{ level: `cell ${cell.name}`, params: cell.params, path: ['cells', cell.name, 'params'] }] : []),
    ...host.kinds.map((kind) => ({ level: `kind ${kind}`, params: inventory.kindParams[kind], path: ['kinds', kind, 'params'] })),
    { level: `host ${host.name}`, params: host.params, path: [...host.path, 'params'] },
  ];
}

/** Every level that is written anywhere, once: for checking params before they are merged. */
export function allLevels(inventory: Inventory): readonly Level[] {
  const levels = inventory.hosts.flatMap((host) => paramLevels(inventory, host));
  const cells = inventory.cells.map(({ name, params }) => ({ level: `cell ${name}`, params, path: ['cells', name, 'params'] }));
  const kinds = Object.entries(inventory.kindParams).map(([kind, params]) => ({
    level: `kind ${kind}`,
    params,
    path: ['kinds', kind, 'params'],
  }));
  const distinct = new Map([...levels, ...cells, ...kinds].map((level) => [level.path.join('\n'), level]));
  return [...distinct.values()].filter(({ params }) => Object.keys(params).length > 0);
}

const own = new WeakMap<object, ReadonlySet<string>>();

/** Cells with hosts of kind cell: they have a database and a message queue of their own. */
export function ownCells(inventory: Pick<Inventory, 'hosts'>): ReadonlySet<string> {
  let known = own.get(inventory);
  if (!known) {
    const carrying = inventory.hosts.filter(({ state, kinds }) => state === 'present' && kinds.includes('cell'));
    own.set(inventory, (known = new Set(carrying.map(({ cell }) => cell!))));
  }
  return known;
}

/** The others: they are the controllers' to carry, who can carry one. */
export function carriedCells(inventory: Pick<Inventory, 'hosts' | 'cells'>): readonly string[] {
  return inventory.cells.map(({ name }) => name).filter((name) => !ownCells(inventory).has(name));
}
