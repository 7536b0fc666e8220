import { printable } from './printable.ts';
import type { ProblemCode } from './problem-codes.ts';

/** A place in a text that a person wrote: 1-based line and column. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The lines around it with a mark under the place, ready to print. */
  readonly frame?: string;
}

/**
 * Something that a person has to put right, or to know of. `code` is stable, documented in docs/reference/problems.md and explained by
 * `cellwise explain CODE`; `message` is one sentence; `hint` says what to do.
 */
export interface Problem {
  readonly code: ProblemCode;
  /** A warning is legal: it has no effect, or another one than its author may think. Left out: an error, with which nothing is begun. */
  readonly severity?: 'warning';
  readonly message: string;
  readonly place?: Place;
  readonly hint?: string;
}

export function isError({ severity }: Pick<Problem, 'severity'>): boolean {
  return severity === undefined;
}

/** Characters of a message or a hint. */
const longest = 600;

/** Thrown where work cannot go on because of what a person wrote or asked for; carries all problems at once. */
export class Invalid extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map((problem) => printable(problem.message, longest)).join('\n'));
    this.name = 'Invalid';
    // What is wrong often quotes what somebody wrote.
    this.problems = problems.map(({ message, hint, ...rest }) => ({
      ...rest,
      message: printable(message, longest),
      ...(hint === undefined ? {} : { hint: printable(hint, longest) }),
    }));
  }
}

/**
 * The nearest of `candidates` to a mistyped `word` (edit distance at most a third), or the only one that it begins;
 * undefined when there is none.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: { candidate: string; distance: number } | undefined;
  const begun: string[] = [];
  // Nobody mistypes a name of that length, and comparing two takes the product of theirs.
  if (word.length > 200) return undefined;
  for (const candidate of candidates) {
    if (word.length >= 3 && candidate.toLowerCase().startsWith(word.toLowerCase())) begun.push(candidate);
    if (Math.abs(candidate.length - word.length) > 3) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance <= Math.max(1, Math.floor(word.length / 3)) && (!best || distance < best.distance)) best = { candidate, distance };
  }
  return best?.candidate ?? (begun.length === 1 ? begun[0] : undefined);
}

/** Levenshtein's distance, over one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
