/**
 * A script of the same length and lines in which only code is left: comments and what stands in quotes are blanked out, but
 * for what a shell will run: command substitutions, and what `sh -c` and `trap` are given.
 */
export function codeOf(script: string): string {
  const out = [...script.split('')];
  scan(script, 0, out, '');
  return out.join('');
}

/** Blanks from `i` on until `end`, at this level of quoting; returns where it ended. */
function scan(script: string, i: number, out: string[], end: string): number {
  let depth = 0;
  for (; i < script.length; i += 1) {
    const c = script[i]!;
    if (c === '\\') i += 1;
    else if (c === '#' && /(^|\s)$/.test(script.slice(Math.max(0, i - 1), i))) i = blank(script, i, out, '\n') - 1;
    else if (c === "'") {
      const runs = /(\bsh -c|\btrap) $/.test(script.slice(Math.max(0, i - 8), i));
      i = runs ? script.indexOf("'", i + 1) : blank(script, i + 1, out, "'");
    } else if (c === '"') i = inQuotes(script, i + 1, out);
    else if (c === '(') depth += 1;
    else if (c === ')' && end === ')' && depth === 0) return i;
    else if (c === ')') depth -= 1;
  }
  return i;
}

function inQuotes(script: string, i: number, out: string[]): number {
  for (; i < script.length && script[i] !== '"'; i += 1) {
    if (script[i] === '\\') i += 1;
    else if (script.startsWith('$(', i) && script[i + 2] !== '(') i = scan(script, i + 2, out, ')');
    else if (/[;&|<>(){}]/.test(script[i]!)) out[i] = '_';
  }
  return i;
}

function blank(script: string, i: number, out: string[], end: string): number {
  for (; i < script.length && script[i] !== end; i += 1) if (script[i] !== '\n') out[i] = ' ';
  return i;
}
