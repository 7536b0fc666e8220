/**
 * Hides every secret that this process knows. Whoever makes a Secret, or derives one from it, makes it known here, so a
 * text is safe without its writer being handed any secrets.
 */
export function mask(text: string): string {
  const ranges = joined([...known.find(text), ...acrossBreaks(text)]);
  if (ranges.length === 0) return text;
  let out = '';
  let from = 0;
  for (const { start, end, shown } of ranges) {
    out += text.slice(from, start) + shown;
    from = end;
  }
  return out + text.slice(from);
}

/** Makes a secret known. `whole`: it is a text that holds secrets, so parts of it say nothing. */
export function learn(value: string, shown: string, whole: boolean): void {
  known.add(value, shown, whole);
}

/** Shorter secrets are not hidden: their characters stand in any text. */
const shortest = 4;
/** Characters of a secret that may not be seen together, as where somebody has cut a text. */
const fragment = 12;
/** Characters of a form that is looked for across line ends: shorter ones come about by chance. */
const leastAcross = 8;
/** Longer secrets, such as keys, are not told as lists of bytes. */
const longest = 256;

/** A secret as it may be spelled. */
interface Form {
  readonly text: string;
  readonly shown: string;
  /** So much of it must be seen for it to count. */
  readonly least: number;
}

interface Range {
  readonly start: number;
  readonly end: number;
  readonly shown: string;
}

/**
 * Forms by some of their grams, such that whatever of a form counts holds one of them. A text is looked up once at each place,
 * however many forms there are. Gram: so many characters in a row.
 */
class Index {
  readonly #gram: number;
  /** What the first character of a gram counts for in its hash. */
  readonly #first: number;
  readonly #forms: Form[] = [];
  /** By hash, the entry that came last; -1 for none. */
  #slots = new Int32Array(1 << 10).fill(-1);
  /** By entry: the one of the same hash that came before it, the number of its form, and the place of the gram in that. */
  readonly #before: number[] = [];
  readonly #owners: number[] = [];
  readonly #offsets: number[] = [];

  constructor(gram: number) {
    this.#gram = gram;
    this.#first = Array.from({ length: gram - 1 }).reduce<number>((power) => Math.imul(power, base), 1);
  }

