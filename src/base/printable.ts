/**
 * Text that came from a file or a host, made fit for a terminal: what it would act on or not show at all (escapes, bidi
 * marks) is replaced; line ends and tabs stay. Longer texts are cut.
 */
export function printable(text: string, limit: number): string {
  const short = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return short.replace(/(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD');
}
