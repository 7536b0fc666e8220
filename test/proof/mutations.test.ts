// 1,000 spoilt inventories and roles: each is either a valid plan or a list of problems that a person can act on.
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { problemCodes } from '../../src/base/problem-codes.ts';
import { Invalid, type Problem } from '../../src/base/problem.ts';
import { compare } from '../../src/base/state.ts';
import { gather, isShellStep } from '../../src/engine/look.ts';
import { readInventory } from '../../src/inventory/read.ts';
import { check } from '../../src/plan/check.ts';
import { expand } from '../../src/plan/expand.ts';
import { checkParams } from '../../src/plan/params.ts';
import { stepsByHost, type Plan } from '../../src/plan/plan.ts';
import { readRoles } from '../../src/roles/role.ts';
import { placeholders } from '../../src/secrets/placeholders.ts';
import { dice, mutate, mutations } from './mutate.ts';

const cases = 1000;
/** Another one by CELLWISE_SEED=…: a failure prints its own. */
const seed = Number(process.env['CELLWISE_SEED'] ?? '20261120');

const home = mkdtempSync(join(tmpdir(), 'cellwise-mutations-'));
afterAll(() => {
  rmSync(home, { recursive: true, force: true });
});

/** Everything that can be spoilt, below a tree that the command line can be run in. */
interface Source {
  readonly file: string;
  readonly kind: keyof typeof mutations;
  readonly text: Buffer;
}
const sources: Source[] = [];

beforeAll(() => {
  for (const part of ['src', 'schemas', 'roles', 'images', 'examples', 'inventories', 'package.json'])
    cpSync(part, join(home, part), { recursive: true });
  cpSync(join(import.meta.dirname, 'kitchen'), join(home, 'roles/kitchen'), { recursive: true });
  symlinkSync(resolve('node_modules'), join(home, 'node_modules'));
  const files = ['examples', 'inventories', 'roles'].flatMap((part) =>
    readdirSync(join(home, part), { recursive: true, encoding: 'utf8' }).map((name) => join(home, part, name)),
  );
  const kinds = [
    [/\/(examples|inventories)\/[^/]+\.yaml$/, 'yaml'],
    [/\/params\.schema\.json$/, 'yaml'],
    [/\/role\.yaml$/, 'role'],
    [/\.hbs$/, 'template'],
  ] as const;
  for (const file of files.toSorted()) {
    const kind = kinds.find(([pattern]) => pattern.test(file))?.[1];
    if (kind) sources.push({ file, kind, text: readFileSync(file) });
  }
});

// --- what is done with a text, as `cellwise validate` does ---------------------------------------------------------------

function planOf(inventoryFile: string): Plan {
  const { inventory, problems } = readInventory(inventoryFile);
  const { roles, problems: more } = readRoles(join(home, 'roles'));
  const all = [...problems, ...more, ...(inventory ? checkParams(inventory, roles) : [])];
  if (!inventory || all.length > 0) throw new Invalid(all);
  const plan = expand(inventory, roles, placeholders().get);
  const found = check(plan);
  if (found.length > 0) throw new Invalid(found);
  return plan;
}

/** A plan is valid when a run could begin with it: it has an order, and what it asks of its hosts can be written down. */
function begin(plan: Plan): void {
  plan.graph.order();
  for (const steps of [...stepsByHost(plan).values()].slice(0, 3)) {
    gather(steps.filter(isShellStep));
    for (const { resource, params } of steps) {
      const change = compare(null, resource.desired(params));
      // Those of Ceph go by what the cluster answered, which is never nothing.
      if (change && resource.via === 'shell' && !resource.type.startsWith('ceph-')) resource.apply(params, change);
    }
  }
}

interface Case {
  readonly number: number;
  /** Below the tree. */
  readonly file: string;
  readonly did: readonly string[];
  readonly inventory: string;
  readonly text: Buffer;
  readonly original: Buffer;
}

const inventories = /\/(examples|inventories)\/[^/]+\.yaml$/;
const kindsInTurn = [
  inventories,
  /\/role\.yaml$/,
  inventories,
  /\/role\.yaml$/,
  /\.hbs$/,
  inventories,
  /\/role\.yaml$/,
  /\/params\.schema\.json$/,
];
const seeds = fc.sample(fc.integer(), { numRuns: cases, seed });

