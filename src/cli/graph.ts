import { placeholders } from '../secrets/placeholders.ts';
import type { Graph } from '../graph/graph.ts';
import { partOf, planOf, readCloud } from './cloud.ts';
import { exits } from './exit.ts';
import type { Options } from './options.ts';

export async function graph(_args: readonly string[], options: Options): Promise<number> {
  const format = options.json ? 'json' : (options.format ?? 'text');
  const lines = { text: asText, mermaid: asMermaid, dot: asDot, json: asJson }[format as 'text' | 'mermaid' | 'dot' | 'json'];
  await print(lines(shown(options)));
  return exits.done;
}

function shown(options: Options): Graph {
  const plan = planOf(readCloud(options), placeholders());
  const part = partOf(plan, options.only);
  return part ? plan.graph.only(part) : plan.graph;
}

/** Prints lines as they are made, many at once: of a fleet's graph there are a hundred megabytes. */
async function print(lines: Iterable<string>): Promise<void> {
  let waiting = '';
  for (const line of lines) {
    waiting += `${line}\n`;
    if (waiting.length < 1 << 18) continue;
    await written(waiting);
    waiting = '';
  }
  await written(waiting);
}

function written(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(text, () => {
      resolve();
    });
  });
}

/** Every node in an order that works, with what it waits for and why. */
function* asText(graph: Graph): Iterable<string> {
  for (const id of graph.order()) {
    yield id;
    for (const [need, why] of graph.needs(id)) yield `    after ${need}  (${why})`;
  }
}

function* asMermaid(graph: Graph): Iterable<string> {
  const names = new Map([...graph.ids()].map((id, i) => [id, `n${i}`]));
  yield 'flowchart LR';
  for (const [id, name] of names) yield `  ${name}["${id.replaceAll('"', '#quot;')}"]`;
  for (const [id, name] of names) for (const [need, why] of graph.needs(id)) yield `  ${names.get(need)!} -->|${why}| ${name}`;
}

function* asDot(graph: Graph): Iterable<string> {
  const quoted = (text: string): string => `"${text.replaceAll('\\', String.raw`\\`).replaceAll('"', String.raw`\"`)}"`;
  yield 'digraph cloud {';
  yield '  rankdir=LR;';
  for (const id of graph.ids()) yield `  ${quoted(id)};`;
  for (const id of graph.ids())
    for (const [need, why] of graph.needs(id)) yield `  ${quoted(need)} -> ${quoted(id)} [label=${quoted(why)}];`;
  yield '}';
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
