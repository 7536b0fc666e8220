// Spoils texts that were good: what people and bad tools do to inventories and roles, and what somebody does on purpose.
import { isMap, isScalar, isSeq, parseDocument, stringify, visit, type Document, type Node, type Pair, type YAMLMap } from 'yaml';

/** Numbers from 0 to `below` - 1, the same for the same seed. */
export type Dice = (below: number) => number;

/** mulberry32: small, and good enough to choose by. */
export function dice(seed: number): Dice {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

type Mutation = (text: Buffer, roll: Dice) => Buffer;

const pick = <T>(from: readonly T[], roll: Dice): T => from[roll(from.length)]!;

// --- values --------------------------------------------------------------------------------------------------------------

const deep = (open: string, close: string, levels: number): string => open.repeat(levels) + close.repeat(levels);

/** What stands in a value's place, as it is written in YAML. */
const values: readonly string[] = [
  ...['', '~', 'true', 'no', '0', '-1', '0640', '0x1F', '0b1', '1_000', '1.5', '1e999', '-1e999', '9007199254740993'],
  ...['1'.repeat(400), '.inf', '-.inf', '.nan', '12:30:45', '2026-11-20', '"2026-11-20"'],
  ...['[]', '{}', '[[]]', '[~]', '{a: b}', '{secret: x}', '{secret: __proto__}', '{secret: [x]}', '{secret: ""}', '[1, two, {3: 4}]'],
  ...['""', '" "', '"\\n"', '"\\0"', '"\\x1b[31mred\\a"', '"\\uFEFF"', '"\\u202Eevil"', '"\\uD800"', '"\\u2028"', '"é😀漢"'],
  ...['/', '..', '../../etc/passwd', '/dev/sda', 'C:\\x', '$(touch executed-canary)', '`id`', '"; rm -rf /"', "''", '"%s%n"', '*', '"-x"'],
  ...['0.0.0.0', '255.255.255.255', '10.77.0.0/33', '010.077.000.011', '10.77.0', '::1', '999.1.1.1', '10.0.0.0/0', '10.77.0.0/1'],
  ...[
    '|\n  a\n  b',
    '>-\n  folded',
    '!!binary aGVsbG8=',
    '!!python/object:os.system x',
    '!vault x',
    '*nobody',
    '&a [*a]',
    '<<',
    '=',
    '!!set {a, b}',
  ],
  ...[
    '"{{"',
    '"}}"',
    '"{{}}"',
    '"{{nobody}}"',
    '"{{host.nobody}}"',
    '"{{#if host}}"',
    '"{{/if}}"',
    '"{{> part}}"',
    '"{{{host}}}"',
    '"{{host}}"',
  ],
  ...[
    '"{{hosts}}"',
    '"{{cloud.name}}"',
    '"{{__proto__}}"',
    '"{{constructor}}"',
    '"{{host.constructor}}"',
    '"{{host.__proto__.x}}"',
    '"{{toString}}"',
  ],
  ...[
    '"a{{password}}b"',
    '"{{password}}"',
    '"/x/{{password}}"',
    '"{{url password}}"',
    '"{{db_password}}"',
    '"{{networks}}"',
    '"{{os.packages}}"',
    '"x{{os}}"',
  ],
  ...[deep('[', ']', 60), deep('[', ']', 1000), deep('{a: ', '}', 1000), '['.repeat(1000), '{'.repeat(1000)],
  ...[`"${'long '.repeat(20_000)}"`, 'x'.repeat(100_000), `"${'é'.repeat(50_000)}"`, `[${'a, '.repeat(5000)}]`],
];

/** Names that mean something to JavaScript, to YAML or to nobody. */
const names: readonly string[] = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', 'toJSON', 'then', 'length', 'name', 'nobody'],
  ...[
    '"1"',
    '1',
    'true',
    '~',
    '""',
    '" "',
    '"a b"',
    '"a/b~c"',
    '"a.b"',
    'é',
    '"\\x1b[2J"',
    '<<',
    '"<<"',
    '? [a]',
    '"{{host.name}}"',
    'x'.repeat(5000),
  ],
  ...[
    'a[1-3]',
    'a[3-1]',
    'a[1-99999999]',
    'a[01-100]',
    'a[1-65536]',
    'a[1-2][1-2]',
    'ctl[1-2]',
    'cmp[000000001-000000009]',
    'once',
    'when',
    'template',
  ],
];

