import type { Place } from '../base/problem.ts';
import type { StepName } from '../base/event.ts';
import type { Secret } from '../base/secret.ts';
import type { Graph } from '../graph/graph.ts';
import type { Host, Inventory } from '../inventory/types.ts';
import type { Check } from '../resources/checks.ts';
import type { AnyParams, ApiResource, ShellResource } from '../resources/define.ts';
import type { Trial } from '../trials/define.ts';
import type { StepSection } from '../roles/role-schema.ts';
import type { Listener } from './listeners.ts';

/** A resource on a host, to be made what its role says. */
export interface Step extends StepName {
  readonly kind: 'step';
  readonly resource: ShellResource<AnyParams> | ApiResource<AnyParams>;
  /** Checked and complete; templates rendered, secrets in place. */
  readonly params: AnyParams;
  /** For a service: what it restarts for. */
  readonly watches: readonly Watch[];
  /** For a service that must not be restarted whenever it suits: asked first. */
  readonly gate?: Gate | undefined;
  /** Where the role declares it. */
  readonly place: Place;
  /** The role says that it cannot be taken back. */
  readonly irreversible: boolean;
  /** The cell of its own that it is there for; left out: for the cloud. */
  readonly cell?: string | undefined;
  /** Done around an upgrade, in this section of the role; left out: one of its steps. */
  readonly section?: StepSection | undefined;
}

/** May a service that runs be restarted? The hosts of its role take turns: the next one's is when this one is healthy again. */
export interface Gate {
  readonly checks: readonly HealthCheck[];
  readonly health: Health;
}

/** A step whose change makes a service restart; `keys` narrows it to some of a merged step's differences. */
export interface Watch {
  readonly step: string;
  readonly name: string;
  readonly keys?: readonly string[];
}

/** The health of a role on one host: reached once all its checks say yes. */
export interface Health {
  readonly kind: 'health';
  readonly id: string;
  readonly host: string;
  readonly role: string;
  readonly cell?: string | undefined;
  readonly checks: readonly HealthCheck[];
}

export interface HealthCheck {
  readonly check: Check;
  readonly name: string;
  readonly params: AnyParams;
  /** Seconds to wait for it. */
  readonly within: number;
}

/** Something that `verify` tries as a user, for a host; its role's service there is what is tried. */
export interface PlannedTrial extends StepName {
  readonly trial: Trial<AnyParams>;
  readonly params: AnyParams;
  /** Seconds that it may take. */
  readonly within: number;
  /** An upgrade tries it, too, when its host is a canary. */
  readonly canary: boolean;
}

/** A role that is healthy on all its hosts, those for the cloud or those for one cell: what others wait for. */
export interface Ready {
  readonly kind: 'ready';
  readonly id: string;
  readonly role: string;
  readonly cell?: string;
}

export type PlanNode = Step | Health | Ready;

/** An OpenStack API that steps talk to: where it listens, seen from `host`, and who administers it. */
export interface Api {
  readonly service: string;
  readonly host: string;
  readonly url: string;
  readonly login?: { readonly user: string; readonly password: Secret; readonly project: string; readonly region: string };
}

/** The whole way to what an inventory says: pure data, the same for the same inventory, roles and secrets. */
export interface Plan {
  readonly inventory: Inventory;
  readonly graph: Graph;
  readonly nodes: ReadonlyMap<string, PlanNode>;
  readonly hosts: readonly Host[];
  /** Of hosts that are alike to roles, but for name and address, the first: what is right on these is right on all. */
  readonly models: ReadonlySet<Host>;
  readonly apis: ReadonlyMap<string, Api>;
  /** What `verify` tries: no part of the graph, since nothing waits for it. */
  readonly trials: readonly PlannedTrial[];
  /** What listens on the hosts: asked for by few, and the same for every run. */
  readonly listeners: () => readonly Listener[];
  /** The cloud's key for fingerprints. */
  readonly key: string;
}

/** The steps of a plan, grouped by host in the inventory's order. */
export function stepsByHost(plan: Plan): ReadonlyMap<string, readonly Step[]> {
  const grouped = new Map<string, Step[]>(plan.hosts.map((host) => [host.name, []]));
  for (const node of plan.nodes.values()) if (node.kind === 'step') grouped.get(node.host)?.push(node);
  return grouped;
}
