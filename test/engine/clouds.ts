// Clouds whose hosts are this machine: roles that keep files below a directory each, and runs over them.
import { join } from 'node:path';
import type { Event, Summary } from '../../src/base/event.ts';
import type { Holder } from '../../src/base/shell.ts';
import type { Journal } from '../../src/engine/journal.ts';
import { apply } from '../../src/engine/run.ts';
import type { Told } from '../../src/engine/tell.ts';
import type { Open } from '../../src/engine/work.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { WrittenRole } from '../roles/directories.ts';
import { newDirectory } from '../roles/directories.ts';
import { inventoryOf, planOf, rolesOf, secretsOf } from '../plan/clouds.ts';

const holder: Holder = { run: 'r1', who: 'me@here', what: 'cellwise apply', since: '2026-01-01T00:00:00Z' };

/** A directory that stands for all hosts (each has its own below), and a plan of roles that say `DIR/{{host.name}}`. */
export function cloudOf(
  roles: (directory: string) => Readonly<Record<string, WrittenRole>>,
  hosts = '  ctl1: {address: 10.77.0.11, kind: controller}\n  cmp[1-2]: {address: 10.77.0.21, kind: compute}\n',
  secrets: Readonly<Record<string, string>> = {},
): { readonly directory: string; readonly plan: Plan; readonly on: (host: string, path: string) => string } {
  const directory = newDirectory();
  const plan = planOf(inventoryOf(hosts), rolesOf(roles(`${directory}/{{host.name}}`)), secretsOf(secrets));
  return { directory, plan, on: (host, path) => join(directory, host, path) };
}

export interface Ran {
  readonly summary: Summary;
  readonly events: readonly Event[];
  readonly journal: readonly Event[];
}

interface Options {
  readonly open: Open;
  readonly only?: ReadonlySet<string>;
  readonly drain?: AbortSignal;
  readonly confirm?: (told: Told) => Promise<boolean>;
  readonly heard?: (event: Event) => void;
}

/** Applies a plan and keeps all that is said and written. */
export async function run(plan: Plan, { open, only, drain, confirm, heard }: Options): Promise<Ran> {
  const events: Event[] = [];
  const written: Event[] = [];
  const journal: Journal = {
    record: (event) => {
      written.push(event);
    },
    synced: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  const summary = await apply({
    plan,
    open,
    command: 'apply',
    run: 'r1',
    holder,
    journal,
    drain: drain ?? new AbortController().signal,
    confirm: confirm ?? (() => Promise.resolve(true)),
    emit: (event) => {
      events.push(event);
      heard?.(event);
    },
    ...(only ? { only } : {}),
  });
  return { summary, events, journal: written };
}

/** The steps of all events of a type, in order of their names. */
export function stepsOf(ran: { readonly events: readonly Event[] }, type: Event['type']): string[] {
  return ran.events.flatMap((event) => (event.type === type && 'step' in event ? [event.step] : [])).toSorted();
}
