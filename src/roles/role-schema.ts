import { checks } from '../resources/checks.ts';
import type { ParamsSchema, ValueSchema } from '../resources/define.ts';
import { resourceTypes } from '../resources/index.ts';
import { trials } from '../trials/index.ts';

/** A kind of step, check or trial, as far as writing one in role.yaml goes. */
interface Writable {
  readonly type: string;
  readonly summary: string;
  readonly params: ParamsSchema;
  readonly nameParam: string;
}

const reserved = {
  once: { type: 'boolean', description: "Only on the role's first host; its other hosts wait here." },
  per: { enum: ['cell'], description: 'cell: for each cell that has hosts of its own, and not for the one that controllers carry.' },
  when: {
    description: 'Only where this param is true or is given at all, or where these params have these values.',
    anyOf: [{ type: 'string' }, { type: 'object', minProperties: 1 }],
  },
} as const;

const during = {
  enum: ['deploy', 'upgrade'],
  description: 'deploy: left out of an upgrade. upgrade: only then. When left out, in both.',
} as const;
const irreversible = { type: 'boolean', description: 'It cannot be taken back: an upgrade asks before it.' } as const;
const policy = {
  type: 'array',
  minItems: 1,
  uniqueItems: true,
  items: { enum: ['live-migrate', 'wait', 'none'] },
  description: 'Only on hosts that are drained in one of these ways.',
} as const;

/** What a role does around an upgrade: lists of steps, and lists of checks. */
export const sections = {
  steps: {
    backup: 'Once, before anything else is touched: what makes copies, and proves that they can be read.',
    before: 'Once, before the first host. A step whose resource also stands in `after` is a lease: it is given back whatever happens.',
    drain: 'On each host before its steps. A step whose resource also stands in `restore` is a lease: it is given back whatever happens.',
    expand: 'Once, between the packages of the first host and its other steps: additive changes of databases.',
    restore: 'On each host when it is healthy again.',
    after: 'Once, behind the last host.',
    settle: 'On each host when all hosts of the cloud are upgraded, before any `contract`: what lets go of the old release.',
    contract: 'Once, when all hosts of the cloud are upgraded: what old programs would not survive.',
  },
  checks: {
    preflight: 'Asked on the first host before anything is touched.',
    gate: 'Asked on each host before it is drained: may it be taken out of service?',
    health: 'Asked on each host behind its steps, besides the health of the role.',
  },
} as const;

export type StepSection = keyof typeof sections.steps;
export type CheckSection = keyof typeof sections.checks;

const template = {
  type: 'string',
  pattern: '^(?!.*\\.\\.)[A-Za-z0-9][A-Za-z0-9_@./-]*\\.hbs$',
  patternErrorMessage: 'the name of a .hbs file below templates, without `..`',
  description: "A file of the role's templates directory; it gives the content.",
};
const watches = {
  type: 'array',
  items: { type: 'string' },
  minItems: 1,
  description: "Names of the role's steps above that the service restarts for.",
};
const within = { type: 'string', pattern: '^[1-9][0-9]*s$', description: 'How long to wait for it, e.g. 60s.' };
const canary = {
  type: 'boolean',
  description: 'An upgrade tries it, too: on each canary among compute hosts, once it is restored.',
} as const;

/** Who may come to a port, and what that means where people read it. */
export const visitors = {
  anybody: 'anybody: whoever uses the cloud',
  deployer: 'the deployer',
  cloud: 'all hosts of the cloud',
  controller: 'controllers',
  network: 'network hosts',
  compute: 'compute hosts',
  storage: 'storage hosts',
  cell: 'hosts of kind cell',
  role: 'the hosts that carry this role',
  host: 'the host itself',
} as const;

export type Visitor = keyof typeof visitors;

const listener = {
  type: 'object',
  required: ['port', 'from', 'purpose'],
  additionalProperties: false,
  properties: {
    port: {
      description: "A port, a range (6800-7568), or a param of the role that holds one: '{{port}}'.",
      anyOf: [
        { type: 'integer', minimum: 1, maximum: 65535 },
        { type: 'string', pattern: '^([0-9]{1,5}-[0-9]{1,5}|\\{\\{[a-z0-9_]+\\}\\})$' },
      ],
    },
    protocol: { enum: ['tcp', 'udp'], description: 'tcp (the default) or udp.' },
    network: { type: 'string', minLength: 1, description: 'The network of the inventory that it is reached by; management when left out.' },
    from: {
      type: 'array',
      minItems: 1,
      uniqueItems: true,
      items: { enum: Object.keys(visitors) },
      description: 'Who has business there: anybody, the deployer, hosts of a kind, the hosts of this role, or the host itself.',
    },
    purpose: { type: 'string', minLength: 1, description: 'What is there, in a few words.' },
    encrypted: { enum: ['tls', 'ssh'], description: 'How what is said there is encrypted; left out: not at all.' },
    once: reserved.once,
    when: reserved.when,
  },
} as const;

