import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import { learn } from './mask.ts';

/**
 * A text that must not be seen: a password, a key, or a text that contains one.
 *
 * It can be passed around, joined and compared, but whatever prints it (string conversion, JSON, inspect) gets `shown`,
 * in which each secret part is replaced by its name. Only what writes to a host's standard input calls `reveal()`. What is
 * secret, or derived from it, is known to the mask from the moment it is made.
 */
export class Secret {
  readonly #value: string;
  /** The same text with every secret part replaced by `‹secret NAME›`: safe for screens, logs and plans. */
  readonly shown: string;

  private constructor(value: string, shown: string) {
    this.#value = value;
    this.shown = shown;
  }

  /** A secret that is known to people as `name`. */
  static of(name: string, value: string): Secret {
    return new Secret(value, `‹secret ${name}›`).#learned();
  }

  /** Joins texts; the result is a Secret as soon as one part is, a plain string otherwise. */
  static join(parts: readonly Text[]): Text {
    if (parts.every((part) => typeof part === 'string')) return parts.join('');
    return new Secret(parts.map(reveal).join(''), parts.map(shown).join(''));
  }

  /** The same secret with its value changed, e.g. quoted for another language; what is shown stays. */
  map(change: (value: string) => string): Secret {
    return new Secret(change(this.#value), this.shown).#learned();
  }

  #learned(): this {
    learn(this.#value, this.shown, !/^‹secret [^‹›]*›$/.test(this.shown));
    return this;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return this.shown;
  }

  toJSON(): string {
    return this.shown;
  }

  [inspect.custom](): string {
    return this.shown;
  }
}

/** Text that may or may not hold secrets. */
export type Text = string | Secret;

/** The real text. Call it only where the result goes to a host's standard input or a 0600 file. */
export function reveal(text: Text): string {
  return typeof text === 'string' ? text : text.reveal();
}

/** The text as people may see it. */
export function shown(text: Text): string {
  return typeof text === 'string' ? text : text.shown;
}

/** A text without its secrets changed: applies `change` to the value, whether it is secret or not. */
export function mapText(text: Text, change: (value: string) => string): Text {
  return typeof text === 'string' ? change(text) : text.map(change);
}

/** Template tag that joins plain and secret texts: `text\`password = ${secret}\``. */
export function text(strings: TemplateStringsArray, ...values: readonly (Text | number)[]): Text {
  return Secret.join(strings.flatMap((part, i) => (i < values.length ? [part, asText(values[i])] : [part])));
}

function asText(value: Text | number | undefined): Text {
  return typeof value === 'number' ? String(value) : (value ?? '');
}

/**
 * A keyed digest (HMAC-SHA-256, hex) of a text. Plain digests of short secrets can be guessed by trying; without the
 * cloud's key this one cannot, so it may be recorded in plans and on hosts.
 */
export function fingerprint(key: string, content: string | Uint8Array): string {
  return createHmac('sha256', key).update(content).digest('hex');
}