function caseOf(number: number): Case {
  const roll = dice(seeds[number]!);
  // Inventories and role.yaml more often than the rest.
  const wanted = kindsInTurn[number % kindsInTurn.length]!;
  const isInventory = wanted.test('/inventories/x.yaml');
  const all = sources.filter((source) => wanted.test(source.file));
  const { file, kind, text } = all[roll(all.length)]!;
  const spoilt = mutate(kind, text, roll);
  const inventory = isInventory ? file : join(home, 'inventories/lab.yaml');
  return { number, file, did: spoilt.did, inventory, text: spoilt.text, original: text };
}

type Outcome = { readonly valid: true } | { readonly problems: readonly Problem[] } | { readonly crash: unknown };

function outcomeOf(inventory: string): Outcome {
  try {
    begin(planOf(inventory));
    return { valid: true };
  } catch (error) {
    return error instanceof Invalid ? { problems: error.problems } : { crash: error };
  }
}

/** Runs a case with its file in place; `seconds` are the processor's, which other programs may have wanted, too. */
function run(each: Case): { readonly outcome: Outcome; readonly seconds: number } {
  writeFileSync(each.file, each.text);
  try {
    const before = process.threadCpuUsage();
    const outcome = outcomeOf(each.inventory);
    const { user, system } = process.threadCpuUsage(before);
    return { outcome, seconds: (user + system) / 1e6 };
  } finally {
    writeFileSync(each.file, each.original);
  }
}

// --- what is asked of problems -------------------------------------------------------------------------------------------

const stack = /^\s+at .+:\d+:\d+\)?$|node:internal|\b(Type|Range|Reference|Syntax)Error\b/m;

function complaints(problem: Problem, each: Case): string[] {
  const { code, message, place, hint = '' } = problem;
  const said = `${message}\n${hint}\n${place?.frame ?? ''}`;
  return [
    ...(Object.hasOwn(problemCodes, code) ? [] : [`unknown code ${code}`]),
    ...(message.trim() === '' ? ['no message'] : []),
    ...(stack.test(said) ? [`a stack: ${said}`] : []),
    ...(said.includes('[object Object]') ? [`an object: ${said}`] : []),
    // eslint-disable-next-line no-control-regex -- what a terminal would act on
    ...(/[\0-\x08\x0b-\x1f\x7f\x9b]/.test(said) ? [`control characters: ${JSON.stringify(said.slice(0, 300))}`] : []),
    ...(message.length > 1000 ? [`a message of ${message.length} characters: ${message.slice(0, 100)}`] : []),
    ...misplaced(problem, each),
  ];
}

/** A place is one in a file that is there, on one of its lines. */
function misplaced({ place, code }: Problem, each: Case): string[] {
  if (!place) return [`${code} has no place`];
  const { file, line, column } = place;
  if (!Number.isInteger(line) || !Number.isInteger(column)) return [`${code} at ${line}:${column}`];
  const text = file === each.file ? each.text.toString() : existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  // What is not there at all is told at its first line.
  if (text === undefined) return code === 'file-unreadable' ? [] : [`${code} in ${file}, which is not there`];
  if (each.text.includes('\0') || code === 'yaml-encoding') return [];
  const lines = text.replace(/^\uFEFF/, '').split(file.endsWith('.hbs') ? /\r\n?|\n/ : '\n');
  const within = line >= 1 && line <= lines.length && column >= 1 && column <= lines[line - 1]!.length + 1;
  return within ? [] : [`${code} at ${line}:${column}, and the file has ${lines.length} lines`];
}

const shown = (each: Case): string => `case ${each.number} of CELLWISE_SEED=${seed}: ${relative(home, each.file)}, ${each.did.join(', ')}`;

