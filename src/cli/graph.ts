import { printable } from '../base/printable.ts';
import { placeholders } from '../secrets/placeholders.ts';
import type { Graph } from '../graph/graph.ts';
import { partOf, planOf, readCloud } from './cloud.ts';
import { exits } from './exit.ts';
import { print } from './output.ts';
import type { Options } from './options.ts';

export async function graph(_args: readonly string[], options: Options): Promise<number> {
  const format = options.json ? 'json' : (options.format ?? 'text');
  const lines = { text: asText, mermaid: asMermaid, dot: asDot, json: asJson }[format as 'text' | 'mermaid' | 'dot' | 'json'];
  await printLines(lines(shown(options)));
  return exits.done;
}

function shown(options: Options): Graph {
  const plan = planOf(readCloud(options.inventory), placeholders());
  const part = partOf(plan, options.only);
  return part ? plan.graph.only(part) : plan.graph;
}

/** Prints lines as they are made, many at once: of a fleet's graph there are a hundred megabytes. */
async function printLines(lines: Iterable<string>): Promise<void> {
  let waiting = '';
  for (const line of lines) {
    waiting += `${line}\n`;
    if (waiting.length < 1 << 18) continue;
    await print(waiting);
    waiting = '';
  }
  await print(waiting);
}

/** Every node in an order that works, with what it waits for and why. */
function* asText(graph: Graph): Iterable<string> {
  for (const id of graph.order()) {
    yield oneLine(id);
    for (const [need, why] of graph.needs(id)) yield `    after ${oneLine(`${need}  (${why})`)}`;
  }
}

function* asMermaid(graph: Graph): Iterable<string> {
  const names = new Map([...graph.ids()].map((id, i) => [id, `n${i}`]));
  // Mermaid has no quotes within quotes, and what looks like a tag is one.
  const quoted = (text: string): string => `"${oneLine(text).replaceAll(/["#<>&`]/g, (char) => `#${char.charCodeAt(0)};`)}"`;
  yield 'flowchart LR';
  for (const [id, name] of names) yield `  ${name}[${quoted(id)}]`;
  for (const [id, name] of names) for (const [need, why] of graph.needs(id)) yield `  ${names.get(need)!} -->|${quoted(why)}| ${name}`;
}

function* asDot(graph: Graph): Iterable<string> {
  const quoted = (text: string): string =>
    `"${oneLine(text)
      .replaceAll('\\', String.raw`\\`)
      .replaceAll('"', String.raw`\"`)}"`;
  yield 'digraph cloud {';
  yield '  rankdir=LR;';
  for (const id of graph.ids()) yield `  ${quoted(id)};`;
  for (const id of graph.ids())
    for (const [need, why] of graph.needs(id)) yield `  ${quoted(need)} -> ${quoted(id)} [label=${quoted(why)}];`;
  yield '}';
}

/** Each node is a line, whatever it is called. */
function oneLine(text: string): string {
  return printable(text).replaceAll('\n', ' ');
}

/** A list with a node a line. */
function* asJson(graph: Graph): Iterable<string> {
  yield '[';
  let before = '';
  for (const id of graph.order()) {
    if (before !== '') yield `${before},`;
    before = JSON.stringify({ id, after: Object.fromEntries(graph.needs(id)) });
  }
  yield before;
  yield ']';
}