// --- on the tree ---------------------------------------------------------------------------------------------------------

type Spot = { readonly map: YAMLMap<Node, Node | null>; readonly index: number };

/** A mutation of the YAML tree; comments and style stay. A text that is no YAML any more is left as it is. */
function onTree(change: (spots: readonly Spot[], roll: Dice, document: Document) => void): Mutation {
  return (text, roll) => {
    const document = parseDocument(text.toString(), { uniqueKeys: false, logLevel: 'silent' });
    const spots: Spot[] = [];
    visit(document, {
      Map(_, map) {
        map.items.forEach((_pair, index) => spots.push({ map: map as unknown as Spot['map'], index }));
      },
    });
    if (document.errors.length > 0 || spots.length === 0) return text;
    try {
      change(spots, roll, document);
      return Buffer.from(document.toString({ lineWidth: 0 }));
    } catch {
      // Some spoilt trees cannot be written as text.
      return text;
    }
  };
}

const pairAt = ({ map, index }: Spot): Pair<Node, Node | null> => map.items[index]!;

/** A value or a key as it stands in the text is replaced by other text, whatever YAML that makes. */
function splice(which: 'key' | 'value', by: (roll: Dice) => string): Mutation {
  return (text, roll) => {
    const source = text.toString();
    const document = parseDocument(source, { uniqueKeys: false, logLevel: 'silent' });
    const ranges: [number, number][] = [];
    visit(document, {
      Pair(_, pair) {
        const node = pair[which] as Node | null;
        if (node?.range) ranges.push([node.range[0], node.range[1]]);
      },
    });
    if (ranges.length === 0) return text;
    const [start, end] = pick(ranges, roll);
    return Buffer.from(source.slice(0, start) + by(roll) + source.slice(end));
  };
}

const trees: Readonly<Record<string, Mutation>> = {
  'a key is dropped': onTree((spots, roll) => {
    const { map, index } = pick(spots, roll);
    map.items.splice(index, 1);
  }),
  'a key is doubled': onTree((spots, roll) => {
    const { map, index } = pick(spots, roll);
    map.items.splice(roll(map.items.length), 0, map.items[index]!);
  }),
  'a key is moved': onTree((spots, roll) => {
    const [from, to] = [pick(spots, roll), pick(spots, roll)];
    const [pair] = from.map.items.splice(from.index, 1);
    to.map.items.splice(roll(to.map.items.length + 1), 0, pair!);
  }),
  'two values change places': onTree((spots, roll) => {
    const [a, b] = [pairAt(pick(spots, roll)), pairAt(pick(spots, roll))];
    [a.value, b.value] = [b.value, a.value];
  }),
  'a key is misspelt': onTree((spots, roll) => {
    const { key } = pairAt(pick(spots, roll));
    if (isScalar(key)) key.value = String(key.value).replace(/.$/, '');
  }),
  'a value is put into a list': onTree((spots, roll, document) => {
    const pair = pairAt(pick(spots, roll));
    pair.value = document.createNode([pair.value]);
  }),
  'a list loses all': onTree((spots, roll) => {
    const lists = spots.map(pairAt).filter(({ value }) => isSeq(value) || isMap(value));
    const { value } = pick(lists, roll);
    if (isSeq(value) || isMap(value)) value.items.splice(0);
  }),
  'an entry is repeated 300 times': onTree((spots, roll) => {
    const { map, index } = pick(spots, roll);
    const { value } = pairAt({ map, index });
    if (isSeq(value) && value.items.length > 0) value.items.push(...Array.from({ length: 300 }, () => value.items[0]));
    else map.items.push(...Array.from({ length: 300 }, () => map.items[index]!));
  }),
  'an alias stands for something else': onTree((spots, roll, document) => {
    const [anchored, other] = [pairAt(pick(spots, roll)), pairAt(pick(spots, roll))];
    if (!anchored.value || !('anchor' in anchored.value)) return;
    anchored.value.anchor = 'a';
    other.value = document.createAlias(anchored.value as never, 'a');
  }),
  'a merge key': onTree((spots, roll, document) => {
    const [anchored, { map }] = [pairAt(pick(spots, roll)), pick(spots, roll)];
    if (!isMap(anchored.value)) return;
    anchored.value.anchor = 'm';
    map.items.push(document.createPair('<<', document.createAlias(anchored.value as never, 'm')));
  }),
  'a value is replaced': splice('value', (roll) => pick(values, roll)),
  'a value is replaced ': splice('value', (roll) => pick(values, roll)),
  'a value is quoted twice': splice('value', (roll) => stringify(JSON.stringify(pick(values, roll))).trim()),
  'a key is replaced': splice('key', (roll) => pick(names, roll)),
};

