import { problemCodes } from '../base/problem-codes.ts';
import { portsOf, type Listener } from '../plan/listeners.ts';
import { checks } from '../resources/checks.ts';
import type { ParamsSchema, ValueSchema } from '../resources/define.ts';
import { resourceTypes } from '../resources/index.ts';
import type { Role } from '../roles/role.ts';
import { visitors } from '../roles/role-schema.ts';
import { trials } from '../trials/index.ts';

interface Described {
  readonly type: string;
  readonly summary: string;
  readonly nameParam: string;
  readonly params: ParamsSchema;
}

/** A step type, check or trial as `explain` prints it. */
export function entryText({ type, summary, nameParam, params }: Described): string {
  const { [nameParam]: name, ...others } = params.properties;
  return [
    `${type}: ${summary}`,
    `  - ${type}: ${name!.description}`,
    ...Object.entries(others).map(([param, schema]) => paramText(param, schema, params.required?.includes(param))),
  ].join('\n');
}

/** One param: its name, type, default and meaning. */
export function paramText(name: string, schema: ValueSchema, required = false): string {
  const fallback = schema.default === undefined ? (required ? ', required' : '') : `, default ${JSON.stringify(schema.default)}`;
  return `  ${name} (${typeText(schema)}${fallback}): ${schema.description ?? ''}`;
}

/** docs/reference/steps.md: every step type, check and trial, from their schemas. */
export function stepsReference(): string {
  const section = (each: Described): string => {
    const { [each.nameParam]: name, ...others } = each.params.properties;
    const rows = Object.entries(others).map(([param, schema]) => {
      const fallback =
        schema.default === undefined
          ? each.params.required?.includes(param)
            ? '*required*'
            : ''
          : `\`${JSON.stringify(schema.default)}\``;
      return `| \`${param}\` | ${cell(typeText(schema))} | ${cell(fallback)} | ${cell(schema.description)} |`;
    });
    const table = rows.length > 0 ? ['', '| param | type | default | meaning |', '|---|---|---|---|', ...rows] : [];
    return [`### ${each.type}`, '', each.summary, '', `\`- ${each.type}:\` ${name!.description}`, ...table].join('\n');
  };
  return [
    '# Step types, health checks and trials',
    '',
    generated,
    '',
    'The first key of a step is its type, that key’s value its name, the rest its params. A step may also say `once` (on the role’s first host only) and `when` (a boolean param, or params with the values they must have).',
    '',
    '## Step types',
    '',
    resourceTypes.map((each) => section(each)).join('\n\n'),
    '',
    '## Health checks',
    '',
    'Each may say `within`, how long to wait for it, e.g. `60s`.',
    '',
    [...checks.values()].map((each) => section(each)).join('\n\n'),
    '',
    '## Trials',
    '',
    'What a role can have `cellwise verify` try as a user of the cloud. Each may say `within`, how long it may take, e.g. `60s`.',
    '',
    [...trials.values()].map((each) => section(each)).join('\n\n'),
    '',
  ].join('\n');
}

/** docs/reference/ports.md: every port that a role opens, as its params are when they are left out. */
export function portsReference(roles: Iterable<Role>): string {
  const rows = [...roles].flatMap((role) => {
    const params = Object.fromEntries(Object.entries(role.params).map(([name, schema]) => [name, schema.default]));
    return role.listens.map((written) => {
      const { protocol, network, from, purpose, encrypted = 'no' } = written;
      const on = `${written.once || role.hosts === 'first' ? 'the first ' : ''}${role.on.join(', ')}`;
      const who = from.map((visitor) => visitors[visitor]).join(', ');
      return [
        role.name,
        on,
        `${portText(portsOf(written, params))}/${protocol}`,
        from.join() === 'host' ? 'loopback' : network,
        who,
        purpose,
        encrypted,
      ];
    });
  });
  return [
    '# Ports',
    '',
    generated,
    '',
    'What the roles open on their hosts, and who has business there. `role.yaml` says so under `listens`. Cellwise configures no firewall yet: until it',
    'does, keep everybody but hosts and the deployer away from all ports that are not for anybody ([security](../security.md)). Port numbers that are params',
    'of the role are those that it has when the inventory says nothing else.',
    '',
    '| role | hosts | port | network | who comes | what is there | encrypted |',
    '|---|---|---|---|---|---|---|',
    ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
    '',
  ].join('\n');
}

function portText({ first, last }: Pick<Listener, 'first' | 'last'>): string {
  return first === last ? String(first) : `${first}-${last}`;
}

/** docs/reference/problems.md: every code that a problem can have. */
export function problemsReference(): string {
  const entries = Object.entries(problemCodes).map(([code, { title, explain }]) => `### ${code}\n\n**${title}.** ${explain}`);
  return [
    '# Problem codes',
    '',
    generated,
    '',
    'Whatever is wrong with what you wrote comes with one of these codes, its place, and a hint.',
    '',
    entries.join('\n\n'),
    '',
  ].join('\n');
}

const generated = '<!-- Generated by `npm run generate`. -->';

function typeText(schema: ValueSchema): string {
  if (schema.enum) return schema.enum.map((each) => JSON.stringify(each)).join(' | ');
  if (schema.anyOf) return schema.anyOf.map(typeText).join(' | ');
  if (schema.format === 'secret') return 'secret';
  if (schema.type === 'array') return `list of ${schema.items ? typeText(schema.items) : 'anything'}`;
  if (schema.type === 'object') return schema.properties ? `{${Object.keys(schema.properties).join(', ')}}` : 'mapping';
  return schema.type ?? 'any';
}

function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`).replaceAll('\n', ' ');
}
