import type { Command } from '../base/command.ts';
import { canonical } from '../base/state.ts';
import { resourceKey } from '../plan/journey.ts';
import type { Health, HealthCheck, Plan, PlanNode, Step } from '../plan/plan.ts';
import type { AnyParams, Found, ShellResource } from '../resources/define.ts';

/** What a simulated host is asked: to tell the state of a step's resource, to make it so, or whether a check says yes. */
export type Asked = { readonly what: 'look' | 'mend' | 'check'; readonly node: string };

const mark = 'simulated';

/** What a command asks of a simulated host; undefined: something else, which a simulated host just does. */
export function askedBy({ script }: Command): Asked | undefined {
  const [word, what, node] = script.split('\n', 3);
  return word === mark ? { what: what as Asked['what'], node: node! } : undefined;
}

function ask(what: Asked['what'], node: string): Command {
  return { script: [mark, what, node].join('\n') };
}

/**
 * The same plan for simulated hosts: same graph, same params, same wanted states; only that a step's resource is asked for
 * by the step's name instead of by a script. What plans, compares, walks and waits is the real thing.
 */
export function simulated(plan: Plan): Plan {
  const nodes = new Map<string, PlanNode>();
  for (const [id, node] of plan.nodes) nodes.set(id, node.kind === 'step' ? stepOf(node) : node.kind === 'health' ? healthOf(node) : node);
  return { ...plan, nodes, apis: new Map() };
}

function stepOf(step: Step): Step {
  return {
    kind: 'step',
    step: step.step,
    host: step.host,
    role: step.role,
    stepType: step.stepType,
    name: step.name,
    irreversible: step.irreversible,
    ...(step.cell === undefined ? {} : { cell: step.cell }),
    ...(step.section === undefined ? {} : { section: step.section }),
    resource: resourceOf(step),
    get params() {
      return step.params;
    },
    get watches() {
      return step.watches;
    },
    get place() {
      return step.place;
    },
  };
}

function resourceOf({ step, resource }: Step): ShellResource<AnyParams> {
  const { type, summary, params, nameParam, identity, scope, desired, irreversible } = resource;
  return {
    via: 'shell',
    type,
    summary,
    params,
    nameParam,
    ...(identity ? { identity } : {}),
    ...(scope ? { scope } : {}),
    ...(resource.via === 'shell' && resource.phase ? { phase: resource.phase } : {}),
    ...(irreversible ? { irreversible } : {}),
    desired,
    probe: () => ask('look', step),
    parse: ({ out }) => JSON.parse(out.toString()) as Found,
    apply: () => ask('mend', step),
  };
}

function healthOf(health: Health): Health {
  return {
    kind: 'health',
    id: health.id,
    host: health.host,
    role: health.role,
    ...(health.cell === undefined ? {} : { cell: health.cell }),
    get checks() {
      return health.checks.map((each): HealthCheck => {
        const { type, summary, nameParam, params } = each.check;
        return { ...each, check: { via: 'shell', type, summary, nameParam, params, probe: () => ask('check', health.id) } };
      });
    },
  };
}

/** What tells a resource apart in a simulated cloud. The packages of a host are one, however its roles divide them. */
export function placeOf(step: Step): string {
  const { resource } = step;
  return resource.via === 'shell' && resource.phase === 'packages' ? canonical([step.host, resource.type]) : resourceKey(step);
}