/** For editors, written to schemas/role.schema.json: a step is one of all types, with all that these say of their params. */
export function editorSchema(): Record<string, unknown> {
  const steps = resourceTypes.map((resource) =>
    entry(resource, {
      ...reserved,
      during,
      irreversible,
      policy,
      ...(resource.type === 'file' ? { template } : {}),
      ...(resource.type === 'service' ? { watches } : {}),
    }),
  );
  const asked = (types: Iterable<Writable>, more: object) => ({ anyOf: [...types].map((type) => entry(type, { within, ...more })) });
  const $defs = { step: { anyOf: steps }, check: asked(checks.values(), {}), trial: asked(trials.values(), { canary }) };
  return { ...structure({ $ref: '#/$defs/step' }, { $ref: '#/$defs/check' }, { $ref: '#/$defs/trial' }), $defs };
}

/**
 * What a reader of roles needs: params are checked against their types once they are rendered. Which type a step is, its
 * first key says, and that JSON Schema cannot see.
 */
const asked = { type: 'object', minProperties: 1, properties: { within } };
export const roleSchema = structure(
  { type: 'object', minProperties: 1, properties: { ...reserved, during, irreversible, policy, template, watches } },
  asked,
  { ...asked, properties: { within, canary } },
);

/** What a role's params.schema.json may say: the part of JSON Schema that params use. */
export const paramsSchema = {
  type: 'object',
  required: ['properties'],
  additionalProperties: false,
  properties: {
    $schema: { type: 'string' },
    type: { enum: ['object'] },
    properties: {
      type: 'object',
      additionalProperties: { $ref: '#/$defs/value' },
    },
  },
  $defs: {
    value: {
      type: 'object',
      additionalProperties: false,
      properties: {
        type: { enum: ['string', 'integer', 'number', 'boolean', 'array', 'object'] },
        description: { type: 'string' },
        enum: { type: 'array', minItems: 1 },
        anyOf: { type: 'array', minItems: 1, items: { $ref: '#/$defs/value' } },
        items: { $ref: '#/$defs/value' },
        properties: { type: 'object', additionalProperties: { $ref: '#/$defs/value' } },
        additionalProperties: { anyOf: [{ type: 'boolean' }, { $ref: '#/$defs/value' }] },
        required: { type: 'array', items: { type: 'string' } },
        default: {},
        per: { enum: ['cell'] },
        hostsOf: { enum: ['controller', 'compute', 'storage', 'network', 'cell'] },
        permanent: { type: 'boolean' },
        pattern: { type: 'string', format: 'regex' },
        patternErrorMessage: { type: 'string' },
        format: { enum: ['secret', 'text', 'ipv4', 'cidr'] },
        minimum: { type: 'number' },
        maximum: { type: 'number' },
        minItems: { type: 'integer' },
        minLength: { type: 'integer' },
        maxLength: { type: 'integer' },
        uniqueItems: { type: 'boolean' },
      },
    },
  },
} as const;

type Schema = Record<string, unknown>;

