import { readFileSync } from 'node:fs';
import { isError, type Problem } from '../base/problem.ts';
import { faultsOf, prepareSchema, type Checker } from '../document/check.ts';
import { parseDocument, readDocument, type Document, type Fault } from '../document/document.ts';
import { checkCloud } from './check-cloud.ts';
import { checkFiles } from './check-files.ts';
import { checkHosts, readEntries } from './check-hosts.ts';
import { checkResources } from './check-resources.ts';
import { expand } from './expand.ts';
import type { Inventory, Written } from './types.ts';

interface Reading {
  /** Left out when there is any error. */
  readonly inventory?: Inventory;
  /** All of them, in the order of the text. */
  readonly problems: readonly Problem[];
  readonly document: Document;
}

let checker: Checker | undefined;

/** The OpenStack releases that an inventory can ask for, oldest first. */
export function knownReleases(): readonly string[] {
  const { properties } = inventoryChecker().schema as { properties: { cloud: { properties: { release: { enum: readonly string[] } } } } };
  return properties.cloud.properties.release.enum;
}

function inventoryChecker(): Checker {
  const schema = new URL('../../schemas/inventory.schema.json', import.meta.url);
  return (checker ??= prepareSchema(JSON.parse(readFileSync(schema, 'utf8')) as object));
}

/**
 * Reads and checks an inventory; `text` stands in for the file's content. Files that it has sent lie below its directory, or
 * below one of `allowed`. Nothing is thrown for what the text says.
 */
export function readInventory(file: string, text?: string | Uint8Array, allowed: readonly string[] = []): Reading {
  const document = text === undefined ? readDocument(file) : parseDocument(file, text);
  if (document.value === undefined) return { problems: document.problems, document };
  const shape = faultsOf(inventoryChecker(), document);
  const written = sound(document.value, shape);
  const { entries, faults } = readEntries(written.hosts);
  const inventory = expand(file, written, entries);
  // A host that could not be read would be missed when hosts are counted.
  const whole = document.problems.length + shape.length + faults.length === 0 ? checkCloud(inventory, written) : [];
  const found = [
    ...shape,
    ...faults,
    ...checkHosts(written, entries),
    ...checkResources(inventory.resources, inventory.hosts),
    ...checkFiles(file, inventory.resources, allowed),
    ...whole,
  ];
  const problems = [...document.problems, ...found.map((fault) => document.problem(fault))].toSorted(byPlace);
  return problems.some(isError) ? { problems, document } : { inventory: seal(inventory, document), problems, document };
}

/**
 * The parts of a text that its schema has nothing against: what is wrong is taken out, so that the rest can be checked in
 * the same run. Hosts go one by one, other sections as a whole: without one network or cell, hosts would seem wrong.
 */
function sound(value: unknown, faults: readonly Fault[]): Written {
  const top = { cloud: {}, networks: {}, hosts: {}, ...(value as object) } as Record<string, unknown>;
  const broken = new Set(faults.map(({ path }) => path.slice(0, path[0] === 'hosts' ? 2 : 1).join('.')));
  const sections = Object.entries(top).map(([name, section]) => [name, broken.has(name) ? {} : section] as const);
  const hosts = Object.entries(broken.has('hosts') ? {} : (top['hosts'] as object)).filter(([name]) => !broken.has(`hosts.${name}`));
  return { ...Object.fromEntries(sections), hosts: Object.fromEntries(hosts) } as unknown as Written;
}

function byPlace(a: Problem, b: Problem): number {
  return (a.place?.line ?? 0) - (b.place?.line ?? 0) || (a.place?.column ?? 0) - (b.place?.column ?? 0);
}

function seal(inventory: Omit<Inventory, 'document'>, document: Document): Inventory {
  freeze(inventory);
  return Object.freeze(Object.defineProperty({ ...inventory }, 'document', { value: document })) as Inventory;
}

/** Freezes data and all it holds; the text's nesting is bounded, so this recursion is. */
function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const part of Object.values(value)) freeze(part);
}
