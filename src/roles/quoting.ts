import { mapText, type Text } from '../base/secret.ts';

/**
 * A text as the value of an option that oslo.config reads: it replaces `$name`, takes one pair of quotes away, and blanks at the
 * ends. Throws for what no line of such a file can carry; the text itself is not repeated.
 */
export function osloValue(text: Text): Text {
  return mapText(text, (value) => {
    if (/[\r\n]/.test(value)) throw new Error('a value with a line break cannot stand in a configuration file');
    // Not `$$`: with a backslash before it, that is read as `\$` and `$`.
    const escaped = value.replaceAll('$', String.raw`\$`);
    return /^\s|\s$|^(["'])(.*\1)?$/s.test(escaped) ? `"${escaped}"` : escaped;
  });
}