describe('1,000 spoilt inventories and roles', () => {
  const codes = new Map<string, number>();
  const invalid: Case[] = [];
  let valid = 0;
  let slowest = { seconds: 0, of: '' };

  test('end in a valid plan or in problems that have a code, a sentence and a place, within a second each', { timeout: 600_000 }, () => {
    const wrong: string[] = [];
    // The first pays for compiling; it is no case.
    expect(outcomeOf(join(home, 'inventories/lab.yaml'))).toEqual({ valid: true });
    for (let number = 0; number < cases; number++) {
      const each = caseOf(number);
      const { outcome, seconds } = run(each);
      if (seconds > slowest.seconds) slowest = { seconds, of: shown(each) };
      if (seconds > 1) wrong.push(`${shown(each)}: ${seconds.toFixed(2)} s`);
      if ('crash' in outcome) wrong.push(`${shown(each)}: ${crashText(outcome.crash)}`);
      if ('valid' in outcome) valid += 1;
      if (!('problems' in outcome)) continue;
      invalid.push(each);
      for (const { code } of outcome.problems) codes.set(code, (codes.get(code) ?? 0) + 1);
      const found = new Set(outcome.problems.flatMap((problem) => complaints(problem, each)));
      if (outcome.problems.length === 0) found.add('refused without a problem');
      if (found.size > 0) wrong.push(`${shown(each)}:\n    ${[...found].slice(0, 3).join('\n    ')}`);
    }
    process.stderr.write(
      `[mutations] ${cases} cases: ${valid} valid, ${invalid.length} refused with ${codes.size} codes; slowest ${slowest.seconds.toFixed(2)} s (${slowest.of})\n`,
    );
    if (wrong.length > 0) process.stderr.write(`${wrong.join('\n')}\n`);
    expect(wrong).toEqual([]);
  });

  // What chance hardly finds.
  const inventory = 'inventories/lab.yaml';
  const role = 'roles/kitchen/role.yaml';
  const hosts = (range: (i: number) => string, count: number) =>
    Array.from({ length: count }, (_, i) => `  ${range(i)}: { address: 10.77.0.21, kind: compute }`).join('\n');
  const devices = Array.from({ length: 30_000 }, (_, i) => `/dev/d${i}`).join(', ');
  const long = 'c'.repeat(20_000);
  // 255 such ranges would fit into 10.0.0.0/8: 17 million hosts from a text of 12 KB.
  test('8 ranges of 65,536 hosts each', () => {
    const ranges = Array.from({ length: 8 }, (_, i) => `  h${i}x[1-65536]: { address: 10.${i % 256}.0.1, kind: compute }`);
    const { problems } = readInventory(
      'inventory.yaml',
      `cloud: { name: lab, release: "2025.1" }\nnetworks: { management: { cidr: 10.0.0.0/8 } }\nhosts:\n${ranges.join('\n')}\n`,
    );
    expect(problems.map(({ code }) => code)).toContain('bad-range');
  });

  test.each<[name: string, file: string, from: string, to: string]>([
    ['3,000 hosts that are all wrong', inventory, 'hosts:', `hosts:\n${hosts((i) => `h${i}_`, 3000)}`],
    ['30,000 disks, one of them twice', inventory, 'kind: storage', `kind: storage, disks: [${devices}, /dev/d0]`],
    [
      'a long name of a cell, and one like it',
      inventory,
      'hosts:',
      `cells:\n  ? ${long}\n  : {}\nhosts:\n  x1: { address: 10.77.0.99, kind: compute, cell: ${long.slice(1)}x }`,
    ],
    ['an unknown name in the URL of an API', role, 'url: http://{{host.address}}', 'url: http://{{host.adress}}'],
    ['a broken template in the URL of an API', role, 'url: http://{{host.address}}', 'url: http://{{host.address'],
    ['an unknown name in what is watched', role, 'watches: [/srv/kitchen/menu.conf', 'watches: ["{{nobody}}"'],
    ['an unknown name in the name of a step', role, 'group: kitchen', 'group: "{{nobody}}"'],
    ['an unknown name as the key of a param', role, "/kitchen: '.*'", '"{{nobody}}": ".*"'],
    ['a secret in a path', role, 'directory: /srv/kitchen', 'directory: /srv/{{password}}'],
    ['a secret as an owner', role, 'owner: kitchen:kitchen', 'owner: "{{password}}:kitchen"'],
    ['a secret as the target of a link', role, 'target: /srv/kitchen/menu.conf', 'target: "{{password}}"'],
    ['a secret as a package', role, "package: '{{os.packages}}'", 'package: [less, "{{password}}"]'],
    ['a secret in a command line', role, 'command: kitchen --cook', 'command: kitchen --cook {{password}}'],
    ['a secret as the name of a user', role, 'mysql-user: kitchen', 'mysql-user: "{{password}}"'],
    ['a secret in a description', role, 'description: Meals', 'description: "{{password}}"'],
    ['a NUL in a path', role, 'directory: /srv/kitchen', 'directory: "/srv/\\0"'],
    ['a setting of two lines', role, "value: '{{tea}}'", 'value: "a\\nb"'],
    ['a setting with a blank before it', role, "value: '{{tea}}'", 'value: " a"'],
    ['a group printed as text', role, 'target: /srv/kitchen/menu.conf', 'target: "/srv/{{host}}"'],
    ['everything printed as text', role, 'target: /srv/kitchen/menu.conf', 'target: "/srv/{{this}}{{@root}}"'],
    ['a list of groups printed as text', role, 'target: /srv/kitchen/menu.conf', 'target: "/srv/{{hosts}}"'],
    ['a needed role that needs it', role, 'needs: [base, mariadb]', 'needs: [kitchen]'],
    ['a schema that is a list', 'roles/kitchen/params.schema.json', '"type": "object"', '"type": "object", "properties": ['],
    [
      'a param that is no schema',
      'roles/kitchen/params.schema.json',
      '{ "type": "integer", "default": 8080, "description": "TCP port." }',
      'null',
    ],
    ['an unknown type of a param', 'roles/kitchen/params.schema.json', '"integer"', '"int"'],
    ['a pattern that is none', 'roles/kitchen/params.schema.json', '"type": "string", "enum"', '"type": "string", "pattern": "(", "enum"'],
    ['a default that its own schema refuses', 'roles/kitchen/params.schema.json', '"default": 8080', '"default": "many"'],
  ])('%s', (_name, file, from, to) => {
    const original = readFileSync(join(home, file));
    const text = Buffer.from(original.toString().replace(from, () => to));
    expect(text.equals(original)).toBe(false);
    const each: Case = { number: -1, file: join(home, file), did: [], inventory: join(home, inventory), text, original };
    const { outcome, seconds } = run(each);
    if ('crash' in outcome) throw outcome.crash;
    expect('valid' in outcome ? 'valid' : outcome.problems.slice(0, 50).flatMap((problem) => complaints(problem, each))).toEqual([]);
    expect(seconds).toBeLessThan(1);
  });

  test('reach most of what can be wrong', () => {
    expect(valid).toBeGreaterThan(cases / 20);
    expect(invalid.length).toBeGreaterThan(cases / 2);
    expect(codes.size).toBeGreaterThan(20);
  });

  test('twenty of them through the command line: exit code 3, no stack', { timeout: 120_000 }, async () => {
    const chosen = invalid.filter((_, i) => i % Math.floor(invalid.length / 20) === 0).slice(0, 20);
    expect(chosen.length).toBe(20);
    for (const each of chosen) {
      writeFileSync(each.file, each.text);
      const { code, out, err } = await cellwise('validate', '-i', each.inventory);
      writeFileSync(each.file, each.original);
      expect({ case: shown(each), code, out }).toEqual({ case: shown(each), code: 3, out: '' });
      expect(err, shown(each)).toMatch(/:\d+:\d+: error .+ \[[a-z-]+\]/);
      expect(err, shown(each)).not.toMatch(stack);
    }
  });
});

function crashText(crash: unknown): string {
  return crash instanceof Error ? (crash.stack ?? crash.message).split('\n').slice(0, 6).join('\n') : String(crash);
}

function cellwise(...words: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((done) => {
    execFile(process.execPath, [join(home, 'src/cli/main.ts'), ...words], { maxBuffer: 1 << 28 }, (error, out, err) => {
      done({ code: error ? Number(error.code) : 0, out, err });
    });
  });
}
