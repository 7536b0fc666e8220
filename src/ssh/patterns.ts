/**
 * OpenSSH's lists of patterns, as in `Host *.example.com !old.example.com`: one must match, and none of the negated ones.
 * No regular expression is made of them: a hostile one must not take exponential time.
 */
export function matches(patterns: readonly string[], name: string): boolean {
  const negated = patterns.filter((pattern) => pattern.startsWith('!'));
  if (negated.some((pattern) => fits(pattern.slice(1), name))) return false;
  return patterns.some((pattern) => !pattern.startsWith('!') && fits(pattern, name));
}

/** `*` is any text, `?` one character. */
function fits(pattern: string, name: string): boolean {
  let [p, n, star, mark] = [0, 0, -1, 0];
  while (n < name.length) {
    if (p < pattern.length && (pattern[p] === '?' || (pattern[p] === name[n] && pattern[p] !== '*'))) {
      p++;
      n++;
    } else if (pattern[p] === '*') {
      star = p++;
      mark = n;
    } else if (star >= 0) {
      p = star + 1;
      n = ++mark;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
