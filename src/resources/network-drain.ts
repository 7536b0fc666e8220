import type { State } from '../base/state.ts';
import { defineApiResource, type Found } from './define.ts';
import { call, type Talk } from './openstack.ts';

/** Network hosts that leave: agents elsewhere take over the routers and DHCP servers that they carry. */
export const networkDrain = defineApiResource({
  type: 'network-drain',
  summary: 'Network hosts that leave the cloud: agents of other hosts take over their routers, and the DHCP servers of their networks.',
  nameParam: 'hosts',
  scope: 'cluster',
  identity: (p) => (p.delete ? 'delete' : ''),
  params: {
    type: 'object',
    required: ['hosts'],
    additionalProperties: false,
    properties: {
      hosts: { type: 'array', items: { type: 'string' }, description: 'The hosts, as Neutron knows them.' },
      delete: {
        type: 'boolean',
        default: false,
        description: 'And when Neutron hears nothing of their agents any more, these are deleted.',
      },
    },
  },
  desired: (p): State => Object.fromEntries(p.hosts.map((name) => [name, p.delete ? 'gone' : 'empty'])),
  refuse: (_p, change) => change.before?.['obstacle'] as string | undefined,
  *look(p): Talk<Found> {
    if (p.hosts.length === 0) return {};
    const agents = yield* agentsOf();
    const told: [string, State[string]][] = [];
    const orphaned = new Set<string>();
    for (const host of p.hosts) {
      const here = agents.filter((agent) => agent.host === host);
      const loads = yield* loadsOf(here);
      for (const { duty } of loads) if (takersOf(duty, agents, p.hosts).length === 0) orphaned.add(duty.binary);
      const carried = loads.map(({ duty, name }) => `${duty.what} ${name}`).toSorted();
      if (p.delete) told.push([host, here.map(({ binary }) => binary).join(', ') || 'gone']);
      else told.push([host, carried.length > 0 ? carried : 'empty']);
    }
    const obstacle = `nobody can take over from ${p.hosts.join(', ')}: no other host runs ${[...orphaned].toSorted().join(' and ')} yet`;
    return { ...Object.fromEntries(told), ...(orphaned.size === 0 ? {} : { obstacle }) };
  },
  *apply(p) {
    for (const host of p.hosts) {
      if (p.delete) yield* silence(host);
      const agents = yield* agentsOf();
      const here = agents.filter((agent) => agent.host === host);
      for (const [i, load] of (yield* loadsOf(here)).entries()) yield* handOver(load, takersOf(load.duty, agents, p.hosts), i);
      if (p.delete) for (const { id } of here) yield* call({ ...neutron, method: 'DELETE', path: `/v2.0/agents/${id}` });
    }
  },
});

interface Agent {
  readonly id: string;
  readonly binary: string;
  readonly host: string;
  readonly alive: boolean;
  readonly admin_state_up: boolean;
}

/** Something that an agent does for others, and how Neutron's API calls it. */
interface Duty {
  readonly binary: string;
  readonly what: string;
  /** What an agent carries: the end of its path, and the list in the answer. */
  readonly carries: string;
  readonly list: string;
  /** Who carries one of these: the end of its path. */
  readonly carriers: string;
  readonly key: string;
}

const duties: readonly Duty[] = [
  { binary: 'neutron-l3-agent', what: 'router', carries: 'l3-routers', list: 'routers', carriers: 'l3-agents', key: 'router_id' },
  { binary: 'neutron-dhcp-agent', what: 'network', carries: 'dhcp-networks', list: 'networks', carriers: 'dhcp-agents', key: 'network_id' },
];

interface Load {
  readonly duty: Duty;
  readonly agent: string;
  readonly id: string;
  readonly name: string;
}

const neutron = { service: 'network' } as const;

function* agentsOf(more: { readonly wait?: number; readonly says?: string } = {}): Talk<readonly Agent[]> {
  return (yield* call<{ agents: readonly Agent[] }>({ ...neutron, method: 'GET', path: '/v2.0/agents', ...more })).agents;
}

/** What agents carry. */
function* loadsOf(agents: readonly Agent[]): Talk<readonly Load[]> {
  const loads: Load[] = [];
  for (const { id: agent, binary } of agents) {
    const duty = duties.find((each) => each.binary === binary);
    if (!duty) continue;
    const path = `/v2.0/agents/${agent}/${duty.carries}`;
    const all = (yield* call<Readonly<Record<string, readonly { id: string; name: string }[]>>>({ ...neutron, method: 'GET', path }))[
      duty.list
    ]!;
    loads.push(...all.map(({ id, name }) => ({ duty, agent, id, name: name || id })));
  }
  return loads;
}

/** Agents that can take over a duty: they run, and on hosts that stay. */
function takersOf(duty: Duty, agents: readonly Agent[], leaving: readonly string[]): readonly Agent[] {
  return agents.filter(
    ({ binary, host, alive, admin_state_up: open }) => binary === duty.binary && alive && open && !leaving.includes(host),
  );
}

/**
 * Gives something to one of those that do not carry it yet, the next in turn. It is taken from its agent first: the next DHCP
 * server then has the addresses of the one before.
 */
function* handOver({ duty, agent, id }: Load, takers: readonly Agent[], turn: number): Talk<void> {
  const path = `/v2.0/${duty.list}/${id}/${duty.carriers}`;
  const { agents: carriers } = yield* call<{ agents: readonly { id: string }[] }>({ ...neutron, method: 'GET', path });
  const free = takers.filter((taker) => carriers.every((carrier) => carrier.id !== taker.id));
  yield* call({ ...neutron, method: 'DELETE', path: `/v2.0/agents/${agent}/${duty.carries}/${id}` });
  const taker = free[turn % free.length];
  if (taker) yield* call({ ...neutron, method: 'POST', path: `/v2.0/agents/${taker.id}/${duty.carries}`, body: { [duty.key]: id } });
}

/** Longer than Neutron takes to miss an agent. */
const patience = 180;
const pace = 5;

/** Waits until nothing is heard of a host's agents any more: what still runs would announce itself again. */
function* silence(host: string): Talk<void> {
  for (let waited = 0; ; waited += pace) {
    const says = `waiting until Neutron hears nothing of ${host} any more`;
    const agents = yield* agentsOf(waited === 0 ? {} : { wait: pace, says });
    const heard = agents.filter((agent) => agent.host === host && agent.alive);
    if (heard.length === 0) return;
    if (waited >= patience)
      throw new Error(`On ${host} there still run ${heard.map(({ binary }) => binary).join(', ')}: stop them there, or the host`);
  }
}
