// `npm run bench [-- --hosts N]`: how fast Cellwise is, beside the floor, Ansible and Mitogen, on N containers; and what
// it takes to read 10,000 hosts. Nothing is asserted but that every tool found, and changed, exactly what it should.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ansible, ansibleRoot, ansibleVersions } from './ansible.ts';
import { cellwise, floor, roundTrips } from './cellwise.ts';
import { bringUp, takeDown, type Fleet } from './fleet.ts';
import { containerCpu } from './measure.ts';
import { write, type Row, type Sample } from './results.ts';
import { scale, type Scaled } from './scale.ts';
import { spoilt } from './steps.ts';
import { runTool, type Tool } from './tool.ts';

interface Options {
  readonly hosts: number;
  /** How often the fast ones are run, and the slow ones, behind a first run of each that is not counted. */
  readonly runs: number;
  readonly slowRuns: number;
  /** Without Ansible and Mitogen. */
  readonly quick: boolean;
  /** Leave the machines up, for a profile. */
  readonly keep: boolean;
}

const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'cellwise-bench');
const say = (text: string): void => {
  process.stderr.write(`[bench] ${text}\n`);
};

const options = readOptions();
mkdirSync(cache, { recursive: true });
const directory = mkdtempSync(join(tmpdir(), 'cellwise-bench-'));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void cleanUp().finally(() => process.exit(130)));
try {
  const root = options.quick ? undefined : ansibleRoot(cache, say);
  const scaled = await scaleUp();
  const fleet = await bringUp(options.hosts, cache, say);
  const { rows, trips } = await race(fleet, root);
  const versions = root === undefined ? new Map<string, string>() : ansibleVersions(root);
  // Not a figure but a defect.
  if (scaled.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
  write({ hosts: options.hosts, rows, trips, scaled, versions, quick: options.quick }, join(import.meta.dirname, 'RESULTS.md'));
} finally {
  await cleanUp();
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      hosts: { type: 'string', default: '20' },
      runs: { type: 'string', default: '5' },
      'slow-runs': { type: 'string', default: '1' },
      quick: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
    },
  });
  const number = (text: string): number => {
    if (!/^[1-9]\d?$/.test(text)) throw new Error(`${text} is no number from 1 to 99`);
    return Number(text);
  };
  const { hosts, runs, 'slow-runs': slowRuns, quick, keep } = values;
  return { hosts: number(hosts), runs: number(runs), slowRuns: number(slowRuns), quick, keep };
}

async function scaleUp(): Promise<Scaled[]> {
  say('reading 10,000 hosts');
  return scale(10_000, Math.min(3, options.runs), join(directory, 'scale'));
}

async function race(fleet: Fleet, root: string | undefined): Promise<{ rows: Row[]; trips: { noop: number; change: number } }> {
  const own = cellwise(directory, fleet);
  const below = await floor(directory, fleet);
  const slow = root === undefined ? [] : Object.values(ansible(directory, root, fleet));
  say('first apply: makes everything');
  await runTool({ ...own, verify: any }, 0, directory);
  const fast = new Map<Tool, number>([below, own].map((tool) => [tool, options.runs]));
  const noop = await alternate('no-op', fleet, new Map([...fast, ...slow.map((tool) => [tool, options.slowRuns] as const)]), 0);
  const changers = new Map([[own, Math.min(3, options.runs)] as const, ...slow.map((tool) => [tool, options.slowRuns] as const)]);
  const change = await alternate('change', fleet, changers, spoilt);
  return { rows: [...noop.rows, ...change.rows], trips: { noop: noop.trips, change: change.trips } };
}

/** Warms all up, then runs them in turns, each so often. */
async function alternate(
  kind: Row['kind'],
  fleet: Fleet,
  tools: ReadonlyMap<Tool, number>,
  changes: number,
): Promise<{ rows: Row[]; trips: number }> {
  const samples = new Map<Tool, Sample[]>([...tools.keys()].map((tool) => [tool, []]));
  let trips = NaN;
  for (let round = 0; round <= Math.max(...tools.values()); round++) {
    for (const [tool, runs] of tools) {
      if (round > runs) continue;
      const { sample, out } =
        round === 0 && tool.warmUp ? await one({ ...tool, command: tool.warmUp, verify: any }, 0, fleet) : await one(tool, changes, fleet);
      if (tool.name === 'Cellwise') trips = roundTrips(out);
      if (round > 0) samples.get(tool)!.push(sample);
      say(`${kind}, ${round === 0 ? 'warm-up' : `${round} of ${runs}`}: ${tool.name} ${sample.seconds.toFixed(2)} s`);
    }
  }
  return { rows: [...samples].map(([{ name }, each]) => ({ kind, tool: name, samples: each })), trips };
}

/** For runs whose outcome is not counted. */
function any(): void {
  // Whatever it found is fine.
}

async function one(tool: Tool, changes: number, fleet: Fleet): Promise<{ sample: Sample; out: string }> {
  if (changes > 0) await fleet.spoil();
  // What the last run left to do on the hosts (sessions that end, logs) is not this one's.
  await delay(2000);
  const ids = fleet.hosts.map(({ container }) => container);
  const before = containerCpu(ids);
  const { seconds, cpu, out } = await runTool(tool, changes, directory);
  // Sessions end a moment after the process that opened them.
  await delay(500);
  const after = containerCpu(ids);
  const hostCpu = before === undefined || after === undefined ? undefined : (after - before) / fleet.hosts.length;
  return { sample: { seconds, cpu, hostCpu }, out };
}

async function cleanUp(): Promise<void> {
  if (options.keep) {
    say(`left as it is: ${directory}, and the machines of the lab bench; the next run takes them down`);
    return;
  }
  rmSync(directory, { recursive: true, force: true });
  await takeDown(cache, say);
}
