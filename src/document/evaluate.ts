import { isAlias, isCollection, isMap, isScalar, type Alias, type Node, type YAMLMap } from 'yaml';
import type { Complaint } from './decode.ts';

/** Levels of nesting; what reads a value further on may recurse. */
export const maxDepth = 100;
/** Values that all aliases of a document together may stand for. */
const maxExpanded = 1_000_000;

/** A node's value, with the number of values in it and the levels of nesting in it, aliases followed. */
interface Part {
  readonly value: unknown;
  readonly size: number;
  readonly depth: number;
}

/** A node that aliases may stand for; its part is known once all of it was visited. */
interface Anchored {
  readonly node: Node;
  part?: Part;
}

interface Evaluated {
  readonly value: unknown;
  /** What each alias stands for. */
  readonly targets: ReadonlyMap<Alias, Node>;
}

/**
 * Turns YAML nodes into plain data. An alias gives the same object as its anchor, so no text can make it take more memory
 * than its length. The library's own conversion throws on the first oddity and finds duplicate keys in quadratic time.
 */
export function evaluate(root: Node, complain: (complaint: Complaint) => void): Evaluated {
  const anchors = new Map<string, Anchored>();
  const targets = new Map<Alias, Node>();
  let expanded = 0;

  function complainAt(node: Node, complaint: Omit<Complaint, 'start' | 'end'>): void {
    complain({ ...complaint, start: node.range![0], end: node.range![1] });
  }

  function visit(node: Node, level: number): Part {
    if (isAlias(node)) return follow(node, level);
    const anchor = isScalar(node) || isCollection(node) ? node.anchor : undefined;
    const anchored: Anchored = { node };
    if (anchor !== undefined) anchors.set(anchor, anchored);
    const part = isCollection(node) ? collect(node, level) : { value: isScalar(node) ? node.value : null, size: 1, depth: 0 };
    anchored.part = part;
    return part;
  }

  function follow(alias: Alias, level: number): Part {
    const nothing = { value: null, size: 1, depth: 0 };
    const target = anchors.get(alias.source);
    if (!target) {
      complainAt(alias, { code: 'yaml-alias', message: `No anchor &${alias.source} stands before the alias *${alias.source}` });
      return nothing;
    }
    targets.set(alias, target.node);
    if (!target.part) {
      complainAt(alias, { code: 'yaml-alias', message: `The alias *${alias.source} is part of what it stands for` });
      return nothing;
    }
    if (level + target.part.depth > maxDepth) {
      complainAt(alias, { code: 'yaml-depth', message: `The aliases in *${alias.source} nest deeper than ${maxDepth} levels` });
      return nothing;
    }
    const fits = expanded <= maxExpanded;
    expanded += target.part.size;
    if (fits && expanded > maxExpanded) {
      complainAt(alias, { code: 'yaml-alias', message: 'The aliases of this file stand for more than a million values' });
    }
    return expanded > maxExpanded ? nothing : target.part;
  }

  function collect(node: Node & { items: unknown[] }, level: number): Part {
    return isMap(node) ? collectMap(node, level) : collectList(node.items as Node[], level);
  }

  function collectList(items: readonly Node[], level: number): Part {
    const parts = items.map((item) => visit(item, level + 1));
    return { value: parts.map((part) => part.value), ...measure(parts) };
  }

  function collectMap(map: YAMLMap, level: number): Part {
    const value: Record<string, unknown> = {};
    const parts: Part[] = [];
    for (const { key, value: item } of map.items as { key: Node; value: Node | null }[]) {
      const part = item ? visit(item, level + 1) : { value: null, size: 1, depth: 0 };
      const name = isScalar(key) ? key.value : undefined;
      parts.push(part);
      if (typeof name !== 'string' || name === '__proto__' || name === '<<')
        complainAt(key, badKey(name, isScalar(key) ? key.source : undefined));
      else if (Object.hasOwn(value, name)) {
        complainAt(key, {
          code: 'yaml-duplicate-key',
          message: `The key ${JSON.stringify(name)} is written twice`,
          hint: 'Remove one of them',
        });
      } else value[name] = part.value;
    }
    return { value, ...measure(parts) };
  }

  return { value: visit(root, 0).value, targets };
}

function measure(parts: readonly Part[]): { size: number; depth: number } {
  let size = 1;
  let depth = 0;
  for (const part of parts) {
    size += part.size;
    depth = Math.max(depth, part.depth + 1);
  }
  return { size, depth };
}

function badKey(name: unknown, source: string | undefined): Omit<Complaint, 'start' | 'end'> {
  const code = 'yaml-key';
  if (name === '<<')
    return { code, message: 'YAML 1.2 has no merge key "<<"', hint: 'Use a range of hosts, or params of the cloud, a cell or a kind' };
  if (name === '__proto__') return { code, message: 'The key "__proto__" is not allowed' };
  if (name === null || name === '') return { code, message: 'A key is missing before the colon' };
  if (source === undefined) return { code, message: 'A list, a mapping or an alias cannot be a key', hint: 'Use text' };
  return { code, message: `The key ${source} is not text`, hint: `Write it in quotes: "${source}"` };
}
