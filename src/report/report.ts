import type { Event, StepName } from '../base/event.ts';
import { colors, eventText, stepText, summaryText, time } from './words.ts';
import { phases, type Size } from './phases.ts';

/** Somebody who is told of a run. `end` returns when everything is out. */
export interface Reporter {
  tell(event: Event): void;
  /** Everything told so far is out: a question may be asked. */
  settle(): Promise<void>;
  end(): Promise<void>;
}

/** A place for text; lines end with a newline. */
export type Write = (text: string) => void;

/** One JSON event a line. */
export function ndjson(write: Write): Reporter {
  return {
    tell: (event) => {
      write(`${JSON.stringify(event)}\n`);
    },
    settle: () => Promise.resolve(),
    end: () => Promise.resolve(),
  };
}

/** Plain lines as they come: for logs, pipes and terminals without cursor. What takes long is told of every 15 seconds. */
export function plain(write: Write, command: string, color: boolean): Reporter {
  const c = colors(color);
  const running = new Map<string, { readonly event: StepName; readonly since: number; said: string }>();
  const failures: { readonly text: string; readonly at: number }[] = [];
  let lines = 0;
  let host = '';
  const timer = setInterval(() => {
    for (const { event, since, said } of running.values()) {
      const seconds = (performance.now() - since) / 1000;
      if (seconds >= 15)
        write(`${c.dim(`… ${event.host} ${stepText(event)}, ${time(seconds)} so far${said === '' ? '' : `: ${said}`}`)}\n`);
    }
  }, 15_000);
  timer.unref();
  return {
    tell(event) {
      if ((event.type === 'step-planned' || event.type === 'step-unknown') && event.host !== host)
        write(`${c.bold((host = event.host))}\n`);
      if (event.type === 'step-start' || event.type === 'trial-start')
        running.set(event.step, { event, since: performance.now(), said: '' });
      else if (event.type === 'step-said') {
        const step = running.get(event.step);
        if (step) step.said = event.line;
      } else if ('step' in event) running.delete(event.step);
      const text = event.type === 'summary' ? summaryText(event, command, c) : eventText(event, c);
      // What failed long ago is said once more, where it is looked for: at the end.
      if (event.type === 'summary') for (const { text: failed, at } of failures) if (lines - at > 10) write(`${failed}\n`);
      if (text === undefined) return;
      lines += text.split('\n').length;
      if (event.type === 'step-failed') failures.push({ text, at: lines });
      write(`${text}\n`);
    },
    settle: () => Promise.resolve(),
    end: () => {
      clearInterval(timer);
      return Promise.resolve();
    },
  };
}

/** For a terminal: what would change in full, then a frame that shows what runs and what failed, instead of a line a step. */
export function terminal(write: Write, command: string, color: boolean, size: Size = () => ({ columns: 80, rows: 24 })): Reporter {
  const lines = plain(write, command, color);
  const rows = phases(colors(color), size);
  return {
    tell(event) {
      // While a frame is drawn, only it may write: what else is said waits until it is done.
      if (!rows.take(event))
        rows.after(() => {
          lines.tell(event);
        });
    },
    settle: () => rows.end(),
    end: async () => {
      await rows.end();
      await lines.end();
    },
  };
}
