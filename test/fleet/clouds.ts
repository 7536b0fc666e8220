// Clouds of simulated hosts, and upgrades of them: the real planner and engine over hosts in memory.
import { join } from 'node:path';
import type { Event } from '../../src/base/event.ts';
import type { Holder } from '../../src/base/shell.ts';
import { abort, upgrade, type UpgradeOptions, type Verdict } from '../../src/engine/upgrade.ts';
import { stateOf, type Dated, type Fact, type Ledger, type UpgradeState } from '../../src/engine/ledger.ts';
import { Fleet, type Fault } from '../../src/fleet/fleet.ts';
import { expand } from '../../src/plan/expand.ts';
import { journeyOf, type Journey } from '../../src/plan/journey.ts';
import { readRoles, type Role } from '../../src/roles/role.ts';
import { readInventory } from '../../src/inventory/read.ts';
import type { Inventory } from '../../src/inventory/types.ts';
import { rolesOf, secretsOf } from '../plan/clouds.ts';
import type { WrittenRole } from '../roles/directories.ts';

const versions = (major: number) => ({ '2025.1': `2:${major}.0*`, '2026.1': `2:${major + 2}.0*` });
const of = '{{lookup os.versions cloud.release}}';
const lease = (path: string) => ({
  take: { file: path, content: 'Taken by Cellwise.' },
  give: { file: path, absent: true },
});

/** A service of the control plane, on all controllers: a package of each release, a file, a unit. */
function service(name: string, major: number, more: object = {}): WrittenRole {
  return {
    on: ['controller'],
    needs: ['base'],
    os: { debian: { versions: versions(major) } },
    steps: [
      { package: `python3-${name}`, version: of },
      { file: `/etc/${name}.conf`, content: 'release = {{cloud.release}}\n' },
      { service: name, watches: [`/etc/${name}.conf`, `python3-${name}`] },
    ],
    health: [{ unit: name }],
    ...more,
  };
}

/** Roles in small that have everything an upgrade knows. */
export const written: Readonly<Record<string, WrittenRole>> = {
  base: { on: ['controller', 'compute', 'storage'], scope: 'host', steps: [{ 'apt-source': 'release', suite: 's{{cloud.release}}' }] },
  glance: service('glance', 30, { needs: ['keystone'] }),
  keystone: service('keystone', 27, {
    upgrade: {
      preflight: [{ run: 'keystone-status upgrade check' }],
      backup: [{ command: 'dump', creates: '/var/backups/keystone-{{cloud.release}}' }],
      before: [lease('/run/trust-function-creators').take],
      expand: [{ command: 'expand', creates: '/var/lib/expanded-{{cloud.release}}' }],
      gate: [{ run: 'is there a quorum?' }],
      drain: [lease('/run/out-of-balance').take],
      restore: [lease('/run/out-of-balance').give],
      after: [lease('/run/trust-function-creators').give],
      contract: [{ command: 'contract', creates: '/var/lib/contracted-{{cloud.release}}', irreversible: true }],
    },
  }),
  'nova-conductor': service('nova', 31, { needs: ['keystone', 'placement'] }),
  placement: service('placement', 13, { needs: ['keystone'] }),
  'ceph-osd': {
    on: ['storage'],
    needs: ['base'],
    os: { debian: { versions: { '2025.1': '18.2*', '2026.1': '20.2*' } } },
    steps: [
      { package: 'ceph-base', version: of },
      { service: 'ceph-osd', watches: ['ceph-base'] },
    ],
    upgrade: {
      before: [lease('/run/noout').take],
      gate: [{ run: 'ceph osd ok-to-stop' }],
      health: [{ run: 'all clean?' }],
      after: [lease('/run/noout').give],
    },
  },
  'nova-compute': {
    on: ['compute'],
    needs: ['nova-conductor', 'base'],
    os: { debian: { versions: versions(31) } },
    steps: [
      { package: 'python3-nova', version: of },
      { file: '/etc/nova/nova.conf', content: 'release = {{cloud.release}}\n' },
      { service: 'nova-compute', watches: ['/etc/nova/nova.conf', 'python3-nova'] },
    ],
    health: [{ unit: 'nova-compute' }],
    verify: [{ server: '{{host.name}}', flavor: '', canary: true }],
    upgrade: {
      gate: [{ run: 'is the service up?' }],
      drain: [lease('/run/disabled').take, { command: 'migrate', creates: '/run/empty-{{cloud.release}}', policy: ['live-migrate'] }],
      health: [{ run: 'does the cloud see it?' }],
      restore: [lease('/run/disabled').give],
      contract: [{ command: 'online migrations', creates: '/var/lib/migrated-{{cloud.release}}', irreversible: true }],
    },
  },
};

const roles = rolesOf(written);

/** Controllers and storage hosts, `others` of each, and compute hosts over cells and zones. */
function hostsOf(
  computes: number,
  cells: number,
  others: number,
  storage: boolean,
  own: boolean,
): { readonly hosts: string; readonly cells: readonly string[] } {
  const names = Array.from({ length: cells }, (_, i) => `cell${i + 1}`);
  const each = Math.ceil(computes / cells);
  const fleet = names.flatMap((cell, i) => {
    const count = Math.min(each, computes - i * each);
    const half = Math.ceil(count / 2);
    const range = (from: number, to: number, zone: string) =>
      to < from ? [] : [`  ${cell}-cmp[${from}-${to}]: {address: 10.${i + 1}.0.${from}, kind: compute, cell: ${cell}, zone: ${zone}}`];
    const control = own && i > 0 ? [`  ${cell}-ctl1: {address: 10.${i + 1}.255.1, kind: cell, cell: ${cell}}`] : [];
    return [...control, ...range(1, half, 'az1'), ...range(half + 1, count, 'az2')];
  });
  const hosts = [
    others === 1 ? '  ctl1: {address: 10.0.0.11, kind: controller}' : `  ctl[1-${others}]: {address: 10.0.0.11, kind: controller}`,
    ...(storage ? [`  sto[1-${others}]: {address: 10.0.0.31, kind: storage}`] : []),
    ...fleet,
  ];
  return { hosts: `${hosts.join('\n')}\n`, cells: names };
}

