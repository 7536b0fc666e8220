import { createHmac } from 'node:crypto';
import { fingerprint, Secret } from '../base/secret.ts';
import { canonical } from '../base/state.ts';
import type { HealthCheck, Plan, PlanNode, Step } from '../plan/plan.ts';

/** All that decides what a plan runs, as fingerprints. Two plans that agree in it run the same. */
export interface Parts {
  /** By node, host, API or trial: which of `shapes` it has. */
  readonly nodes: Readonly<Record<string, string>>;
  /** A fingerprint for each part, by its name. Most steps of a fleet have a shape in common. */
  readonly shapes: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What waits for what. */
  readonly order: string;
}

/** `trials`: with what an upgrade tries on its canaries. */
export function partsOf(plan: Plan, nodes: readonly PlanNode[], trials: boolean): Parts {
  const parts = new Prints(plan.key);
  const hosts = new Set(nodes.flatMap((node) => (node.kind === 'ready' ? [] : [node.host])));
  for (const { name, address, ssh } of plan.hosts.filter((host) => hosts.has(host.name))) {
    // Where keys are kept on this machine is nobody's business; who is reached, as whom, and how a host proves itself, is.
    const { user, port, sudo, hostKeys, bastion } = ssh;
    const through = bastion && { ...bastion, identity: undefined };
    parts.add(name, { address, ssh: { user, port, sudo, hostKeys, bastion: through } });
  }
  for (const [service, api] of plan.apis) parts.add(`API ${service}`, { ...api });
  for (const node of nodes) {
    if (node.kind === 'step') parts.add(node.step, node.params, stepParts(node));
    if (node.kind === 'health') parts.add(node.id, checkParts(node.checks));
  }
  for (const { step, stepType, within, params, canary } of trials ? plan.trials : [])
    if (canary) parts.add(step, params, { 'step type': stepType, 'time limit': within });
  return { nodes: parts.nodes, shapes: parts.shapes, order: orderOf(plan, nodes) };
}

/** What two plans differ in, as people read it: `ctl1/keystone/db-sync keystone: command changed`. */
export function differing(before: Parts, after: Parts): string[] {
  const changed = Object.keys({ ...before.nodes, ...after.nodes }).flatMap((node) => {
    const [was, is] = [before.nodes[node], after.nodes[node]];
    if (was === is) return [];
    if (was === undefined) return [`${node} is new`];
    if (is === undefined) return [`${node} is gone`];
    const [old, now] = [before.shapes[was] ?? {}, after.shapes[is] ?? {}];
    const names = Object.keys({ ...old, ...now }).filter((name) => old[name] !== now[name]);
    return [`${node}: ${names.join(', ')} changed`];
  });
  return changed.length > 0 || before.order === after.order ? changed : ['the order of steps changed'];
}

type Named<T> = Readonly<Record<string, T>>;

class Prints {
  readonly nodes: Record<string, string> = {};
  readonly shapes: Record<string, Named<string>> = {};
  readonly #key: string;
  /** Hosts that are alike have their params in common. */
  readonly #known = new WeakMap<object, Named<string>>();

  constructor(key: string) {
    this.#key = key;
  }

  add(node: string, params: Named<unknown>, more: Named<unknown> = {}): void {
    const prints = { ...this.#prints(params), ...this.#prints(more) };
    const shape = fingerprint(this.#key, canonical(prints)).slice(0, 32);
    this.nodes[node] = shape;
    // These only tell people which part it is: that a node is the same is said by its shape.
    this.shapes[shape] ??= mapped(prints, (print) => print.slice(0, 12));
  }

  #prints(parts: Named<unknown>): Named<string> {
    const prints = this.#known.get(parts) ?? mapped(parts, (part) => fingerprint(this.#key, canonical([plain(part)])));
    this.#known.set(parts, prints);
    return prints;
  }
}

function mapped<T, R>(parts: Named<T>, change: (part: T) => R): Named<R> {
  return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, change(part)]));
}

/** What a step is besides its params, by names that no param has. */
function stepParts({ stepType, watches, gate, irreversible }: Step): Named<unknown> {
  return {
    'step type': stepType,
    'what restarts it': watches.map(({ name, keys }) => [name, keys]),
    'restart gate': gate && checkParts(gate.checks),
    'way back': irreversible,
  };
}

function checkParts(checks: readonly HealthCheck[]): Named<unknown> {
  return Object.fromEntries(
    checks.map(({ name, check, params, within }, nth) => [`check ${nth + 1} (${name})`, [check.type, params, within]]),
  );
}

function orderOf({ graph, key }: Plan, nodes: readonly PlanNode[]): string {
  const digest = createHmac('sha256', key);
  for (const node of nodes) {
    const id = node.kind === 'step' ? node.step : node.id;
    digest.update(canonical([id, [...graph.needs(id).keys()].toSorted(), [...graph.firm(id)].toSorted()]));
  }
  return digest.digest('hex');
}

/** A value with its secrets told apart from other texts: what is fingerprinted is what is run, and not how it is shown. */
function plain(value: unknown): unknown {
  if (value instanceof Secret) return { secret: value.reveal() };
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  return mapped(value as Named<unknown>, plain);
}
