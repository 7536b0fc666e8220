import { nearest } from '../base/problem.ts';
import { portion } from '../base/waves.ts';
import type { Fault, Path } from '../document/document.ts';
import type {
  Hook,
  Host,
  Inventory,
  Kind,
  UpgradePolicy,
  UpgradeRun,
  Written,
  WrittenHook,
  WrittenPolicy,
  WrittenUpgrade,
} from './types.ts';

/** Where a command runs that is not for a host. */
export const deployer = 'deployer';

// Controllers, storage hosts and those of cells hold quorums, network hosts everybody's routers: one at a time. Machines go on
// running while their host is upgraded.
const defaults: Readonly<Record<Kind, WrittenPolicy>> = {
  controller: { canary: 0, wave: 1, max_unavailable: 1 },
  network: { canary: 0, wave: 1, max_unavailable: 1 },
  storage: { canary: 0, wave: 1, max_unavailable: 1 },
  cell: { canary: 0, wave: 1, max_unavailable: 1 },
  compute: { canary: 1, wave: '10%', max_unavailable: '10%' },
};

/** The policy for hosts of a kind, in a cell or in none: the cell's section wins over the kind's, and that over the cloud's. */
export function policyOf(
  { upgrade, kindUpgrades, cells }: Pick<Inventory, 'upgrade' | 'kindUpgrades' | 'cells'>,
  kind: Kind,
  cell?: string,
): UpgradePolicy {
  const ofCell = kind === 'compute' ? cells.find(({ name }) => name === cell)?.upgrade : undefined;
  const levels = [defaults[kind], kind === 'compute' ? upgrade : common(upgrade), kindUpgrades[kind], ofCell ?? {}];
  const written = Object.assign({}, ...levels) as WrittenPolicy;
  const pause = Object.assign({}, ...levels.map((level) => level.pause ?? {})) as NonNullable<WrittenPolicy['pause']>;
  return {
    canary: written.canary!,
    wave: written.wave!,
    maxUnavailable: written.max_unavailable!,
    failures: written.failures ?? 0,
    pause: Object.fromEntries(Object.entries(pause).map(([at, value]) => [at, value === 'ask' ? 'ask' : secondsOf(value)])),
    drain: written.drain ?? 'none',
    gates: (written.gates ?? []).map(hookOf),
    hooks: {
      beforeWave: (written.hooks?.before_wave ?? []).map(hookOf),
      afterWave: (written.hooks?.after_wave ?? []).map(hookOf),
    },
  };
}

/** What the cloud's section says of waves is meant for computes: quorums of others would not survive it. */
function common({ gates, hooks }: WrittenUpgrade): WrittenPolicy {
  return { ...(gates ? { gates } : {}), ...(hooks ? { hooks } : {}) };
}

export function runOf({ upgrade, cells }: Pick<Inventory, 'upgrade' | 'cells'>): UpgradeRun {
  const first = upgrade.cells ?? [];
  const others = cells.map(({ name }) => name).filter((name) => !first.includes(name));
  return { cells: [...first, ...others], failures: upgrade.all_failures ?? 0, otherCells: upgrade.other_cells ?? 'wait' };
}

function hookOf({ run, on = deployer, within = '60s' }: WrittenHook): Hook {
  return { run, on, within: secondsOf(within) };
}

/** `90s`, `10m`, `2h` in seconds. */
function secondsOf(text: string): number {
  return Number.parseInt(text, 10) * { s: 1, m: 60, h: 3600 }[text.at(-1) as 's' | 'm' | 'h'];
}

type Data = Omit<Inventory, 'document'>;

/** What is wrong with the sections for upgrades, beyond their shape. */
export function checkUpgrades(inventory: Data, written: Written): Fault[] {
  const sections = [
    { policy: written.upgrade, path: ['upgrade'], kind: 'compute' as const, cell: undefined },
    ...Object.entries(written.kinds ?? {}).map(([kind, of]) => ({
      policy: of.upgrade,
      path: ['kinds', kind, 'upgrade'],
      kind: kind as Kind,
      cell: undefined,
    })),
    ...Object.entries(written.cells ?? {}).map(([cell, of]) => ({
      policy: of.upgrade,
      path: ['cells', cell, 'upgrade'],
      kind: 'compute' as const,
      cell,
    })),
  ];
  return [
    ...unknownCells(inventory, written.upgrade?.cells ?? []),
    ...sections.flatMap(({ policy, path, kind, cell }) => {
      if (!policy) return [];
      const group = inventory.hosts.filter((host) => host.state === 'present' && belongs(host, kind, cell));
      return [...canaries(inventory, policy, path, group), ...hookHosts(inventory, policy, path), ...quorum(policy, path, kind, group)];
    }),
  ];
}

function belongs(host: Host, kind: Kind, cell: string | undefined): boolean {
  return host.kinds.includes(kind) && (cell === undefined || host.cell === cell);
}

function unknownCells({ cells }: Data, order: readonly string[]): Fault[] {
  const names = cells.map(({ name }) => name);
  return order.flatMap((name, i) => (names.includes(name) ? [] : [unknown('cell', name, names, ['upgrade', 'cells', i])]));
}

function unknown(what: 'host' | 'cell', name: string, names: readonly string[], path: Path): Fault {
  const near = nearest(name, names);
  const message = `There is no ${what} ${name}`;
  const hint = near === undefined ? `Name one that the inventory has under ${what}s` : `Did you mean "${near}"?`;
  return { code: `unknown-${what}`, path, message, hint };
}

function canaries({ hosts }: Data, { canary }: WrittenPolicy, path: Path, group: readonly Host[]): Fault[] {
  if (!Array.isArray(canary)) return [];
  return (canary as readonly string[]).flatMap((name, i): Fault[] => {
    const at = [...path, 'canary', i];
    if (group.some((host) => host.name === name)) return [];
    if (!hosts.some((host) => host.name === name))
      return [
        unknown(
          'host',
          name,
          hosts.map((host) => host.name),
          at,
        ),
      ];
    const whose =
      path[0] === 'cells' ? `a compute host of ${String(path[1])}` : `a ${path[0] === 'kinds' ? String(path[1]) : 'compute'} host`;
    return [{ code: 'upgrade-canary', path: at, message: `${name} is not ${whose}`, hint: 'Take a host that the section is about' }];
  });
}

function hookHosts({ hosts }: Data, { gates = [], hooks = {} }: WrittenPolicy, path: Path): Fault[] {
  const all = [
    ...gates.map((gate, i) => ({ gate, at: [...path, 'gates', i] })),
    ...Object.entries(hooks).flatMap(([when, some]) => some.map((gate, i) => ({ gate, at: [...path, 'hooks', when, i] }))),
  ];
  const names = hosts.map(({ name }) => name);
  return all.flatMap(({ gate: { on = deployer }, at }) =>
    on === deployer || names.includes(on) ? [] : [unknown('host', on, [...names, deployer], [...at, 'on'])],
  );
}

/** Databases run on controllers and monitors on storage hosts: more than half of them has to stay. */
function quorum({ max_unavailable: most }: WrittenPolicy, path: Path, kind: Kind, group: readonly Host[]): Fault[] {
  if (most === undefined || kind === 'compute' || group.length < 2) return [];
  const [out, may] = [portion(most, group.length), Math.floor((group.length - 1) / 2)];
  if (out <= Math.max(1, may)) return [];
  const message = `With ${out} of ${group.length} ${kind} hosts out of service there is no quorum`;
  return [{ code: 'no-quorum', path: [...path, 'max_unavailable'], message, hint: `Allow ${Math.max(1, may)} at most` }];
}
