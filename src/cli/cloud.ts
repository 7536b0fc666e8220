import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Invalid, isError, type Problem } from '../base/problem.ts';
import type { Inventory } from '../inventory/types.ts';
import { readInventory } from '../inventory/read.ts';
import { check } from '../plan/check.ts';
import { expand, expandModels } from '../plan/expand.ts';
import { journeyOf, type Journey } from '../plan/journey.ts';
import { checkParams, checkServices } from '../plan/params.ts';
import type { Plan } from '../plan/plan.ts';
import { select } from '../plan/select.ts';
import { readRoles, type Role } from '../roles/role.ts';
import type { SecretFiles, SecretStore } from '../secrets/store.ts';
import { tellProblem } from './failure.ts';
import type { Options } from './options.ts';

/** Where Cellwise keeps what belongs to an inventory. */
export interface Places {
  /** The directory that the inventory is in. */
  readonly beside: string;
  /** `.cellwise/NAME` beside the inventory. */
  readonly directory: string;
  /** One journal a run. */
  readonly runs: string;
  /** What an upgrade has written down, and the file that asks it to pause. */
  readonly upgrade: { readonly ledger: string; readonly pause: string };
  readonly secrets: SecretFiles;
}

export function placesOf(inventoryFile: string): Places {
  const name = basename(inventoryFile, extname(inventoryFile));
  const beside = dirname(inventoryFile);
  const directory = join(beside, '.cellwise', name);
  const identity = process.env['CELLWISE_IDENTITY'] ?? join(directory, 'identity');
  return {
    beside,
    directory,
    runs: join(directory, 'runs'),
    upgrade: { ledger: join(directory, 'upgrade.jsonl'), pause: join(directory, 'upgrade.pause') },
    secrets: { file: join(beside, `${name}.secrets.age`), identity, directory },
  };
}

/** The roles that come with Cellwise. */
export const rolesDirectory = fileURLToPath(new URL('../../roles', import.meta.url));

export interface Cloud {
  readonly inventory: Inventory;
  readonly roles: ReadonlyMap<string, Role>;
  /** What is legal in its inventory, and has no effect or another than its author may think. */
  readonly warnings: readonly Problem[];
}

/** Reads an inventory and the roles; throws Invalid with all that is wrong with both. */
export function readCloud({ inventory: file, allowOutside }: Pick<Options, 'inventory' | 'allowOutside'>): Cloud {
  const { inventory, problems } = readInventory(file, undefined, allowOutside);
  const { roles, problems: roleProblems } = readRoles(rolesDirectory, ...(inventory?.roles ?? []));
  const all = [...problems, ...roleProblems, ...(inventory ? [...checkServices(inventory, roles), ...checkParams(inventory, roles)] : [])];
  if (!inventory || all.some(isError)) throw new Invalid(all);
  return { inventory, roles, warnings: all };
}

/** The same for a command that has no run: its warnings are told at once. */
export function openCloud(options: Options): Cloud {
  const cloud = readCloud(options);
  for (const warning of cloud.warnings) tellProblem(warning, options.json === true);
  return cloud;
}

/** Expands and checks a cloud; throws Invalid with all that is wrong. */
export function planOf({ inventory, roles }: Cloud, secrets: SecretStore): Plan {
  return checked(expand(inventory, roles, secrets.get));
}

/** The same with no more hosts than are needed to tell what is wrong, be it with an apply or with an upgrade. */
export function checkedModels({ inventory, roles }: Cloud, secrets: SecretStore): Plan {
  const { deploy, upgrade } = expandModels(inventory, roles, secrets.get);
  checked(upgrade);
  return checked(deploy);
}

function checked(plan: Plan): Plan {
  const problems = check(plan);
  if (problems.length > 0) throw new Invalid(problems);
  return plan;
}

/** The way to the release that the inventory names; throws Invalid with all that is wrong with it. */
export function journeyIn({ inventory, roles }: Cloud, secrets: Pick<SecretStore, 'get'>): Journey {
  const journey = journeyOf(inventory, roles, secrets.get);
  checked(journey.plan);
  return journey;
}

/** The part of a plan that `--only` means; undefined: all of it. */
export function partOf(plan: Plan, selector: string | undefined): ReadonlySet<string> | undefined {
  return selector === undefined ? undefined : select(plan, selector);
}