  add(form: Form): void {
    const number = this.#forms.push(form) - 1;
    const { text, least } = form;
    const last = least === text.length ? 0 : text.length - this.#gram;
    for (let offset = 0; offset <= last; offset += least - this.#gram + 1) {
      this.#owners.push(number);
      this.#offsets.push(offset);
    }
    if (this.#owners.length * 8 > this.#slots.length) {
      this.#slots = new Int32Array(this.#slots.length * 4).fill(-1);
      this.#before.length = 0;
    }
    for (let entry = this.#before.length; entry < this.#owners.length; entry += 1) {
      const slot = slotOf(this.#hash(this.#forms[this.#owners[entry]!]!.text, this.#offsets[entry]!), this.#slots);
      this.#before.push(this.#slots[slot]!);
      this.#slots[slot] = entry;
    }
  }

  /** `least`: characters of what counts. */
  find(text: string, least: number): Range[] {
    const found: Range[] = [];
    const last = text.length - this.#gram;
    if (this.#forms.length === 0 || last < 0) return found;
    const [slots, before, first, gram] = [this.#slots, this.#before, this.#first, this.#gram];
    let hash = this.#hash(text, 0);
    for (let i = 0; i <= last; i += 1) {
      let best: Range | undefined;
      for (let entry = slots[slotOf(hash, slots)]!; entry >= 0; entry = before[entry]!) {
        const range = this.#around(text, i, entry, least);
        if (range && (!best || range.end - range.start > best.end - best.start)) best = range;
      }
      if (best) {
        found.push(best);
        // What begins within it may end behind it.
        i = Math.max(i, best.end - fragment);
        hash = this.#hash(text, i);
      }
      hash = (Math.imul((hash - Math.imul(text.charCodeAt(i), first)) | 0, base) + text.charCodeAt(i + gram)) | 0;
    }
    return found;
  }

  /** As much of a form as is seen around a place of a text. */
  #around(text: string, at: number, entry: number, least: number): Range | undefined {
    const form = this.#forms[this.#owners[entry]!]!;
    const offset = this.#offsets[entry]!;
    const room = Math.min(text.length - at, form.text.length - offset);
    let right = 0;
    while (right < room && text.charCodeAt(at + right) === form.text.charCodeAt(offset + right)) right += 1;
    if (right < this.#gram) return undefined;
    const before = Math.min(at, offset);
    let left = 0;
    while (left < before && text.charCodeAt(at - left - 1) === form.text.charCodeAt(offset - left - 1)) left += 1;
    if (left + right < Math.max(form.least, least)) return undefined;
    return { start: at - left, end: at + right, shown: form.shown };
  }

  #hash(text: string, at: number): number {
    let hash = 0;
    for (let i = at; i < at + this.#gram; i += 1) hash = (Math.imul(hash, base) + text.charCodeAt(i)) | 0;
    return hash;
  }
}

/** Of the hashes, which roll along a text. */
const base = 0x01000193;

function slotOf(hash: number, { length }: Int32Array): number {
  const mixed = Math.imul(hash, 0x9e3779b1);
  return (mixed ^ (mixed >>> 15)) & (length - 1);
}

class Known {
  readonly #learned = new Set<string>();
  readonly #waiting: (readonly [value: string, shown: string, whole: boolean])[] = [];
  readonly #long = new Index(8);
  /** What is too short for the other. */
  readonly #short = new Index(shortest);

  add(value: string, shown: string, whole: boolean): void {
    if (value.length < shortest || this.#learned.has(value)) return;
    this.#learned.add(value);
    this.#waiting.push([value, shown, whole]);
  }

  find(text: string, least = shortest): Range[] {
    // Most are never asked for, as by what prints nothing.
    for (const [value, shown, whole] of this.#waiting.splice(0)) {
      const forms = whole ? [[value, value.length] as const] : formsOf(value);
      for (const [form, atLeast] of forms) (atLeast < fragment ? this.#short : this.#long).add({ text: form, shown, least: atLeast });
    }
    return [...this.#long.find(text, least), ...this.#short.find(text, least)];
  }
}

const known = new Known();

/** How a secret may be spelled, each with how much of it must be seen: all of it, and each of its lines. */
function formsOf(value: string): Map<string, number> {
  const forms = new Map<string, number>();
  const lines = value.split(/\r?\n/).map((line) => line.trim());
  for (const part of lines.length > 1 ? [value, ...lines] : [value, value.trim()]) {
    for (const form of spellings(part)) {
      const least = part.length > fragment ? Math.ceil((fragment * form.length) / part.length) : form.length;
      if (form.length >= shortest && !forms.has(form)) forms.set(form, Math.max(least, Math.min(fragment, form.length)));
    }
  }
  return forms;
}

function spellings(text: string): string[] {
  const bytes = Buffer.from(text);
  return [
    text,
    ...(/^[\w.~-]*$/.test(text) ? [] : quoted(text)),
    ...[0, 1, 2].flatMap((offset) => base64At(bytes, offset)),
    ...(text.length > longest ? [] : byteLists(bytes)),
  ];
}

/** In URLs, JSON, XML, SQL and languages that escape. */
function quoted(text: string): string[] {
  const url = encodeURIComponent(text);
  const strict = url.replaceAll(/[!'()*]/g, (char) => `%${hex(char.charCodeAt(0)).toUpperCase()}`);
  const json = JSON.stringify(text).slice(1, -1);
  const markup = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const xml = markup.replaceAll('>', '&gt;');
  return [
    ...[url, strict].flatMap((each) => [each, each.replaceAll(/%../g, (escape) => escape.toLowerCase()), each.replaceAll('%20', '+')]),
    json,
    json.replaceAll(/[^ -~]/g, (char) => String.raw`\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`),
    markup,
    xml,
    xml.replaceAll('"', '&quot;').replaceAll("'", '&#39;'),
    xml.replaceAll('"', '&#34;').replaceAll("'", '&#39;'),
    xml.replaceAll('"', '&quot;').replaceAll("'", '&#x27;'),
    text.replaceAll("'", String.raw`'\''`),
    text.replaceAll("'", "''"),
    text.replaceAll(/["\\]/g, String.raw`\$&`),
    text.replaceAll(/['\\]/g, String.raw`\$&`),
    text.replaceAll(/["\\$`]/g, String.raw`\$&`),
  ];
}

/** The characters of base64 that stand for these bytes alone, `offset` bytes after the beginning of a group. */
function base64At(bytes: Buffer, offset: number): string[] {
  const all = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
  const text = all.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
  return [...(offset === 0 ? [all] : []), text, text.replaceAll('+', '-').replaceAll('/', '_')];
}

function byteLists(bytes: Buffer): string[] {
  const all = [...bytes].map(hex);
  const lists = [all.join(''), all.map((byte) => String.raw`\x${byte}`).join(''), all.join(':'), all.join(' ')];
  return [...lists, ...lists.map((list) => list.replaceAll(/[a-f]/g, (digit) => digit.toUpperCase())), bytes.join(','), bytes.join(', ')];
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

const escape = String.fromCharCode(27);
/** What stands within a text and is none of it: line ends with what indents the next line, colours, control characters. */
const breaks = new RegExp(String.raw`${escape}\[[0-?]*[ -/]*[@-~]|\\?[\r\n]+[ \t]*|(?!\t)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]`, 'gu');

/** Secrets that are wrapped at the end of a line, or coloured in part: places of the text as it is. */
function acrossBreaks(text: string): Range[] {
  // Most texts are short, and have none.
  if (/^[ -~]*$/.test(text)) return [];
  const ends: number[] = [];
  const skipped: number[] = [];
  let plain = '';
  let from = 0;
  for (const { 0: found, index } of text.matchAll(breaks)) {
    plain += text.slice(from, index);
    from = index + found.length;
    ends.push(plain.length);
    skipped.push(from - plain.length);
  }
  if (from === 0) return [];
  plain += text.slice(from);
  let i = 0;
  /** Places come in order. */
  const placeOf = (at: number): number => {
    while (i < ends.length && ends[i]! <= at) i += 1;
    while (i > 0 && ends[i - 1]! > at) i -= 1;
    return at + (skipped[i - 1] ?? 0);
  };
  return known.find(plain, leastAcross).flatMap(({ start, end, shown }) => {
    const [first, last] = [placeOf(start), placeOf(end - 1)];
    return last - first > end - 1 - start ? [{ start: first, end: last + 1, shown }] : [];
  });
}

/** In order; of those that overlap, one with the name of the longest. */
function joined(ranges: readonly Range[]): Range[] {
  const all: Range[] = [];
  for (const range of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = all.at(-1);
    if (!last || range.start >= last.end) all.push(range);
    else {
      const { shown } = range.end - range.start > last.end - last.start ? range : last;
      all[all.length - 1] = { start: last.start, end: Math.max(last.end, range.end), shown };
    }
  }
  return all;
}
