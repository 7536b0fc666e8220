import type { ListrTaskWrapper } from 'listr2';
import type { Event } from '../base/event.ts';

/** The rows of a run on a terminal: one for looking, then one a role. A fleet adds to their counters, not to their number. */
export interface Phases {
  /** True when the event belongs to a row alone, and nobody else needs to tell it. */
  take(event: Event): boolean;
  /** Runs `tell` as soon as no row is drawn. */
  after(tell: () => void): void;
  /** All rows are drawn to their end, and what waited is told. */
  end(): Promise<void>;
}

interface Row {
  readonly title: () => string;
  readonly done: PromiseWithResolvers<undefined>;
  task?: ListrTaskWrapper<unknown, never, never>;
}

/** What a role has to do, and how far it is. */
interface Progress {
  readonly open: Map<string, string>;
  readonly total: number;
  failed: number;
  last: string;
}

export function phases(): Phases {
  let drawn: Promise<unknown> | undefined;
  let rows = new Map<string, Row>();
  const waiting: (() => void)[] = [];
  const hosts = { up: 0, surveyed: 0, down: 0, all: 0 };
  const planned = new Map<string, Map<string, string>>();
  let progress = new Map<string, Progress>();

  const flush = (): void => {
    for (const tell of waiting.splice(0)) tell();
  };

  const draw = (titles: ReadonlyMap<string, () => string>): void => {
    rows = new Map([...titles].map(([name, title]) => [name, { title, done: Promise.withResolvers<undefined>() }]));
    const drawing = rows;
    const begin = async (): Promise<unknown> => {
      const { Listr } = await import('listr2');
      const tasks = [...drawing.values()].map((row) => ({
        title: row.title(),
        task: async (_: unknown, task: ListrTaskWrapper<unknown, never, never>) => {
          row.task = task;
          await row.done.promise;
        },
      }));
      const look = { collapseErrors: false, showErrorMessage: false };
      // What an interrupt means is for the command to say: listr2's own listener would end the process at once.
      const options = { concurrent: true, exitOnError: false, registerSignalListeners: false, rendererOptions: look };
      return new Listr(tasks as never, options).run();
    };
    // What was told between the rows before and these comes out between them.
    drawn = drawn
      ? drawn.then(() => {
          flush();
          return begin();
        })
      : begin();
    for (const row of drawing.values()) row.done.promise.catch(() => undefined);
  };

  const close = (): void => {
    for (const row of rows.values()) row.done.resolve(undefined);
    const running = drawn;
    void running?.then(() => {
      if (drawn !== running) return;
      drawn = undefined;
      flush();
    });
  };

  const refresh = (name: string): void => {
    const row = rows.get(name);
    if (row?.task) row.task.title = row.title();
  };

  const settle = (role: string, step: string, failed: boolean, said: string): void => {
    const row = progress.get(role);
    if (!row?.open.delete(step)) return;
    row.last = said;
    if (failed) row.failed += 1;
    refresh(role);
    if (row.open.size > 0) return;
    if (row.failed > 0) rows.get(role)?.done.reject(new Error(role));
    else rows.get(role)?.done.resolve(undefined);
  };

  return {
    take(event) {
      switch (event.type) {
        case 'run-start':
          hosts.all = event.hosts;
          draw(new Map([['look', () => lookTitle(hosts)]]));
          return true;
        case 'host-up':
          hosts.up += 1;
          refresh('look');
          return true;
        case 'host-surveyed':
          hosts.surveyed += 1;
          refresh('look');
          return true;
        case 'host-down':
          hosts.down += 1;
          refresh('look');
          return false;
        case 'step-planned':
        case 'step-unknown': {
          const steps = planned.get(event.role) ?? new Map<string, string>();
          planned.set(event.role, steps.set(event.step, event.host));
          return false;
        }
        case 'told':
        case 'trial-start':
          close();
          return false;
        case 'note': {
          // It is told in full once the rows are done; what it says may matter now.
          const row = [...rows.values()].find(({ task }) => task?.task.isPending());
          if (row?.task) row.task.output = event.text;
          return false;
        }
        case 'walk-start':
          progress = new Map([...planned].map(([role, open]) => [role, { open, total: open.size, failed: 0, last: '' }]));
          if (progress.size > 0) draw(new Map([...progress].map(([role, row]) => [role, () => roleTitle(role, row)])));
          return true;
        case 'step-start': {
          const row = progress.get(event.role);
          if (row) row.last = `${event.host}: ${event.stepType} ${event.name}`;
          refresh(event.role);
          return true;
        }
        case 'step-said': {
          const row = progress.get(event.role);
          if (row) row.last = `${event.host}: ${event.line}`;
          refresh(event.role);
          return true;
        }
        case 'step-ok':
        case 'step-changed':
          settle(event.role, event.step, false, '');
          return true;
        case 'step-failed':
          settle(event.role, event.step, true, '');
          return false;
        case 'step-blocked':
        case 'step-skipped':
          settle(event.role, event.step, true, '');
          return event.type === 'step-skipped';
        case 'critical-path':
        case 'summary':
          close();
          return false;
        default:
          return false;
      }
    },
    after(tell) {
      if (drawn) waiting.push(tell);
      else tell();
    },
    async end() {
      close();
      await drawn?.catch(() => undefined);
      // What waited is told in a then of the same promise, entered before this one.
      await Promise.resolve();
    },
  };
}

function lookTitle({ up, surveyed, down, all }: { up: number; surveyed: number; down: number; all: number }): string {
  const state = surveyed < all - down ? `${up} connected, ${surveyed} looked at` : 'looked at all';
  return `Looking at ${all} host${all === 1 ? '' : 's'}: ${state}${down > 0 ? `, ${down} unreachable` : ''}`;
}

function roleTitle(role: string, { open, total, failed, last }: Progress): string {
  const left = new Set(open.values());
  const who = left.size > 0 && left.size <= 3 && total > 3 ? `, left: ${[...left].join(', ')}` : '';
  return `${role} ${total - open.size}/${total}${failed > 0 ? `, ${failed} failed or blocked` : ''}${who}${last ? `  ${last}` : ''}`;
}