function structure(step: Schema, check: Schema, trial: Schema): Record<string, unknown> {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'A Cellwise role',
    type: 'object',
    required: ['role', 'summary', 'on', 'steps'],
    additionalProperties: false,
    properties: {
      role: { type: 'string', pattern: '^[a-z][a-z0-9-]*$', description: "The role's name: that of its directory." },
      summary: { type: 'string', minLength: 1, description: 'One sentence: what it is.' },
      on: {
        type: 'array',
        minItems: 1,
        uniqueItems: true,
        items: { enum: ['controller', 'network', 'compute', 'storage', 'cell'] },
        description: 'The kinds of host that carry it; network: controllers where no host is of this kind.',
      },
      scope: {
        enum: ['host', 'cloud'],
        description: 'host: whoever needs it waits for it on its own host only. cloud (the default): on all hosts.',
      },
      per: {
        enum: ['cell'],
        description:
          'cell: once for the cloud and the cell that its controllers carry, and once for each cell that has hosts of its own. First host, once and needs hold within each.',
      },
      hosts: {
        description:
          'all (the default): every host of its kinds. first: the first of them in the inventory. quorum: an odd number of them. leaving: those that the inventory says are absent. {with: ROLE}: those that carry that role.',
        anyOf: [
          { enum: ['all', 'first', 'quorum', 'leaving'] },
          { type: 'object', required: ['with'], additionalProperties: false, properties: { with: { type: 'string' } } },
        ],
      },
      storage: { enum: ['ceph', 'file', 'swift'], description: 'Only in clouds with this storage back end.' },
      optional: {
        type: 'boolean',
        description: 'Only in clouds whose inventory names it, or something that needs it, among the services.',
      },
      part_of: {
        type: 'string',
        description: 'A role that it comes along with, whether or not the inventory names it among the services.',
      },
      needs: {
        type: 'array',
        uniqueItems: true,
        items: { type: 'string' },
        description: 'Roles that must be healthy first. One that is for another storage back end than the cloud has is not needed.',
      },
      after: {
        type: 'array',
        uniqueItems: true,
        items: { type: 'string' },
        description: 'Roles that come first where there are any; one that fails does not hold up this role.',
      },
      reads: {
        type: 'array',
        uniqueItems: true,
        items: { type: 'string' },
        description: 'Roles whose params and hosts templates can read, without waiting for them.',
      },
      os: {
        type: 'object',
        description: 'Names that differ between families of operating systems: family, name, value. Templates say {{os.NAME}}.',
        additionalProperties: { type: 'object' },
      },
      api: {
        type: 'object',
        description: 'The OpenStack API that the role offers.',
        required: ['service', 'url'],
        additionalProperties: false,
        properties: {
          service: { type: 'string', description: "The service's type, e.g. identity." },
          url: { type: 'string', description: 'Where it listens, seen from its host.' },
          login: {
            type: 'object',
            description: 'How the administrator logs in; one role of a cloud says so.',
            required: ['user', 'password', 'project', 'region'],
            additionalProperties: false,
            properties: {
              user: { type: 'string', description: "The administrator's name." },
              password: { type: 'string', description: 'A secret param: {{admin_password}}.' },
              project: { type: 'string', description: 'The project to work in.' },
              region: { type: 'string', description: 'The region.' },
            },
          },
        },
      },
      listens: {
        type: 'array',
        minItems: 1,
        description: 'The ports that the role opens on its hosts, and who may come to them.',
        items: listener,
      },
      steps: { type: 'array', minItems: 1, description: 'Made so from top to bottom on each host.', items: step },
      health: { type: 'array', description: 'When the role counts as healthy.', items: check },
      verify: { type: 'array', minItems: 1, description: 'What `cellwise verify` tries as a user of the cloud.', items: trial },
      upgrade: {
        type: 'object',
        description: 'What is done around an upgrade, besides the steps.',
        additionalProperties: false,
        properties: { ...lists(sections.steps, step), ...lists(sections.checks, check) },
      },
      gate: {
        type: 'array',
        minItems: 1,
        description: 'Asked before a service that runs is restarted. Then the hosts take turns, and each must be healthy before the next.',
        items: check,
      },
    },
  };
}

function lists(described: Readonly<Record<string, string>>, items: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(described).map(([name, description]) => [name, { type: 'array', minItems: 1, description, items }]),
  );
}

/** A step, check or trial in role.yaml: its first key is its type, that key's value its name, the rest its params. */
function entry({ type, summary, params, nameParam }: Writable, extra: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { [nameParam]: name, ...others } = params.properties;
  const properties = Object.fromEntries(Object.entries(others).map(([key, schema]) => [key, orTemplate(schema)]));
  return {
    type: 'object',
    description: summary,
    required: [type],
    additionalProperties: false,
    properties: { [type]: { ...orTemplate(name!), description: `${summary} ${name!.description}` }, ...properties, ...extra },
  };
}

/** What a step takes, or a text with a template in it that will give it. */
function orTemplate(schema: ValueSchema): Record<string, unknown> {
  const { description } = schema;
  if (schema.type === 'string' && !schema.enum) return { type: 'string', ...(description === undefined ? {} : { description }) };
  return { description, anyOf: [bare(schema), { type: 'string', pattern: '\\{\\{' }] };
}

// Items of lists may hold templates, so their texts are checked once they are rendered.
function bare(schema: ValueSchema): Record<string, unknown> {
  const kept = Object.entries(schema).filter(([keyword]) => keyword !== 'description' && keyword !== 'default');
  return { ...Object.fromEntries(kept), ...(schema.items ? { items: orTemplate(schema.items) } : {}) };
}