// --- on the text ---------------------------------------------------------------------------------------------------------

/** A mutation of the text as it stands. */
const onText =
  (change: (text: string, roll: Dice) => string): Mutation =>
  (text, roll) =>
    Buffer.from(change(text.toString(), roll));

const insert = (text: string, at: number, what: string): string => text.slice(0, at) + what + text.slice(at);

const onLines = (change: (lines: string[], roll: Dice) => void): Mutation =>
  onText((text, roll) => {
    const lines = text.split('\n');
    change(lines, roll);
    return lines.join('\n');
  });

const onBytes =
  (change: (bytes: Buffer, roll: Dice) => void): Mutation =>
  (text, roll) => {
    const bytes = Buffer.from(text);
    if (bytes.length > 0) change(bytes, roll);
    return bytes;
  };

const texts: Readonly<Record<string, Mutation>> = {
  'a byte order mark': onText((text) => `\uFEFF${text}`),
  'a byte order mark in the middle': onText((text, roll) => insert(text, roll(text.length + 1), '\uFEFF')),
  'line ends of DOS': onText((text) => text.replaceAll('\n', '\r\n')),
  'line ends of old Macs': onText((text) => text.replaceAll('\n', '\r')),
  'tabs for blanks': onText((text) => text.replaceAll('  ', '\t')),
  'a tab somewhere': onText((text, roll) => insert(text, roll(text.length + 1), '\t')),
  'a control character': onText((text, roll) => insert(text, roll(text.length + 1), String.fromCharCode(roll(32)))),
  'a strange character': onText((text, roll) =>
    insert(text, roll(text.length + 1), pick(['\u202E', '\u2028', '\u0085', '\u00A0', '\u200B', '😀', '\uFFFF', '\x7f'], roll)),
  ),
  'a sign somewhere': onText((text, roll) => insert(text, roll(text.length + 1), pick(Array.from(`{}[]:,"'#&*!|>%@\`-?~\\=<`), roll))),
  'a line is lost': onLines((lines, roll) => lines.splice(roll(lines.length), 1)),
  'a line twice': onLines((lines, roll) => {
    const at = roll(lines.length);
    lines.splice(at, 0, lines[at]!);
  }),
  'a line is indented': onLines((lines, roll) => {
    const at = roll(lines.length);
    lines[at] = ` ${lines[at]!}`;
  }),
  'two lines change places': onLines((lines, roll) => {
    const [a, b] = [roll(lines.length), roll(lines.length)];
    [lines[a], lines[b]] = [lines[b]!, lines[a]!];
  }),
  'a line without end': onText((text, roll) => insert(text, roll(text.length + 1), 'y'.repeat(200_000))),
  'a second document': onText((text) => `${text}\n---\n${text}`),
  'a directive': onText((text, roll) => pick(['%YAML 1.1\n---\n', '%YAML 9.9\n---\n', '%TAG ! x\n---\n', '%%\n'], roll) + text),
  'cut off': onText((text, roll) => text.slice(0, roll(text.length + 1))),
  'nothing left': onText((_, roll) => pick(['', '\n', '# nothing\n', '~', '{}', '[]', 'a', '"', '{', '- ', '---\n', '\0'], roll)),
  'nested 1,000 deep': onText(
    (text, roll) =>
      `${text}\n${pick(['x: ', 'params: ', 'steps: ', 'hosts: '], roll)}${pick([deep('[', ']', 1000), deep('{a: ', '}', 1000)], roll)}\n`,
  ),
  'aliases of aliases': onText((text) => {
    const levels = Array.from({ length: 12 }, (_, i) => `  a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]`);
    return `${text}\nparams:\n  a0: &a0 [x, x]\n${levels.join('\n')}\n`;
  }),
  'a bit is flipped': onBytes((bytes, roll) => {
    const at = roll(bytes.length);
    bytes[at] = bytes[at]! ^ (1 << roll(8));
  }),
  'bytes that are no UTF-8': onBytes((bytes, roll) => {
    const at = roll(bytes.length);
    bytes.fill(pick([0xff, 0xc0, 0x80, 0xed, 0xfe], roll), at, Math.min(bytes.length, at + 1 + roll(3)));
  }),
  'UTF-16': (text) => Buffer.from(text.toString(), 'utf16le'),
};

