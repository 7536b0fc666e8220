import { readFileSync, statSync } from 'node:fs';
import {
  Composer,
  type CST,
  isAlias,
  isMap,
  isSeq,
  Lexer,
  Parser,
  isScalar,
  type Alias,
  type Node,
  type Pair,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import type { Place, Problem } from '../base/problem.ts';
import type { ProblemCode } from '../base/problem-codes.ts';
import { decode, type Complaint } from './decode.ts';
import { evaluate, maxDepth } from './evaluate.ts';
import { frame, lineAt, lineStarts } from './frame.ts';

/** Keys and list indices from the top of a document down to a value. */
export type Path = readonly (string | number)[];

/** Something wrong with a value, not yet placed in a text. */
export interface Fault {
  readonly code: ProblemCode;
  readonly severity?: Problem['severity'];
  readonly path: Path;
  /** What to point at: the value (when left out), or its key. */
  readonly at?: 'key' | 'value';
  readonly message: string;
  readonly hint?: string;
}

/** A YAML text as plain data that remembers where each value was written. */
export interface Document {
  readonly file: string;
  /** Maps, lists, strings, numbers, booleans and null; undefined when the text cannot be read as YAML. */
  readonly value: unknown;
  /** What is wrong with the text as YAML, in the order of the text; at most 100. */
  readonly problems: readonly Problem[];
  /** Where the value at `path` (or its key) was written; of the nearest value around it when it was not. */
  readonly place: (path: Path, at?: 'key' | 'value') => Place;
  /** The text of the value at `path` as it was written, e.g. `0640` for the number 640. */
  readonly written: (path: Path) => string;
  /** The problem that a fault is, with its place. */
  readonly problem: (fault: Fault) => Problem;
}

const maxBytes = 10 * 1024 * 1024;
/** Words, signs and spaces of YAML in a file: enough for 30,000 hosts written one by one. A node takes about 1 KB of memory. */
const maxLexemes = 1_000_000;
/** Problems told of one text. */
const maxComplaints = 100;

/** Reads and parses a file; what is wrong with it is in `problems`, never thrown. */
export function readDocument(file: string): Document {
  try {
    // Asked before reading: a file may be larger than the memory.
    const { size } = statSync(file);
    return size > maxBytes ? rememberPlaces(file, '', refuse(tooLarge(size))) : parseDocument(file, readFileSync(file));
  } catch (error) {
    return rememberPlaces(file, '', refuse(unreadable(file, error as NodeJS.ErrnoException)));
  }
}

/** Parses a YAML 1.2 text; `file` is what problems call it. Whatever the text, it neither throws nor takes long. */
export function parseDocument(file: string, content: string | Uint8Array): Document {
  if (content.length > maxBytes) return rememberPlaces(file, '', refuse(tooLarge(content.length)));
  const { text, complaint } = decode(content);
  return rememberPlaces(file, text, complaint ? refuse(complaint) : parse(text));
}

function rememberPlaces(file: string, text: string, { value, root, targets, complaints }: Parsed): Document {
  let starts: number[] | undefined;
  const indexes = new WeakMap<YAMLMap, ReadonlyMap<string, Pair<Node, Node | null>>>();

  function placeOf(start: number, end: number): Place {
    starts ??= lineStarts(text);
    const line = lineAt(starts, start);
    return { file, line: line + 1, column: start - starts[line]! + 1, ...(text && { frame: frame(text, starts, start, end) }) };
  }

  function pairOf(map: YAMLMap, key: string): Pair<Node, Node | null> | undefined {
    let index = indexes.get(map);
    if (!index) {
      const pairs = (map.items as Pair<Node, Node | null>[]).filter(({ key }) => isScalar(key));
      // The first of two equal keys is the one whose value counts, so it is entered last.
      index = new Map(pairs.toReversed().map((pair) => [String((pair.key as { value?: unknown }).value), pair]));
      indexes.set(map, index);
    }
    return index.get(key);
  }

  /** Range of offsets of a value or its key. */
  function rangeOf(path: Path, at: 'key' | 'value'): [number, number] {
    let key: Node | undefined;
    let node: Node | null | undefined = root;
    for (const step of path) {
      const around: Node | null | undefined = isAlias(node) ? targets.get(node) : node;
      const pair: Pair<Node, Node | null> | undefined = isMap(around) ? pairOf(around, String(step)) : undefined;
      const item: Node | null | undefined = isSeq(around) ? (around.items[Number(step)] as Node | undefined) : pair?.value;
      if (!pair && !item) return rangeOfEither(key, node, 'key');
      key = pair?.key;
      node = item;
    }
    return rangeOfEither(key, node, at);
  }

  return {
    file,
    value,
    problems: complaints.map(({ start, end, code, message, hint }) => ({
      code,
      message,
      place: placeOf(start, end),
      ...(hint && { hint }),
    })),
    place: (path, at = 'value') => placeOf(...rangeOf(path, at)),
    written: (path) => text.slice(...rangeOf(path, 'value')),
    problem({ code, severity, path, at = 'value', message, hint }) {
      return { code, ...(severity && { severity }), message, place: placeOf(...rangeOf(path, at)), ...(hint && { hint }) };
    },
  };
}

/** A value that was left out (`key:`) has no text of its own: its key stands for it. */
function rangeOfEither(key: Node | undefined, node: Node | null | undefined, at: 'key' | 'value'): [number, number] {
  const [start, end] = (key && (at === 'key' || !node || node.range![0] === node.range![1]) ? key : node)?.range ?? [0, 0];
  return [start, end];
}

interface Parsed {
  readonly value: unknown;
  readonly root: Node | undefined;
  readonly targets: ReadonlyMap<Alias, Node>;
  readonly complaints: readonly Complaint[];
}

/** Nothing can be read from a text, and that is why. */
function refuse(...complaints: readonly Complaint[]): Parsed {
  return { value: undefined, root: undefined, targets: new Map(), complaints };
}

function parse(text: string): Parsed {
  const tokens = tokenise(text);
  if (!Array.isArray(tokens)) return refuse(tokens);
  const documents = [...new Composer({ schema: 'core', merge: false, uniqueKeys: false, keepSourceTokens: false }).compose(tokens)];
  const errors = documents.flatMap((document) => [...document.errors, ...document.warnings]);
  const [first, second] = documents;
  const complaints = oneALine(text, errors.map(complaintOf));
  if (second) complaints.push(severalDocuments(second.range[0]));
  const root = first?.contents;
  if (documents.some((document) => document.errors.length > 0)) return refuse(...inOrder(complaints));
  if (!root || (isScalar(root) && root.source === '')) return refuse(...complaints, empty);
  const { value, targets } = evaluate(root, (complaint) => complaints.push(complaint));
  const broken = complaints.some(({ code }) => code === 'yaml-alias' || code === 'yaml-depth');
  return { value: broken ? undefined : value, root, targets, complaints: inOrder(complaints) };
}

/**
 * The text's syntax trees, or a complaint when composing it could exhaust the stack or the memory. Stops at a second
 * document, for a text may have millions.
 */
function tokenise(text: string): CST.Token[] | Complaint {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  let documents = 0;
  let lexemes = 0;
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) {
      tokens.push(token);
      if (token.type === 'document' && ++documents === 2) return tokens;
    }
    if (parser.stack.length > maxDepth) return tooDeep(parser.offset);
    if (++lexemes > maxLexemes) return tooLong(parser.offset);
  }
  return [...tokens, ...parser.end()];
}

