import type { State } from '../base/state.ts';
import { defineApiResource } from './define.ts';
import { call, find, must, projectId, type Talk } from './openstack.ts';

interface Group {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly security_group_rules: readonly Rule[];
}

interface Rule {
  readonly id: string;
  readonly direction: 'ingress' | 'egress';
  readonly ethertype: 'IPv4' | 'IPv6';
  readonly protocol: string | null;
  readonly port_range_min: number | null;
  readonly port_range_max: number | null;
  readonly remote_ip_prefix: string | null;
  readonly remote_group_id: string | null;
}

/** A rule as the step has it. */
interface Wanted {
  readonly protocol?: string;
  readonly ports?: string | number;
  readonly cidr?: string;
  readonly group?: string;
  readonly ipv6?: boolean;
}

const rules = {
  type: 'array',
  items: {
    type: 'object',
    additionalProperties: false,
    properties: {
      protocol: { type: 'string', pattern: '^[a-z0-9-]+$' },
      ports: {
        anyOf: [
          { type: 'integer', minimum: 1, maximum: 65535 },
          { type: 'string', pattern: '^\\d+(-\\d+)?$' },
        ],
      },
      cidr: { type: 'string', pattern: '^[0-9a-f.:]+/\\d+$' },
      group: { type: 'string' },
      ipv6: { type: 'boolean' },
    },
  },
} as const;
const ruleText =
  'protocol (any), ports (all; 22 or 8000-8100), cidr or group, a security group of the same project (anybody), ipv6: true where no cidr tells';

/** What a project's servers may be reached by. Neutron does not remove a group that servers have. */
export const securityGroup = defineApiResource({
  type: 'security-group',
  summary: 'A security group of a project with exactly these rules.',
  nameParam: 'security-group',
  identity: (p) => `${p.project}/${p['security-group']}`,
  scope: 'cluster',
  params: {
    type: 'object',
    required: ['security-group'],
    additionalProperties: false,
    properties: {
      'security-group': { type: 'string', minLength: 1, maxLength: 255, description: 'Its name; `default` is there in every project.' },
      project: { type: 'string', default: 'admin', description: 'The project that it belongs to.' },
      description: { type: 'string', maxLength: 255, description: 'What people read about it.' },
      ingress: { ...rules, description: `What may come in, exactly this: ${ruleText}. Nobody’s business when left out.` },
      egress: { ...rules, description: 'What may go out, likewise. Neutron lets everything out of a new group.' },
      absent: { type: 'boolean', default: false, description: 'True: it must not be there.' },
    },
  },
  desired: (p): State | null =>
    p.absent
      ? null
      : {
          there: true,
          ...(p.description === undefined ? {} : { description: p.description }),
          ...(p.ingress ? { ingress: texts(p.ingress) } : {}),
          ...(p.egress ? { egress: texts(p.egress) } : {}),
        },
  *look(p) {
    const project = yield* projectId(p.project);
    const known = project === undefined ? undefined : yield* groupOf(project, p['security-group']);
    if (!known) return null;
    const remote = yield* namesOf(project!, [...(p.ingress ?? []), ...(p.egress ?? [])]);
    const going = (direction: Rule['direction']) =>
      known.security_group_rules
        .filter((rule) => rule.direction === direction)
        .map((rule) => textOf(wantedOf(rule, remote)))
        .toSorted();
    return { there: true, description: known.description, ingress: going('ingress'), egress: going('egress') };
  },
  *apply(p, { differences }) {
    const project_id = must(yield* projectId(p.project), `project ${p.project}`);
    let known = yield* groupOf(project_id, p['security-group']);
    if (p.absent) {
      if (known) yield* call({ service: 'network', method: 'DELETE', path: `/v2.0/security-groups/${known.id}` });
      return;
    }
    const differs = new Set(differences.map(({ key }) => key));
    const about = p.description === undefined ? {} : { description: p.description };
    if (!known) {
      const body = { security_group: { name: p['security-group'], project_id, ...about } };
      known = (yield* call<{ security_group: Group }>({ service: 'network', method: 'POST', path: '/v2.0/security-groups', body }))
        .security_group;
    } else if (differs.has('description')) {
      yield* call({ service: 'network', method: 'PUT', path: `/v2.0/security-groups/${known.id}`, body: { security_group: about } });
    }
    for (const direction of ['ingress', 'egress'] as const)
      if (differs.has(direction)) yield* setRules(known, direction, p[direction] ?? [], project_id);
  },
});