// --- in templates --------------------------------------------------------------------------------------------------------

const inside: readonly string[] = [
  ...[
    '{{',
    '{{}',
    '{{ }}',
    '{{{',
    '{{}}',
    '{{nobody}}',
    '{{host.nobody}}',
    '{{nobody.nobody}}',
    '{{host}}',
    '{{hosts}}',
    '{{this}}',
    '{{..}}',
    '{{../x}}',
  ],
  ...[
    '{{#if}}',
    '{{#if nobody}}x{{/if}}',
    '{{#if host}}',
    '{{/if}}',
    '{{else}}',
    '{{#each nobody}}{{/each}}',
    '{{#each host}}{{this}}{{/each}}',
    '{{#each}}{{/each}}',
  ],
  ...[
    '{{> part}}',
    '{{#> part}}x{{/part}}',
    '{{! comment',
    '{{!-- x',
    '{{#*inline "x"}}y{{/inline}}{{> x}}',
    '{{* decorator}}',
    '{{&host.name}}',
    '{{{{raw}}}} {{x}} {{{{/raw}}}}',
  ],
  ...[
    '{{constructor}}',
    '{{__proto__}}',
    '{{host.constructor.constructor}}',
    '{{lookup host "constructor"}}',
    '{{lookup this "x"}}',
    '{{toString}}',
    '{{@root}}',
    '{{@nobody}}',
  ],
  ...[
    '{{helperMissing}}',
    '{{blockHelperMissing}}',
    '{{#with nobody}}{{/with}}',
    '{{url}}',
    '{{url host}}',
    '{{join}}',
    '{{join host}}',
    '{{join hosts ","}}',
    '{{pluck}}',
    '{{eq}}',
    '{{json}}',
  ],
  ...[
    '{{join (pluck hosts "nobody") ","}}',
    '{{json hosts}}',
    '{{json host}}',
    '{{json nobody}}',
    '{{nobody host}}',
    '{{host "x"}}',
    '{{"x"}}',
    '{{1}}',
    '{{true}}',
    '{{null}}',
    '{{undefined}}',
  ],
  ...[
    '{{#if a}}'.repeat(1000),
    '{{('.repeat(1000),
    `{{${'a.'.repeat(1000)}a}}`,
    `{{"${'x'.repeat(50_000)}"}}`,
    '{{cloud.name}}'.repeat(2000),
    '\0',
    '\\{{host}}',
    '\\\\{{host}}',
    '{{~host.name~}}',
  ],
];

/** What is wrong with templates: in .hbs files, and in texts of role.yaml. */
const templates: Readonly<Record<string, Mutation>> = {
  'a template somewhere': onText((text, roll) => insert(text, roll(text.length + 1), pick(inside, roll))),
  'a name in a template': onText((text, roll) => {
    const all = [...text.matchAll(/\{\{[^{}]*\}\}/g)];
    if (all.length === 0) return text;
    const found = pick(all, roll);
    return text.slice(0, found.index) + pick(inside, roll) + text.slice(found.index + found[0].length);
  }),
  'a name in a template is lost': onText((text, roll) => {
    const all = [...text.matchAll(/\{\{/g)];
    if (all.length === 0) return text;
    const { index } = pick(all, roll);
    return text.slice(0, index) + text.slice(index + 1 + roll(4));
  }),
};

/** Mutations by name, for each kind of file. */
export const mutations = {
  yaml: { ...trees, ...texts },
  role: { ...trees, ...texts, ...templates },
  template: { ...templates, ...texts },
} satisfies Record<string, Readonly<Record<string, Mutation>>>;

/** Spoils a text once to three times; `did` says how. */
export function mutate(kind: keyof typeof mutations, text: Buffer, roll: Dice): { readonly text: Buffer; readonly did: readonly string[] } {
  const all = Object.entries<Mutation>(mutations[kind]);
  const did: string[] = [];
  let spoilt = text;
  for (let times = 1 + Number(roll(3) === 0) + Number(roll(6) === 0); times > 0; times--) {
    const [name, mutation] = pick(all, roll);
    spoilt = mutation(spoilt, roll);
    did.push(name.trim());
  }
  return { text: spoilt, did };
}
