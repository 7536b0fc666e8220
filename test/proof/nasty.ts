// Texts that somebody who wants to break in would choose, mixed with those that break things by themselves.
import fc from 'fast-check';

/** What would appear somewhere on the host if any of the values were executed by anything. */
export const canary = 'executed-canary';

const touch = `touch ${canary}`;
/** Each starts something in one of the languages that values pass through: shells, awk, SQL's client, Erlang, printf. */
const attacks = [
  ...[
    `$(${touch})`,
    `\`${touch}\``,
    `;${touch};`,
    `|${touch}`,
    `&&${touch}&`,
    `\n${touch}\n`,
    `';${touch};'`,
    `";${touch};"`,
    `'"$(${touch})"'`,
  ],
  ...[
    `\${x:-$(${touch})}`,
    `$((x[$(${touch})]))`,
    `<(${touch})`,
    `>${canary}`,
    `)\n${touch}\n(`,
    `\\\n${touch}\n`,
    `\nEOF\n${touch}\n`,
    `.\n${touch}\n`,
  ],
  ...[
    `\\! ${touch}`,
    `\n\\! ${touch}\n`,
    `\nsystem ${touch}\n`,
    `'; \\! ${touch}\n`,
    `"; system("${touch}"); "`,
    `"|"${touch}`,
    `os:cmd("${touch}")`,
  ],
  ...[
    '%s%s%n',
    '\\0',
    '\\x24\\x28',
    '\\u0024',
    '${IFS}',
    '$IFS$9',
    '!!',
    '~root',
    '*',
    '/*',
    '?',
    '[a-z]',
    '{a,b}',
    '-rf',
    '--',
    '-',
    '#',
    '\\',
    "\\'",
    '\\"',
  ],
];

/** Characters of all kinds; NUL is in none: neither a file's name nor a shell's word can hold it. */
const character = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...Array.from(`'"\`$(){}[]\\;&|<>*?~#!%=:,. -+^_@/\n\t\r`)) },
  { weight: 3, arbitrary: fc.constantFrom(...Array.from('abcXYZ019')) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 0x1f }).map((code) => String.fromCharCode(code)) },
  { weight: 1, arbitrary: fc.constantFrom('\x7f', '\x80', '\x9b', '\u00a0', '\u2028', '\u202e', '\ufeff', '\ufffd', '\uffff') },
  { weight: 2, arbitrary: fc.constantFrom(...Array.from('äßé漢字ก́😀𝔘🏳️‍🌈')) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).filter((one) => one !== '\0') },
);

/** Any text that a value can be. */
export const nasty: fc.Arbitrary<string> = fc
  .array(fc.oneof({ weight: 6, arbitrary: character }, { weight: 1, arbitrary: fc.constantFrom(...attacks) }), { maxLength: 14 })
  .map((parts) => parts.join(''))
  .filter((text) => text.isWellFormed());

/** As many different ones as are asked for, each made fit for its place; the same for the same seed. */
export function texts(count: number, seed: number, fit: (text: string) => string = (text) => text): string[] {
  const found = new Set<string>();
  for (let round = 0; found.size < count; round++) {
    for (const text of fc.sample(nasty, { numRuns: count, seed: seed + round })) {
      const fitting = fit(text);
      if (found.size < count && fitting !== '') found.add(fitting);
    }
  }
  return [...found];
}

/** A name in a directory: no slash, and not longer than file systems allow. */
export function fileName(text: string): string {
  let name = text.replaceAll('/', '_');
  while (Buffer.byteLength(name) > 150) name = Array.from(name).slice(0, -1).join('');
  return name === '.' || name === '..' ? '' : name;
}

/** One line without blanks around it, as settings are. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]/g, ' ').trim();
}
