import type { Event } from '../base/event.ts';
import { count, stepText, time, type Colors } from './words.ts';

/** What is on the screen at a moment: one line that says how far it is, and lines below it. */
export interface Frame {
  readonly title: string;
  readonly failed: boolean;
  readonly lines: readonly Line[];
}

interface Line {
  readonly text: string;
  /** Goes on below when it is too long. */
  readonly wrap?: boolean;
  readonly paint?: (text: string) => string;
}

/** How many hosts have answered. */
export interface Look {
  up: number;
  surveyed: number;
  down: number;
  all: number;
}

/** What a role has to do, and how far it is. */
export interface RoleProgress {
  /** Host by step. */
  readonly open: Map<string, string>;
  readonly total: number;
  failed: number;
  /** By step that runs: what it is at. */
  readonly running: Map<string, string>;
}

export interface Walk {
  readonly roles: ReadonlyMap<string, RoleProgress>;
  readonly failures: Extract<Event, { type: 'step-failed' }>[];
  /** Milliseconds, of the same clock as `now`. */
  readonly start: number;
  /** What was last said to people. */
  note: string;
}

export function lookFrame({ up, surveyed, down, all }: Look): Frame {
  const state = surveyed < all - down ? `${up} connected, ${surveyed} looked at` : `looked at ${surveyed === all ? 'all' : surveyed}`;
  const title = `Looking at ${count(all, 'host')}: ${state}${down > 0 ? `, ${down} unreachable` : ''}`;
  return { title, failed: down > 0, lines: [] };
}

/** What failed stands first, then what runs; what waits or is done is only counted. */
export function walkFrame({ roles, failures, start, note }: Walk, now: number, c: Colors): Frame {
  const all = [...roles.values()];
  const [total, left] = [all.reduce((sum, { total: of }) => sum + of, 0), all.reduce((sum, { open }) => sum + open.size, 0)];
  const failed = all.reduce((sum, role) => sum + role.failed, 0);
  const done = all.filter(({ open }) => open.size === 0).length;
  const running = [...roles].filter(([, role]) => role.running.size > 0);
  return {
    title: `${total - left} of ${count(total, 'step')}${failed > 0 ? `, ${failed} failed or blocked` : ''}, ${done} of ${count(roles.size, 'role')} done, ${time((now - start) / 1000)}`,
    failed: failed > 0,
    lines: [
      ...(note === '' ? [] : [{ text: note, wrap: true, paint: c.bold }]),
      ...failures.map((event): Line => ({ text: `✗ ${event.host} ${stepText(event)}: ${event.message}`, wrap: true, paint: c.red })),
      ...running.map(([name, role]): Line => ({ text: roleText(name, role) })),
    ],
  };
}

function roleText(name: string, { open, total, running }: RoleProgress): string {
  const hosts = new Set(open.values());
  const who = hosts.size > 0 && hosts.size <= 3 && total > 3 ? `, left: ${[...hosts].join(', ')}` : '';
  return `${name} ${total - open.size}/${total}${who}  ${[...running.values()].at(-1) ?? ''}`;
}
