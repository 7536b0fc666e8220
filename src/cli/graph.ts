import { placeholders } from '../secrets/placeholders.ts';
import type { Graph } from '../graph/graph.ts';
import { partOf, planOf, readCloud } from './cloud.ts';
import { exits } from './exit.ts';
import type { Options } from './options.ts';

export async function graph(_args: readonly string[], options: Options): Promise<number> {
  const plan = planOf(readCloud(options.inventory), placeholders());
  const part = partOf(plan, options.only);
  const shown = part ? plan.graph.only(part) : plan.graph;
  const format = options.json ? 'json' : (options.format ?? 'text');
  const text = { text: asText, mermaid: asMermaid, dot: asDot, json: asJson }[format as 'text' | 'mermaid' | 'dot' | 'json'](shown);
  await new Promise((resolve) => process.stdout.write(`${text}\n`, resolve));
  return exits.done;
}

/** Every node in an order that works, with what it waits for and why. */
function asText(graph: Graph): string {
  return graph
    .order()
    .map((id) => [id, ...[...graph.needs(id)].map(([need, why]) => `    after ${need}  (${why})`)].join('\n'))
    .join('\n');
}

function asMermaid(graph: Graph): string {
  const names = new Map([...graph.ids()].map((id, i) => [id, `n${i}`]));
  const nodes = [...names].map(([id, name]) => `  ${name}["${id.replaceAll('"', '#quot;')}"]`);
  const edges = [...graph.ids()].flatMap((id) =>
    [...graph.needs(id)].map(([need, why]) => `  ${names.get(need)!} -->|${why}| ${names.get(id)!}`),
  );
  return ['flowchart LR', ...nodes, ...edges].join('\n');
}

function asDot(graph: Graph): string {
  const quoted = (text: string): string => `"${text.replaceAll('\\', String.raw`\\`).replaceAll('"', String.raw`\"`)}"`;
  const nodes = [...graph.ids()].map((id) => `  ${quoted(id)};`);
  const edges = [...graph.ids()].flatMap((id) =>
    [...graph.needs(id)].map(([need, why]) => `  ${quoted(need)} -> ${quoted(id)} [label=${quoted(why)}];`),
  );
  return ['digraph cloud {', '  rankdir=LR;', ...nodes, ...edges, '}'].join('\n');
}

function asJson(graph: Graph): string {
  return JSON.stringify(
    graph.order().map((id) => ({ id, after: Object.fromEntries(graph.needs(id)) })),
    null,
    2,
  );
}
