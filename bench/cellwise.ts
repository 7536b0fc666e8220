import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'rolldown';
import { network, type Fleet } from './fleet.ts';
import type { FloorTask } from './floor.ts';
import { cloud, floorAnswer, floorScript, steps, templates } from './steps.ts';
import type { Tool } from './tool.ts';

const root = join(import.meta.dirname, '..');

/** The built program as it is installed, in `directory`, but with these roles. Returns what `node` is to run. */
export function install(directory: string, roles: (into: string) => void): string {
  mkdirSync(directory);
  for (const part of ['dist', 'schemas', 'package.json']) cpSync(join(root, part), join(directory, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  roles(join(directory, 'roles'));
  return join(directory, 'dist/cli/main.js');
}

/** A program of the benchmark as plain JavaScript beside an installed Cellwise, so that its start is not spent on types. */
export async function compile(directory: string, name: string): Promise<string> {
  const file = join(directory, 'dist/cli', `${name}.js`);
  const input = join(import.meta.dirname, `${name}.ts`);
  await build({ input, platform: 'node', external: ['ssh2'], logLevel: 'silent', output: { file, codeSplitting: false } });
  return file;
}

/** The roles that come with Cellwise. */
export function shippedRoles(into: string): void {
  cpSync(join(root, 'roles'), into, { recursive: true });
}

/** Cellwise with the benchmark's steps as its only role. */
export function cellwise(directory: string, fleet: Fleet): Tool {
  const main = install(join(directory, 'cellwise'), benchRole);
  const inventory = join(directory, 'bench.yaml');
  writeFileSync(inventory, inventoryText(fleet));
  return {
    name: 'Cellwise',
    command: [process.execPath, main, 'apply', '--yes', '-i', inventory],
    verify: (out, changes) => {
      const [, ok, changed, failed] = (/^(\d+) ok, (\d+) changed, (\d+) failed in /m.exec(out) ?? []).map(Number);
      const all = fleet.hosts.length;
      if (changed !== changes * all || ok !== (steps.length - changes) * all || failed !== 0)
        throw new Error(`${changes} changes on each of ${all} hosts were expected`);
    },
  };
}

/** Round trips a host, as the summary says. */
export function roundTrips(out: string): number {
  return Number(/([\d.]+) round trips? a host/.exec(out)?.[1]);
}

// JSON is YAML, too.
function benchRole(into: string): void {
  const directory = join(into, 'bench');
  mkdirSync(join(directory, 'templates'), { recursive: true });
  const role = {
    role: 'bench',
    summary: 'The steps of the benchmark.',
    on: ['controller', 'compute'],
    scope: 'host',
    steps: steps.map((step) => step.cellwise),
  };
  writeFileSync(join(directory, 'role.yaml'), JSON.stringify(role, null, 2));
  const marks = { name: '{{host.name}}', address: '{{host.address}}' };
  for (const [name, text] of templates(marks)) writeFileSync(join(directory, 'templates', `${name}.hbs`), text);
}

function inventoryText({ hosts, identity, knownHosts }: Fleet): string {
  return JSON.stringify(
    {
      cloud: { name: cloud, release: '2025.1' },
      networks: { management: { cidr: network } },
      ssh: { user: 'root', identity, known_hosts: knownHosts, agent: false, config: false },
      hosts: Object.fromEntries(hosts.map(({ name, address }, i) => [name, { address, kind: i === 0 ? 'controller' : 'compute' }])),
    },
    null,
    2,
  );
}

/** The floor as a program of its own; Cellwise is installed in `directory`. */
export async function floor(directory: string, { hosts, identity }: Fleet): Promise<Tool> {
  const program = await compile(join(directory, 'cellwise'), 'floor');
  const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
  const task: FloorTask = { identity, script: floorScript, hosts: hosts.map((host) => ({ ...host, answer: floorAnswer(host, digest) })) };
  const file = join(directory, 'floor.json');
  writeFileSync(file, JSON.stringify(task));
  return {
    name: 'floor',
    command: [process.execPath, program, file],
    verify: (out) => {
      if (!out.startsWith(`all as it should be on ${hosts.length} hosts`)) throw new Error('hosts are not as they should be');
    },
  };
}
