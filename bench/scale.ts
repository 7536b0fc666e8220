import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatAddress, parseAddress } from '../src/base/ipv4.ts';
import { compile, install, shippedRoles } from './cellwise.ts';
import { measure } from './measure.ts';

/** What one command took for a whole fleet, without a host. */
export interface Scaled {
  readonly what: string;
  /** What the issue asks for, in seconds; left out: measured for its own sake. */
  readonly limit?: number;
  readonly seconds: number;
  readonly cpu: number;
  /** The most memory that the process held at once. */
  readonly megabytes: number;
  /** It did not get to its end: how it ended. */
  readonly failure?: string;
}

// Written at the end of the process, by itself: the peak is the kernel's own count.
const peakScript = `process.on('exit', () => require('node:fs').writeFileSync(process.env.BENCH_PEAK, String(process.resourceUsage().maxRSS)));`;

/** Validates a fleet of so many hosts, written as ranges and one by one, and makes its graph. */
export async function scale(hosts: number, runs: number, directory: string): Promise<Scaled[]> {
  mkdirSync(directory);
  const main = install(join(directory, 'cellwise'), shippedRoles);
  const [ranges, single] = [join(directory, 'ranges.yaml'), join(directory, 'single.yaml')];
  writeFileSync(ranges, inventory(rangesOf(hosts)));
  writeFileSync(single, inventory(singleOf(hosts)));
  const program = await compile(join(directory, 'cellwise'), 'planned');
  const validate = (file: string): string[] => [process.execPath, main, 'validate', '-i', file];
  const printed = [process.execPath, main, 'graph', '--format', 'json', '-i', single];
  const planned = await middling('planned as a graph', [process.execPath, program, single], runs, directory);
  const graph = planned.failure === undefined ? readFileSync(join(directory, 'out'), 'utf8').trim() : '';
  return [
    { ...(await middling(`validate, ${hosts} hosts as ranges`, validate(ranges), runs, directory)), limit: 2 },
    { ...(await middling(`validate, ${hosts} hosts one by one`, validate(single), runs, directory)), limit: 2 },
    { ...planned, what: `planned as a graph, ${hosts} hosts: ${graph}`, limit: 5 },
    await middling(`the same, checked and printed as JSON (\`graph --format json\`)`, printed, runs, directory),
  ];
}

/** The run of median length, behind one that is not counted. */
async function middling(what: string, command: readonly string[], runs: number, directory: string): Promise<Scaled> {
  const peak = join(directory, 'peak');
  const hook = join(directory, 'peak.cjs');
  writeFileSync(hook, peakScript);
  const env = { ...process.env, NODE_OPTIONS: `--require ${hook}`, BENCH_PEAK: peak };
  const all: Scaled[] = [];
  for (let run = 0; run <= runs; run++) {
    const { seconds, cpu, code, out } = await measure(command, join(directory, 'out'), env);
    if (code !== 0)
      return { what, seconds, cpu, megabytes: NaN, failure: `exit code ${code}${out.includes('out of memory') ? ', out of memory' : ''}` };
    if (run > 0) all.push({ what, seconds, cpu, megabytes: Number(readFileSync(peak, 'utf8')) / 1024 });
  }
  return all.toSorted((a, b) => a.seconds - b.seconds)[Math.floor(all.length / 2)]!;
}

/** Three controllers, 99 storage hosts, the others compute hosts in ten cells. */
function rangesOf(hosts: number): string {
  const perCell = (hosts - 102) / 10;
  const cells = Array.from({ length: 10 }, (_, cell) => {
    const size = Math.floor((cell + 1) * perCell) - Math.floor(cell * perCell);
    const address = formatAddress(first + 256 + Math.floor(cell * perCell));
    return `  c${cell + 1}cmp[0001-${String(size).padStart(4, '0')}]: { address: ${address}, kind: compute, cell: cell${cell + 1} }`;
  });
  return [
    `  ctl[1-3]: { address: ${formatAddress(first)}, kind: controller }`,
    `  sto[01-99]: { address: ${formatAddress(first + 100)}, kind: storage }`,
    ...cells,
  ].join('\n');
}

const first = parseAddress('10.64.0.11')!;

function singleOf(hosts: number): string {
  return Array.from({ length: hosts }, (_, i) => {
    const line = (name: string, kind: string): string => `  ${name}: { address: ${formatAddress(first + i)}, kind: ${kind} }`;
    if (i < 3) return line(`ctl${i + 1}`, 'controller');
    if (i < 102) return line(`sto${i - 2}`, 'storage');
    return line(`cmp${i - 101}`, `compute, cell: cell${(i % 10) + 1}`);
  }).join('\n');
}

function inventory(hosts: string): string {
  const cells = Array.from({ length: 10 }, (_, i) => `  cell${i + 1}: {}`).join('\n');
  return `cloud: { name: fleet, release: '2025.1' }
networks:
  management: { cidr: 10.64.0.0/16 }
cells:
${cells}
hosts:
${hosts}
`;
}
