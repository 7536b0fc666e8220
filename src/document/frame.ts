/** Lines shown before and after the marked one. */
const before = 2;
const after = 1;
/** Characters of a line that are shown; longer ones are cut around the mark. */
const width = 120;

/** The offset at which each line of `text` starts. */
export function lineStarts(text: string): number[] {
  const starts = [0];
  for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', end + 1)) starts.push(end + 1);
  return starts;
}

/** The 0-based line that holds `offset`, by bisection. */
export function lineAt(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (starts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * The lines around a range of offsets with carets under it, ready to print:
 *
 * ```
 *   3 | hosts:
 *   4 |   ctl1: {adress: 10.77.0.11}
 *     |          ^^^^^^
 * ```
 *
 * Each UTF-16 unit is taken to be one column wide, so a caret may be off in a line of Chinese.
 */
export function frame(text: string, starts: readonly number[], start: number, end: number): string {
  const marked = lineAt(starts, start);
  const first = Math.max(0, marked - before);
  const last = Math.min(starts.length - 1, marked + after);
  const gutter = String(last + 1).length;
  const column = start - starts[marked]!;
  const from = Math.max(0, column - width / 2);
  const rows: string[] = [];
  for (let line = first; line <= last; line++) {
    if (line > marked && starts[line] === text.length) break;
    const shown = clip(text.slice(starts[line], starts[line + 1]), from);
    rows.push(`${String(line + 1).padStart(gutter)} | ${shown}`.trimEnd());
    if (line !== marked) continue;
    const lead = from > 0 ? column - from + 1 : column;
    const carets = Math.max(1, Math.min(end - start, shown.length - lead));
    rows.push(`${' '.repeat(gutter)} | ${' '.repeat(lead)}${'^'.repeat(carets)}`);
  }
  return rows.join('\n');
}

/** The visible part of a line. What a terminal would act on or not show at all (escapes, tabs, bidi marks) is replaced. */
function clip(line: string, from: number): string {
  const cut = line.slice(from, from + width).replace(/[\r\n]+$/, '');
  const more = line.trimEnd().length > from + width;
  return `${from > 0 ? '…' : ''}${mask(cut.replaceAll('\t', '→').replace(/[\p{Cc}\p{Cf}]/gu, '�'))}${more ? '…' : ''}`;
}

/** Frames end up on screens and in CI logs; what follows a key that looks like a password's does not. */
function mask(line: string): string {
  return line.replace(
    /((?:password|passwd|passphrase)["']?\s*:\s*)(?!\s*\{)([^,}]+)/gi,
    (_all, key: string, value: string) => key + '•'.repeat(value.length),
  );
}
