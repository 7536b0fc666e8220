import type { ListrTaskWrapper } from 'listr2';
import type { Event } from '../base/event.ts';
import { lookFrame, walkFrame, type Frame, type Look, type RoleProgress, type Walk } from './frames.ts';
import type { Colors } from './words.ts';

/** The moving part of a screen: a few lines that say what a run is at, first while it looks and then while it works. */
export interface Phases {
  /** True when the event belongs to these lines alone, and nobody else needs to tell it. */
  take(event: Event): boolean;
  /** Runs `tell` as soon as nothing is drawn. */
  after(tell: () => void): void;
  /** All is drawn to its end, and what waited is told. */
  end(): Promise<void>;
}

/** Columns and rows of the screen. */
export type Size = () => { readonly columns: number; readonly rows: number };

/** A phase on the screen: one task of listr2, whose title is the whole frame. */
interface Drawing {
  readonly frame: () => Frame;
  readonly done: PromiseWithResolvers<undefined>;
  task?: ListrTaskWrapper<unknown, never, never>;
}

export function phases(c: Colors, size: Size): Phases {
  let drawn: Promise<unknown> | undefined;
  let drawing: Drawing | undefined;
  let clock: NodeJS.Timeout | undefined;
  const waiting: (() => void)[] = [];
  const look: Look = { up: 0, surveyed: 0, down: 0, all: 0 };
  const planned = new Map<string, Map<string, string>>();
  let walk: Walk = { roles: new Map(), failures: [], start: 0, note: '' };

  const flush = (): void => {
    for (const tell of waiting.splice(0)) tell();
  };

  const refresh = (): void => {
    if (drawing?.task) drawing.task.title = textOf(drawing.frame(), size());
  };

  const draw = (frame: () => Frame): void => {
    const now: Drawing = (drawing = { frame, done: Promise.withResolvers<undefined>() });
    now.done.promise.catch(() => undefined);
    const begin = async (): Promise<unknown> => {
      const { Listr } = await import('listr2');
      const run = async (_: unknown, task: ListrTaskWrapper<unknown, never, never>): Promise<void> => {
        now.task = task;
        await now.done.promise;
      };
      const look = { collapseErrors: false, showErrorMessage: false, formatOutput: 'truncate' };
      // What an interrupt means is for the command to say: listr2's own listener would end the process at once.
      const options = { exitOnError: false, registerSignalListeners: false, rendererOptions: look };
      return new Listr([{ title: textOf(now.frame(), size()), task: run }] as never, options as never).run();
    };
    // What was told between the frame before and this one comes out between them.
    drawn = drawn
      ? drawn.then(() => {
          flush();
          return begin();
        })
      : begin();
    clock ??= setInterval(refresh, 1000).unref();
  };

  const close = (): void => {
    clearInterval(clock);
    clock = undefined;
    if (drawing) {
      const { failed, title } = drawing.frame();
      // Only its first line stays: what failed is told in full behind it.
      if (drawing.task) drawing.task.title = title;
      if (failed) drawing.done.reject(new Error(title));
      else drawing.done.resolve(undefined);
      drawing = undefined;
    }
    const running = drawn;
    void running?.then(() => {
      if (drawn !== running) return;
      drawn = undefined;
      flush();
    });
  };

  const startWalk = (): void => {
    const roles = [...planned].map(([role, open]): [string, RoleProgress] => [
      role,
      { open, total: open.size, failed: 0, running: new Map() },
    ]);
    walk = { roles: new Map(roles), failures: [], start: performance.now(), note: '' };
    if (roles.length > 0) draw(() => walkFrame(walk, performance.now(), c));
  };

  const settle = (event: Extract<Event, { readonly role: string; readonly step: string }>, failed: boolean): void => {
    const row = walk.roles.get(event.role);
    row?.running.delete(event.step);
    if (row?.open.delete(event.step) && failed) row.failed += 1;
    refresh();
  };

  return {
    take(event) {
      switch (event.type) {
        case 'run-start':
          look.all = event.hosts;
          draw(() => lookFrame(look));
          return true;
        case 'host-up':
          look.up += 1;
          refresh();
          return true;
        case 'host-surveyed':
          look.surveyed += 1;
          refresh();
          return true;
        case 'host-down':
          look.down += 1;
          refresh();
          return false;
        case 'note':
          // It is told in full once nothing is drawn; what it says may matter now.
          walk.note = event.text;
          refresh();
          return false;
        case 'step-planned':
        case 'step-unknown': {
          const steps = planned.get(event.role) ?? new Map<string, string>();
          planned.set(event.role, steps.set(event.step, event.host));
          return false;
        }
        case 'told':
        case 'trial-start':
        case 'critical-path':
        case 'summary':
          close();
          return false;
        case 'walk-start':
          startWalk();
          return true;
        case 'step-start':
          walk.roles.get(event.role)?.running.set(event.step, `${event.host}: ${event.stepType} ${event.name}`);
          refresh();
          return true;
        case 'step-said':
          walk.roles.get(event.role)?.running.set(event.step, `${event.host}: ${event.line}`);
          refresh();
          return true;
        case 'step-ok':
        case 'step-changed':
          settle(event, false);
          return true;
        case 'step-failed':
          walk.failures.push(event);
          settle(event, true);
          return false;
        case 'step-blocked':
        case 'step-skipped':
          settle(event, true);
          return event.type === 'step-skipped';
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

/** A frame that fits on the screen: what is left over is counted in its last line. */
function textOf({ title, lines }: Frame, { columns, rows }: ReturnType<Size>): string {
  const room = Math.max(1, rows - 4);
  const all = lines.flatMap((line) => wrapped(line, columns - 6));
  const shown = all.length <= room ? all : [...all.slice(0, room - 1), `… ${all.length - room + 1} lines more`];
  return [title, ...shown].join('\n');
}

/** Long lines go on below, three at most; a line without `wrap` is cut by the screen. */
function wrapped({ text, wrap, paint = (part) => part }: Frame['lines'][number], width: number): string[] {
  if (!wrap || text.length <= width) return [paint(text)];
  const parts = Array.from({ length: Math.min(3, Math.ceil(text.length / width)) }, (_, i) => text.slice(i * width, (i + 1) * width));
  return parts.map((part, i) => paint(i === 2 && text.length > 3 * width ? `${part.slice(0, -1)}…` : part));
}