/** What is missing is added before what is too much is taken away: nobody is cut off in between. */
function* setRules(group: Group, direction: Rule['direction'], wanted: readonly Wanted[], project: string): Talk<void> {
  const remote = yield* namesOf(project, wanted);
  const is = group.security_group_rules
    .filter((rule) => rule.direction === direction)
    .map((rule) => ({ ...rule, text: textOf(wantedOf(rule, remote)) }));
  const ids = new Map([...remote].map(([id, name]) => [name, id]));
  for (const rule of wanted.filter((one) => !is.some(({ text }) => text === textOf(one)))) {
    const [min, max = min] = String(rule.ports ?? '')
      .split('-')
      .map(Number);
    const security_group_rule = {
      security_group_id: group.id,
      direction,
      ethertype: isIpv6(rule) ? 'IPv6' : 'IPv4',
      protocol: rule.protocol ?? null,
      ...(rule.ports === undefined ? {} : { port_range_min: min, port_range_max: max }),
      ...(rule.cidr === undefined ? {} : { remote_ip_prefix: rule.cidr }),
      ...(rule.group === undefined ? {} : { remote_group_id: must(ids.get(rule.group), `security group ${rule.group} in the project`) }),
    };
    yield* call({ service: 'network', method: 'POST', path: '/v2.0/security-group-rules', body: { security_group_rule } });
  }
  const should = new Set(texts(wanted));
  for (const { id } of is.filter(({ text }) => !should.has(text))) {
    yield* call({ service: 'network', method: 'DELETE', path: `/v2.0/security-group-rules/${id}` });
  }
}

function* groupOf(project_id: string, name: string): Talk<Group | undefined> {
  return yield* find<Group>(
    { service: 'network', path: '/v2.0/security-groups', list: 'security_groups', where: { project_id, name } },
    `the security group ${name} in its project`,
  );
}

/** By id: the names of the groups that rules speak of. */
function* namesOf(project: string, wanted: readonly Wanted[]): Talk<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  for (const name of new Set(wanted.flatMap(({ group }) => group ?? []))) {
    const known = yield* groupOf(project, name);
    if (known) names.set(known.id, name);
  }
  return names;
}

function wantedOf(rule: Rule, names: ReadonlyMap<string, string>): Wanted {
  const { port_range_min: min, port_range_max: max, remote_group_id: group } = rule;
  return {
    ...(rule.protocol === null ? {} : { protocol: rule.protocol }),
    ...(min === null ? {} : { ports: min === max ? min : `${min}-${max}` }),
    ...(rule.remote_ip_prefix === null ? {} : { cidr: rule.remote_ip_prefix }),
    ...(group === null ? {} : { group: names.get(group) ?? group }),
    ipv6: rule.ethertype === 'IPv6',
  };
}

function texts(wanted: readonly Wanted[]): readonly string[] {
  return [...new Set(wanted.map(textOf))].toSorted();
}

/** A rule in words that are the same for the same rule, e.g. `tcp 22 0.0.0.0/0`. */
function textOf(rule: Wanted): string {
  const family = isIpv6(rule) ? '::/0' : '0.0.0.0/0';
  const whom = rule.group === undefined ? (rule.cidr ?? family) : `group ${rule.group}${isIpv6(rule) ? ' by IPv6' : ''}`;
  const [min, max] = String(rule.ports ?? 'all').split('-');
  return `${rule.protocol ?? 'any'} ${max === undefined || max === min ? min : `${min}-${max}`} ${whom}`;
}

function isIpv6({ cidr, ipv6 = false }: Wanted): boolean {
  return cidr === undefined ? ipv6 : cidr.includes(':');
}
