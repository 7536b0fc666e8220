import type { Output } from './command.ts';
import { mask } from './mask.ts';

/** Characters of a text within something larger; the longest is a diff. */
const longest = 512 * 1024;
/** Of what is cut off, so much is looked at: no secret that begins before the cut is longer. */
const beyond = 64 * 1024;

/**
 * Text that came from a file or a host, made fit for people: secrets are hidden; what a terminal would act on or not show at
 * all (escapes, bidi marks) is replaced; line ends and tabs stay. Longer texts are cut.
 */
export function printable(text: string, limit = longest): string {
  // Masked before it is cut: a part of a secret is not known as one.
  const masked = mask(text.length > limit + beyond ? text.slice(0, limit + beyond) : text);
  const short = masked.length > limit ? `${masked.slice(0, limit)}…` : masked;
  return short.replace(/(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD');
}

const cleaned = new WeakSet();

/** The same data, with each text in it made printable. */
export function clean<T>(value: T): T {
  if (typeof value === 'string') return printable(value) as T;
  if (value === null || typeof value !== 'object' || cleaned.has(value)) return value;
  const parts = Array.isArray(value)
    ? value.map((item: unknown) => clean(item))
    : Object.fromEntries(Object.entries(value).map(([name, part]) => [printable(name), clean<unknown>(part)]));
  cleaned.add(parts);
  return parts as T;
}

/** The last lines that a command printed, errors last. */
export function lastLines({ out, err }: Output, most: number): string[] {
  // One line may be all of 16 MiB.
  const said = [out, err].map((stream) => stream.subarray(-beyond).toString()).join('');
  return printable(said.trimEnd())
    .split('\n')
    .slice(-most)
    .map((line) => line.slice(0, 1000));
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown, limit = longest): string {
  return printable(error instanceof Error ? error.message : String(error), limit);
}
