import { problemCodes } from '../base/problem-codes.ts';
import { Invalid, nearest } from '../base/problem.ts';
import { shown, Secret } from '../base/secret.ts';
import type { Inventory } from '../inventory/types.ts';
import { readInventory } from '../inventory/read.ts';
import { groupsOf, resolveParams, wantedRoles } from '../plan/context.ts';
import { withResources } from '../plan/resources.ts';
import { checks } from '../resources/checks.ts';
import { resourceTypes } from '../resources/index.ts';
import { readRoles, type Role } from '../roles/role.ts';
import { placeholders } from '../secrets/placeholders.ts';
import { trials } from '../trials/index.ts';
import { rolesDirectory } from './cloud.ts';
import { exits } from './exit.ts';
import { say } from './output.ts';
import type { Options } from './options.ts';
import { entryText, paramText } from './reference.ts';

export function explain([topic = '']: readonly string[], options: Options): number {
  // An inventory is needed for its hosts and roles alone; without one, everything else can be explained.
  const { inventory } = readInventory(options.inventory, undefined, options.allowOutside);
  const { roles } = readRoles(rolesDirectory, ...(inventory?.roles ?? []));
  // Asked when it matters only: resources that cannot be made are no reason not to explain the rest.
  const ofCloud = (): readonly Role[] => (inventory ? withResources(inventory, wantedRoles(inventory, roles), placeholders().get) : []);
  const texts = [
    ...(topic === 'resources' ? ofCloud() : [...roles.values()]).filter((role) => role.name === topic).map(roleText),
    ...[...resourceTypes, ...checks.values(), ...trials.values()].filter((each) => each.type === topic).map((each) => entryText(each)),
    ...(Object.hasOwn(problemCodes, topic) ? [problemText(topic as keyof typeof problemCodes)] : []),
    ...(inventory ? hostTexts(inventory, ofCloud, topic) : []),
  ];
  if (texts.length === 0)
    throw unknown(topic, [
      ...roles.keys(),
      ...resourceTypes.map(({ type }) => type),
      ...checks.keys(),
      ...trials.keys(),
      ...Object.keys(problemCodes),
      ...(inventory?.hosts ?? []).map(({ name }) => name),
    ]);
  say(options, texts.join('\n\n'));
  return exits.done;
}

function roleText(role: Role): string {
  const params = Object.entries(role.params).map(([name, schema]) => paramText(name, schema));
  const steps = role.steps.map(
    (step) =>
      `  ${step.type}: ${typeof step.name === 'string' ? step.name : JSON.stringify(step.name)}${step.watches.length > 0 ? `  (restarts for ${step.watches.join(', ')})` : ''}`,
  );
  const asked = (list: Role['health']): string[] => list.map((one) => `  ${one.type}: ${String(one.name)}, within ${one.within} s`);
  return [
    `${role.name}: ${role.summary}`,
    `${whereText(role)}${role.needs.length > 0 ? ` Needs ${role.needs.join(', ')}.` : ''}`,
    ...(params.length > 0 ? ['Params:', ...params] : []),
    ...(role.listens.length > 0 ? ['Listens on:', ...role.listens.map(listenerText)] : []),
    'Steps:',
    ...steps,
    ...(role.health.length > 0 ? ['Healthy when:', ...asked(role.health)] : []),
    ...(role.verify.length > 0 ? ['Tried by `verify`:', ...asked(role.verify)] : []),
  ].join('\n');
}

function whereText({ hosts, on, storage, optional }: Role): string {
  const kinds = `of kind ${on.join(' or ')}`;
  const where =
    typeof hosts === 'object'
      ? `hosts that carry ${hosts.with}`
      : {
          all: `all hosts ${kinds}`,
          first: `the first host ${kinds}`,
          quorum: `an odd number of hosts ${kinds}`,
          leaving: `hosts ${kinds} that leave the cloud (state: absent)`,
        }[hosts];
  return `On ${where}${storage === undefined ? '' : `, where storage is ${storage}`}${optional ? '; only if cloud.services adds it' : ''}.`;
}

function listenerText({ port, protocol, from, purpose, encrypted }: Role['listens'][number]): string {
  return `  ${port}/${protocol}: ${purpose}, from ${from.join(', ')}${encrypted ? ` (${encrypted})` : ''}`;
}

function problemText(code: keyof typeof problemCodes): string {
  const { title, explain: text } = problemCodes[code];
  return `${code}: ${title}\n  ${text}`;
}

/** A host: what it is, the roles on it, and for each param the value and the level that it came from. */
function hostTexts(inventory: Inventory, roles: () => readonly Role[], name: string): string[] {
  const host = inventory.hosts.find((each) => each.name === name);
  if (!host) return [];
  const secrets = placeholders();
  const facts = [
    `${host.name}: ${host.kinds.join(', ')} at ${host.address}${host.cell === undefined ? '' : `, cell ${host.cell}`}${host.zone === undefined ? '' : `, zone ${host.zone}`}`,
  ];
  const all = roles();
  const byName = new Map(all.map((role) => [role.name, role]));
  const own = all.flatMap((role) =>
    groupsOf(inventory, role, byName)
      .filter(({ hosts }) => hosts.includes(host))
      .map(({ cell }) => ({ role, cell })),
  );
  const params = own.flatMap(({ role, cell }) => [
    `  ${role.name}${cell === undefined ? '' : ` for ${cell}`}`,
    ...Object.entries(resolveParams(inventory, role, host, secrets.get, cell)).map(
      ([param, { value, level }]) =>
        `    ${param} = ${value instanceof Secret ? shown(value) : value === undefined ? 'none' : JSON.stringify(value)}  (${level})`,
    ),
  ]);
  return [[...facts, 'Roles and their params:', ...params].join('\n')];
}

function unknown(topic: string, known: readonly string[]): Invalid {
  const near = nearest(topic, known);
  return new Invalid([
    {
      code: 'unknown-topic',
      message: `There is no role, step type, check, host or problem code "${topic}"`,
      hint:
        near === undefined
          ? `Roles and step types: ${known.filter((name) => !(name in problemCodes)).join(', ')}.`
          : `Did you mean "${near}"?`,
    },
  ]);
}
