import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { median } from './measure.ts';
import type { Scaled } from './scale.ts';
import { spoilt, steps } from './steps.ts';

export interface Sample {
  readonly seconds: number;
  /** Processor seconds of the deployer. */
  readonly cpu: number;
  /** Processor seconds of one host, on average. */
  readonly hostCpu: number | undefined;
}

/** What one tool took for one kind of run. */
export interface Row {
  readonly kind: 'no-op' | 'change';
  readonly tool: string;
  readonly samples: readonly Sample[];
}

export interface Results {
  readonly hosts: number;
  readonly rows: readonly Row[];
  /** Round trips a host of Cellwise. */
  readonly trips: { readonly noop: number; readonly change: number };
  readonly scaled: readonly Scaled[];
  readonly versions: ReadonlyMap<string, string>;
  readonly quick: boolean;
}

/** Prints the figures and writes them to `file`; a quick run, which has no rivals, only prints. */
export function write(results: Results, file: string): void {
  const text = [...runs(results), '', ...fleetOf(results), '', ...goals(results)].join('\n');
  console.log(text);
  if (!results.quick) writeFileSync(file, `${[...head(results), text].join('\n')}\n${notes(file)}`);
}

/** What people wrote below the figures stays. */
function notes(file: string): string {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const at = text.indexOf('\n## ');
  return at < 0 ? '' : text.slice(at);
}

function head({ hosts, versions, trips }: Results): string[] {
  return [
    '# How fast',
    '',
    'Written by `npm run bench [-- --hosts N] [--runs N] [--slow-runs N] [--quick]`; as root, on Debian or Ubuntu with a Docker engine.',
    `It starts N containers, runs the same ${steps.length} steps on each by Cellwise, by Ansible and by Ansible under Mitogen, checks that each`,
    'found and changed exactly what it should, and removes the containers. `--quick` leaves the rivals out and writes no file.',
    '',
    `The steps: 20 files (8 of them templates), 10 directories, 10 settings in INI files, 5 links, 5 kernel settings, 3 groups, 3 users,`,
    `3 units, 2 packages in one step. The changing run begins with ${spoilt} of them spoilt on every host. Deployer and hosts share one machine, and`,
    'there is no network between them to speak of: this is about work, not about latency.',
    '',
    '* Floor: one ssh2 connection and one hand-written script a host, in one exec; no inventory, no plan, no lock.',
    '* Ansible: pipelining, as many forks as hosts, connections kept (ControlPersist), no facts, the interpreter given.',
    '* Whole processes, in turns, medians. Before that each is run once and not counted; Ansible and Mitogen with one ping a host instead, which',
    '  opens the kept connections, because a whole run takes minutes.',
    '* Processor time of the deployer counts the children it waited for; that of a host is what its container used meanwhile.',
    '',
    `${new Date().toISOString().slice(0, 10)}, ${hosts} hosts. ${machine()}`,
    '',
    `Cellwise ${commit()}, Node ${process.versions.node}, ${[...versions].map(([name, version]) => `${name} ${version}`).join(', ')}.`,
    `Round trips a host of Cellwise, behind SSH's own handshake: ${trips.noop} without changes, ${trips.change} with ${spoilt} changes.`,
    '',
  ];
}

function machine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor';
  return `${availableParallelism()} cores (${model}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}; load at the end ${loadavg()[0]!.toFixed(1)}.`;
}

function commit(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' }).trim();
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', '--', '../src', '../roles') === '' ? '' : ' with changes'}`;
  } catch {
    return 'of an unknown commit';
  }
}

function runs({ rows }: Results): string[] {
  const lines = rows.map(({ kind, tool, samples }) => {
    const own = seconds(rows, kind, 'Cellwise');
    const wall = median(samples.map((each) => each.seconds));
    const host = samples.map((each) => each.hostCpu ?? NaN);
    return `| ${kind} | ${tool} | ${wall.toFixed(2)} s | ${spread(samples)} | ${ratio(wall / own)} | ${median(samples.map((each) => each.cpu)).toFixed(2)} s | ${Number.isNaN(median(host)) ? '–' : `${median(host).toFixed(3)} s`} |`;
  });
  return [
    '| run | tool | wall | fastest–slowest (runs) | × Cellwise | CPU, deployer | CPU, one host |',
    '|---|---|---|---|---|---|---|',
    ...lines,
  ];
}

function spread(samples: readonly Sample[]): string {
  const all = samples.map((each) => each.seconds);
  return `${Math.min(...all).toFixed(2)}–${Math.max(...all).toFixed(2)} (${all.length})`;
}

function fleetOf({ scaled }: Results): string[] {
  return [
    '| without a host | wall | CPU | peak memory |',
    '|---|---|---|---|',
    ...scaled.map(({ what, seconds: wall, cpu, megabytes, failure }) =>
      failure !== undefined
        ? `| ${what} | ${failure} | | |`
        : `| ${what} | ${wall.toFixed(2)} s | ${cpu.toFixed(2)} s | ${Math.round(megabytes)} MiB |`,
    ),
  ];
}

interface Goal {
  readonly what: string;
  readonly wanted: string;
  readonly found: number;
  readonly reached: boolean;
}

function goals({ rows, scaled }: Results): string[] {
  const times = (kind: Row['kind'], tool: string): number => seconds(rows, kind, tool) / seconds(rows, kind, 'Cellwise');
  const atLeast = (what: string, found: number, wanted: number): Goal => ({
    what,
    wanted: `≥ ${wanted} ×`,
    found,
    reached: found >= wanted,
  });
  const above = 1 / times('no-op', 'floor');
  const all: Goal[] = [
    { what: 'no-op, against the floor', wanted: '≤ 1.5 ×', found: above, reached: above <= 1.5 },
    atLeast('no-op, faster than Ansible', times('no-op', 'Ansible'), 100),
    atLeast('no-op, faster than Mitogen', times('no-op', 'Mitogen'), 25),
    atLeast(`${spoilt} of ${steps.length} changed, faster than Ansible`, times('change', 'Ansible'), 30),
  ];
  return [
    '| target | wanted | found | |',
    '|---|---|---|---|',
    ...all
      .filter(({ found }) => !Number.isNaN(found))
      .map(({ what, wanted, found, reached }) => `| ${what} | ${wanted} | ${ratio(found)} | ${verdict(reached)} |`),
    ...scaled.filter(({ limit }) => limit !== undefined).map((each) => scaledGoal(each)),
  ];
}

function scaledGoal({ what, limit = NaN, seconds: wall, megabytes, failure }: Scaled): string {
  if (failure !== undefined) return `| ${what} | ≤ ${limit} s, ≤ 1 GiB | ${failure} | ${verdict(false)} |`;
  const reached = wall <= limit && megabytes <= 1024;
  return `| ${what} | ≤ ${limit} s, ≤ 1 GiB | ${wall.toFixed(2)} s, ${(megabytes / 1024).toFixed(2)} GiB | ${verdict(reached)} |`;
}

function verdict(reached: boolean): string {
  return reached ? 'reached' : '**missed**';
}

function ratio(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 0)} ×`;
}

/** The median of a tool; NaN when it was not run. */
function seconds(rows: readonly Row[], kind: Row['kind'], tool: string): number {
  return median(rows.find((row) => row.kind === kind && row.tool === tool)?.samples.map((each) => each.seconds) ?? [NaN]);
}
