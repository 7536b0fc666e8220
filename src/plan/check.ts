import { Invalid, type Problem } from '../base/problem.ts';
import { canonical } from '../base/state.ts';
import type { Plan, PlanNode, Step } from './plan.ts';

/**
 * Works out the steps and checks of a plan and tells all that is wrong with them: unknown names in templates, params that
 * their types refuse, resources with two owners. Of hosts that cannot differ in this (a fleet) one is looked at.
 */
export function check(plan: Plan): readonly Problem[] {
  const hosts = new Set([...plan.models].map(({ name }) => name));
  const problems = new Map<string, Problem>();
  const owners = new Map<string, Step>();
  const report = (found: readonly Problem[]): void => {
    for (const problem of found) problems.set(canonical([problem.code, problem.place, problem.place ? '' : problem.message]), problem);
  };
  for (const node of plan.nodes.values()) {
    if (node.kind === 'ready' || !hosts.has(node.host)) continue;
    try {
      workOut(node, owners, report);
    } catch (error) {
      if (!(error instanceof Invalid)) throw error;
      // A step type knows what is wrong, and not where it is written.
      report(error.problems.map((problem) => (node.kind === 'step' ? { place: node.place, ...problem } : problem)));
    }
  }
  // Asking for them works them out.
  const others = [plan.listeners, ...plan.trials.flatMap((trial) => (hosts.has(trial.host) ? [() => Object.keys(trial.params)] : []))];
  for (const ask of others) {
    try {
      ask();
    } catch (error) {
      if (!(error instanceof Invalid)) throw error;
      report(error.problems);
    }
  }
  return [...problems.values()];
}

function workOut(node: Exclude<PlanNode, { kind: 'ready' }>, owners: Map<string, Step>, report: (found: readonly Problem[]) => void): void {
  if (node.kind === 'health') {
    // Asking for them works them out.
    Array.from(node.checks);
    return;
  }
  const { resource, params } = node;
  resource.desired(params);
  // What is done around an upgrade is done for its time: the same resource is taken and given back.
  if (node.section !== undefined) return;
  // Several roles may ask for a package, and in an upgrade each has its own transaction.
  if (resource.via === 'shell' && resource.phase === 'packages') return;
  const identity = resource.identity?.(params) ?? canonical(params[resource.nameParam]);
  const place = resource.scope === 'cluster' ? (node.cell ?? '') : node.host;
  const key = canonical([resource.scope ?? 'host', place, resource.type, identity]);
  const owner = owners.get(key);
  if (owner) report([twice(node, owner)]);
  else owners.set(key, node);
}

/** A resource with two owners. */
export function twice(step: Step, other: Step): Problem {
  return {
    code: 'two-owners',
    message: `${step.stepType} "${step.name}" on ${step.host} is declared twice, by the roles ${other.role} and ${step.role}`,
    place: step.place,
    hint: 'One name has one owner: take one of the two away.',
  };
}