export interface CloudOptions {
  readonly computes?: number;
  readonly cells?: number;
  /** Each cell but the first has a host of its own for what carries it. */
  readonly own?: boolean;
  /** Controllers, and storage hosts. */
  readonly others?: number;
  readonly storage?: boolean;
  /** The inventory's sections about upgrades. */
  readonly sections?: string;
  readonly roles?: ReadonlyMap<string, Role>;
  readonly to?: string;
}

/** One controller and compute hosts with the roles that come with Cellwise. */
export function shipped(computes: number): CloudOptions {
  const { roles: read, problems } = readRoles(join(import.meta.dirname, '../../roles'));
  if (problems.length > 0) throw new Error(JSON.stringify(problems, null, 2));
  return { roles: read, computes, cells: 1, others: 1, storage: false, sections: 'upgrade: {wave: 5, max_unavailable: 5}\n' };
}

function inventoryOf(
  release: string,
  { computes = 8, cells = 2, others = 3, storage = true, own = false, sections = '' }: CloudOptions,
): Inventory {
  const { hosts, cells: names } = hostsOf(computes, cells, others, storage, own);
  const written = sections.includes('cells: {') ? '' : `cells: {${names.map((name) => `${name}: {}`).join(', ')}}\n`;
  const text = `cloud: {name: lab, release: "${release}"}\nnetworks: {management: {cidr: 10.0.0.0/8}}\n${sections}${written}hosts:\n${hosts}`;
  const { inventory, problems } = readInventory('/lab/inventory.yaml', text);
  if (!inventory) throw new Error(JSON.stringify(problems, null, 2));
  return inventory;
}

/** Simulated clouds as they are before an upgrade, each with faults of its own. */
export function fleetsOf(options: CloudOptions = {}): (...faults: readonly Fault[]) => Fleet {
  const used = options.roles ?? roles;
  const journey = journeyOf(inventoryOf(options.to ?? '2026.1', options), used, secretsOf());
  const before = expand(inventoryOf('2025.1', options), used, secretsOf());
  return (...faults) => new Fleet({ journey, before, faults });
}

export function fleetOf(options: CloudOptions = {}, ...faults: readonly Fault[]): Fleet {
  return fleetsOf(options)(...faults);
}

const holder: Holder = { run: 'r1', who: 'me@here', what: 'cellwise upgrade run', since: '2026-01-01T00:00:00Z' };

export class Killed extends Error {}

/** A deployer: what it writes down survives it. */
export class Deployer {
  readonly fleet: Fleet;
  readonly facts: Dated[] = [];
  readonly journal: Event[] = [];
  readonly events: Event[] = [];
  /** Records that may still be written before it is killed. */
  records = Infinity;
  written = 0;
  readonly drain = new AbortController();
  #killed = Promise.withResolvers<never>();

  constructor(fleet: Fleet) {
    this.fleet = fleet;
    this.#killed.promise.catch(() => undefined);
  }

  get state(): UpgradeState {
    return stateOf(this.facts)!;
  }

  /** Runs until it is over, or until it is killed (throws Killed). */
  async run(more: Partial<UpgradeOptions> = {}): Promise<Verdict> {
    return Promise.race([upgrade(this.#options(more)), this.#killed.promise]);
  }

  async abort(): Promise<void> {
    return abort(this.#options({}));
  }

  /** A new process: what the old one had in memory is gone. */
  reborn(): void {
    this.records = Infinity;
    this.#killed = Promise.withResolvers<never>();
    this.#killed.promise.catch(() => undefined);
  }

  #options(more: Partial<UpgradeOptions>): UpgradeOptions {
    const { fleet } = this;
    const generation = fleet.generation;
    const record = (keep: () => void): void => {
      if (generation !== fleet.generation) throw new Killed();
      keep();
      this.written += 1;
      this.records -= 1;
      if (this.records > 0) return;
      fleet.generation += 1;
      this.#killed.reject(new Killed());
      throw new Killed();
    };
    const ledger: Ledger = {
      facts: this.facts,
      write: (fact: Fact) => {
        record(() => this.facts.push({ at: new Date(fleet.clock.now()).toISOString(), ...fact }));
      },
    };
    return {
      journey: fleet.journey,
      ledger,
      clock: fleet.clock,
      from: ['2025.1'],
      open: fleet.open,
      emit: (event) => this.events.push(event),
      command: 'cellwise upgrade run',
      run: 'r1',
      holder,
      journal: {
        record: (event) => {
          record(() => this.journal.push(event));
        },
        synced: () => Promise.resolve(),
        close: () => Promise.resolve(),
      },
      drain: this.drain.signal,
      accept: () => Promise.resolve(true),
      goOn: () => Promise.resolve(true),
      tryOut: () => Promise.resolve({ kind: 'done' }),
      pauseAsked: () => false,
      local: () => Promise.resolve({ code: 0, out: Buffer.alloc(0), err: Buffer.alloc(0) }),
      heard: () => undefined,
      ...more,
    };
  }
}

/** The journey as people would write it down: a line a wave. */
export function linesOf(journey: Journey): string[] {
  return journey.stages.flatMap((stage) =>
    stage.waves.map(({ canary, works }) => `${stage.id}${canary ? ' canary' : ''}: ${works.map(({ host }) => host).join(' ')}`),
  );
}
