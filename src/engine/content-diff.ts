import type { createTwoFilesPatch } from 'diff';
import type { Shell } from '../base/shell.ts';
import { Secret, shown, type Text } from '../base/secret.ts';
import type { Step } from '../plan/plan.ts';
import type { AnyParams, ShellResource } from '../resources/define.ts';
import { batch } from './batch.ts';

// Longer contents are not worth reading as a diff.
const limit = 256 * 1024;

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
  return new Map(asked.flatMap(({ step, content }, i) => diff(patch, step, outputs[i]!.out, content)));
}

function diff(patch: typeof createTwoFilesPatch, step: Step, before: Buffer, after: Text | Uint8Array): [string, string][] {
  if (after instanceof Uint8Array || before.length > limit || before.includes(0)) return [];
  const old = before.toString();
  const text = after instanceof Secret ? hide(old, after) : old;
  const unified = patch(step.name, step.name, text, shown(after), 'now', 'wanted', { context: 2 });
  const hunks = unified.slice(Math.max(0, unified.indexOf('@@')));
  return hunks.startsWith('@@') ? [[step.step, hunks]] : [];
}

/**
 * The lines of a file that holds secrets, as people may see them. The old secrets are not known to us, so of a line that
 * is not also wanted only the key is left, and that only where the new content has the same key.
 */
function hide(old: string, after: Secret): string {
  const wanted = new Map(
    after
      .reveal()
      .split('\n')
      .map((line, i) => [line, after.shown.split('\n')[i] ?? '']),
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
