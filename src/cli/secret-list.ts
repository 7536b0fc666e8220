import type { SecretUse } from '../plan/secrets.ts';
import type { SecretsFile } from '../secrets/store.ts';

interface Row {
  readonly name: string;
  readonly by: 'cellwise' | 'hand' | 'nobody yet';
  readonly changed?: string;
  readonly usedBy: readonly string[];
  /** Has another value on hosts until the next apply. */
  readonly pending: boolean;
  /** Somebody who was removed knows it. */
  readonly exposed: boolean;
}

/** A line for each secret, never with its value; as JSON, one object a line. */
export function listLines(secrets: SecretsFile, uses: ReadonlyMap<string, SecretUse>, json: boolean): string[] {
  const rows = [...new Set([...secrets.names(), ...uses.keys()])].toSorted().map((name) => rowOf(name, secrets, uses));
  if (json) return rows.map((row) => JSON.stringify({ type: 'secret', ...row }));
  const cells = rows.map(cellsOf);
  const widths = [0, 1, 2].map((column) => Math.max(0, ...cells.map((row) => row[column]!.length)));
  return cells.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function rowOf(name: string, secrets: SecretsFile, uses: ReadonlyMap<string, SecretUse>): Row {
  const about = secrets.about(name);
  const lastRemoved = [...secrets.contents().removed.values()].toSorted().at(-1);
  return {
    name,
    by: about?.by ?? 'nobody yet',
    ...(about?.changed === undefined ? {} : { changed: about.changed }),
    usedBy: [...(uses.get(name)?.by ?? [])].toSorted(),
    pending: about?.former !== undefined,
    exposed: about !== undefined && lastRemoved !== undefined && (about.changed ?? '') < lastRemoved,
  };
}

const givers = { cellwise: 'made', hand: 'set by hand', 'nobody yet': 'not set' } as const;

function cellsOf({ name, by, changed, usedBy, pending, exposed }: Row): string[] {
  const notes = [...(pending ? ['not applied yet'] : []), ...(exposed ? ['known to somebody who was removed'] : [])];
  const use = usedBy.length > 0 ? usedBy.join(', ') : 'nothing uses it';
  return [name, givers[by], changed?.slice(0, 10) ?? '', [use, ...notes].join('; ')];
}
