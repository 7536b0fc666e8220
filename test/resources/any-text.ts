import fc from 'fast-check';

/** Text of all kinds: unicode, and the characters that mean something to shells, awk, SQL and INI files. */
export const anyText = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom(...Array.from(`'"\`$(){}[]\\;&|<>*?~#!%=:,. -\n\t\r/@^_aA0`)),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    ),
    maxLength: 40,
  })
  .filter((text) => !text.includes('\0') && text.isWellFormed());
