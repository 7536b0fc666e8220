import type { createTwoFilesPatch } from 'diff';
import { setImmediate as turn } from 'node:timers/promises';
import type { Shell } from '../base/shell.ts';
import { Secret, shown, type Text } from '../base/secret.ts';
import type { Step } from '../plan/plan.ts';
import type { AnyParams, ShellResource } from '../resources/define.ts';
import { batch } from './batch.ts';

// What is longer, or has less in common, is not worth reading as a diff; and a host must not keep us busy by what it makes up.
const limits = { bytes: 256 * 1024, lines: 5000, edits: 1000 };

/** Unified diffs for those of a host's steps that have content, by step id; one round trip for all. */
export async function contentDiffs(shell: Shell, steps: readonly Step[]): Promise<ReadonlyMap<string, string>> {
  const asked = steps.flatMap((step) => {
    const resource = step.resource as ShellResource<AnyParams>;
    return resource.peek && resource.content ? [{ step, peek: resource.peek(step.params), content: resource.content(step.params) }] : [];
  });
  if (asked.length === 0) return new Map();
  // Most runs change nothing, and start sooner without it.
  const { createTwoFilesPatch: patch } = await import('diff');
  const together = batch(asked.map(({ peek }) => peek));
  const outputs = together.split(await shell.run(together.command));
  const diffs = new Map<string, string>();
  for (const [i, { step, content }] of asked.entries()) {
    const hunks = diff(patch, step, outputs[i]!.out, content);
    if (hunks !== undefined) diffs.set(step.step, hunks);
    // Other hosts have their turn.
    await turn();
  }
  return diffs;
}

function diff(patch: typeof createTwoFilesPatch, step: Step, before: Buffer, after: Text | Uint8Array): string | undefined {
  if (after instanceof Uint8Array || before.length > limits.bytes || before.includes(0)) return undefined;
  const old = before.toString();
  const [now, wanted] = [old, shown(after)].map((text) => text.split('\n').length) as [number, number];
  if (now > limits.lines) return undefined;
  const text = after instanceof Secret ? hide(old, after) : old;
  const options = { context: 2, maxEditLength: Math.abs(now - wanted) + limits.edits };
  const unified = patch(step.name, step.name, text, shown(after), 'now', 'wanted', options);
  const at = unified?.indexOf('@@') ?? -1;
  return at < 0 ? undefined : unified?.slice(at);
}

/**
 * The lines of a file that holds secrets, as people may see them. The old secrets are not known to us, so of a line that
 * is not also wanted only the key is left, and that only where the new content has the same key.
 */
function hide(old: string, after: Secret): string {
  const shownLines = after.shown.split('\n');
  const wanted = new Map(
    after
      .reveal()
      .split('\n')
      .map((line, i) => [line, shownLines[i] ?? '']),
  );
  const keys = new Set([...wanted.values()].map(key).filter((name) => name !== undefined));
  return old
    .split('\n')
    .map(
      (line) =>
        wanted.get(line) ??
        (keys.has(key(line)!) ? `${key(line)!} ‹hidden: this file holds secrets›` : '‹hidden: this file holds secrets›'),
    )
    .join('\n');
}

function key(line: string): string | undefined {
  return /^\s*[A-Za-z_][\w.-]{0,60}\s*[=:]/.exec(line)?.[0];
}