const tabHint = 'Indent with spaces';
const plainer: Partial<Record<YAMLError['code'], Partial<Complaint>>> = {
  TAB_AS_INDENT: { code: 'yaml-tab', message: 'A tab is used to indent', hint: tabHint },
  TAG_RESOLVE_FAILED: { code: 'yaml-tag', hint: 'Remove the tag; a secret is written as {secret: NAME}' },
  BAD_INDENT: { hint: 'Give all keys of one mapping the same indentation' },
  BAD_SCALAR_START: { hint: 'Put the text in quotes' },
  BLOCK_AS_IMPLICIT_KEY: { hint: 'Text with a colon in it needs quotes; a key is indented like its neighbours' },
  MULTILINE_IMPLICIT_KEY: { hint: 'Is a colon missing, or a quote left open, in the line before?' },
  MISSING_CHAR: { hint: 'Is a colon, a quote or a bracket missing here or just before?' },
};

function complaintOf({ code, message, pos: [start, end] }: YAMLError): Complaint {
  const hint = message.startsWith('Flow ') ? { hint: 'Is a bracket left open?' } : {};
  return { code: 'yaml-syntax', message: message.slice(0, 120), start, end, ...plainer[code], ...hint };
}

/** One mistake often gives several errors in its line; the first is the one that helps. */
function oneALine(text: string, complaints: readonly Complaint[]): Complaint[] {
  if (complaints.length === 0) return [];
  const starts = lineStarts(text);
  const byLine = new Map<number, Complaint>();
  for (const complaint of inOrder(complaints)) {
    const line = lineAt(starts, complaint.start);
    const tab = /^[ -]*\t/.exec(text.slice(starts[line], starts[line]! + 200));
    if (!byLine.has(line)) byLine.set(line, tab ? tabbed(starts[line]! + tab[0].length - 1) : complaint);
  }
  return [...byLine.values()];
}

function tabbed(start: number): Complaint {
  return { code: 'yaml-tab', start, end: start + 1, message: 'A tab is used to indent', hint: tabHint };
}

/** Sorted by place; a file that is not YAML at all has no end of them. */
function inOrder(complaints: readonly Complaint[]): Complaint[] {
  return complaints.toSorted((a, b) => a.start - b.start).slice(0, maxComplaints);
}

const empty: Complaint = {
  code: 'yaml-empty',
  start: 0,
  end: 0,
  message: 'The file has nothing in it',
  hint: '`cellwise init` writes an inventory to start from',
};

function tooDeep(start: number): Complaint {
  return { code: 'yaml-depth', start, end: start + 1, message: `Values are nested deeper than ${maxDepth} levels` };
}

function tooLong(start: number): Complaint {
  const message = `The file has more than ${maxLexemes.toLocaleString('en')} words and signs; reading stopped here`;
  return { code: 'file-too-large', start, end: start + 1, message, hint: 'Write fleets of hosts as ranges: cmp[001-500]' };
}

function tooLarge(bytes: number): Complaint {
  const size = (bytes / 1024 / 1024).toFixed(1);
  return {
    code: 'file-too-large',
    start: 0,
    end: 0,
    message: `The file has ${size} MB; at most 10 MB are read`,
    hint: 'Is it the right file?',
  };
}

function severalDocuments(start: number): Complaint {
  return { code: 'yaml-documents', start, end: start + 3, message: 'A second YAML document starts here', hint: 'Keep one document a file' };
}

function unreadable(file: string, error: NodeJS.ErrnoException): Complaint {
  const reasons: Record<string, string> = { ENOENT: 'there is no such file', EACCES: 'you may not read it', EISDIR: 'it is a directory' };
  const reason = reasons[error.code ?? ''] ?? error.message;
  return { code: 'file-unreadable', start: 0, end: 0, message: `${file} cannot be read: ${reason}` };
}
