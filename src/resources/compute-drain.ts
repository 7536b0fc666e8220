import type { State } from '../base/state.ts';
import { defineApiResource, type Found } from './define.ts';
import { call, leavingReason, type Migration, migrationsFrom, type Talk } from './openstack.ts';

/** Compute hosts that leave: nothing new is put on them, and their machines go elsewhere. */
export const computeDrain = defineApiResource({
  type: 'compute-drain',
  summary:
    'Compute hosts that leave the cloud: no machine is put on them any more, those that run are moved while they run, stopped ones as they are.',
  nameParam: 'hosts',
  scope: 'cluster',
  identity: () => '',
  params: {
    type: 'object',
    required: ['hosts'],
    additionalProperties: false,
    properties: {
      hosts: {
        type: 'array',
        description: 'The hosts, as Nova knows them.',
        items: {
          type: 'object',
          required: ['name', 'to'],
          additionalProperties: false,
          properties: {
            name: { type: 'string', description: 'Its name.' },
            to: { type: 'array', items: { type: 'string' }, description: 'Where its machines can go: the other hosts of its cell.' },
          },
        },
      },
    },
  },
  desired: (p): State => Object.fromEntries(p.hosts.map(({ name }) => [name, 'empty'])),
  refuse: (_p, change) => change.before?.['obstacle'] as string | undefined,
  *look(p): Talk<Found> {
    if (p.hosts.length === 0) return {};
    const services = yield* servicesOf(p.hosts);
    const guests = yield* guestsOf(p.hosts);
    const obstacle = guests.length === 0 ? undefined : yield* obstacleOf(p.hosts, guests, services);
    const told = p.hosts.map(({ name }) => {
      const here = guests.filter(({ host }) => host === name).map(({ name, status }) => `${name} (${status})`);
      const open = services.some(({ host, status }) => host === name && status === 'enabled');
      return [name, here.length > 0 ? here : open ? 'open for machines' : 'empty'];
    });
    return { ...(Object.fromEntries(told) as State), ...(obstacle === undefined ? {} : { obstacle }) };
  },
  *apply(p) {
    for (const { id, host, status } of yield* servicesOf(p.hosts)) {
      const body = { status: 'disabled', disabled_reason: leavingReason };
      if (status === 'enabled' && p.hosts.some(({ name }) => name === host))
        yield* call({ service: 'compute', method: 'PUT', path: `/v2.1/os-services/${id}`, microversion: '2.53', body });
    }
    yield* move(p.hosts);
  },
});

interface Leaving {
  readonly name: string;
  readonly to: readonly string[];
}

interface Service {
  readonly id: string;
  readonly host: string;
  readonly status: 'enabled' | 'disabled';
  readonly state: 'up' | 'down';
  readonly zone: string;
}

interface Server {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly 'OS-EXT-STS:task_state': string | null;
  readonly 'OS-EXT-SRV-ATTR:host': string;
  readonly pinned_availability_zone: string | null;
  /** Empty for one that was booted from a volume. */
  readonly image: unknown;
  readonly flavor: {
    readonly vcpus: number;
    readonly ram: number;
    readonly disk: number;
    readonly ephemeral: number;
    readonly swap: number;
  };
}

/** A machine that a leaving host still has something of. */
interface Guest {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly status: string;
  readonly busy: boolean;
  readonly zone: string | null;
  /** By class of resource, as Placement counts. */
  readonly needs: Readonly<Record<string, number>>;
  /** It is elsewhere already, and what is here is given up: by itself of one that ran, of others once that is confirmed. */
  readonly gone?: 'live' | 'moved' | 'resized';
  readonly migration?: string;
}

const nova = { service: 'compute', method: 'GET' } as const;

function* servicesOf(hosts: readonly Leaving[]): Talk<readonly Service[]> {
  if (hosts.length === 0) return [];
  const path = '/v2.1/os-services?binary=nova-compute';
  return (yield* call<{ services: readonly Service[] }>({ ...nova, path, microversion: '2.53' })).services;
}

/** What is on hosts, and what was there and waits for its move to be confirmed. */
function* guestsOf(hosts: readonly Leaving[], wait?: number, says?: string): Talk<readonly Guest[]> {
  const guests: Guest[] = [];
  const pause = { ...(wait === undefined ? {} : { wait }), ...(says === undefined ? {} : { says }) };
  for (const [i, { name }] of hosts.entries()) {
    const path = `/v2.1/servers/detail?all_tenants=true&host=${name}`;
    const all = yield* call<readonly Server[]>({ ...nova, path, microversion: '2.96', list: 'servers', ...(i === 0 ? pause : {}) });
    guests.push(...all.map((server) => guestOf(server, name)));
  }
  for (const { name } of hosts) {
    for (const { uuid, instance_uuid: id, status, migration_type: type } of yield* migrationsFrom(name)) {
      const gone = moves[type];
      if (gone === undefined || guests.some((guest) => guest.id === id)) continue;
      const { status: code, body } = yield { ...nova, path: `/v2.1/servers/${id}`, microversion: '2.96' };
      if (code !== 200) continue;
      const guest = guestOf((body as { server: Server }).server, name);
      guests.push({ ...guest, busy: guest.busy || (gone !== 'live' && status !== 'finished'), gone, migration: uuid });
    }
  }
  return guests;
}

const moves: Readonly<Partial<Record<Migration['migration_type'], Guest['gone']>>> = {
  'live-migration': 'live',
  migration: 'moved',
  resize: 'resized',
};

function guestOf(server: Server, host: string): Guest {
  const { vcpus, ram, disk, ephemeral, swap } = server.flavor;
  const root = server.image === '' || server.image === null ? 0 : disk;
  return {
    id: server.id,
    name: server.name,
    host,
    status: server.status,
    busy: server['OS-EXT-STS:task_state'] !== null,
    zone: server.pinned_availability_zone,
    needs: { VCPU: vcpus, MEMORY_MB: ram, DISK_GB: root + ephemeral + Math.ceil(swap / 1024) },
  };
}

/** Live migration takes these with it as they are. */
const alive = new Set(['ACTIVE', 'PAUSED']);
/** Nova is at work: they become something else by themselves. */
const passing = new Set(['BUILD', 'REBOOT', 'HARD_REBOOT', 'MIGRATING', 'RESIZE', 'VERIFY_RESIZE', 'REBUILD', 'PASSWORD']);

function movable({ status, busy }: Guest): boolean {
  return busy || alive.has(status) || status === 'SHUTOFF' || passing.has(status);
}

/** Why machines cannot go elsewhere, with their names; undefined: they can, as far as Placement knows. */
function* obstacleOf(hosts: readonly Leaving[], guests: readonly Guest[], services: readonly Service[]): Talk<string | undefined> {
  const stuck = guests.filter(({ gone }) => gone === undefined).filter((guest) => !movable(guest));
  const resized = guests.filter(({ gone }) => gone === 'resized');
  const reasons = [
    ...stuck.map(({ name, host, status }) => `${name} on ${host} is ${status}: start it, stop it or delete it first`),
    ...resized.map(({ name, host }) => `${name} is being resized away from ${host}: confirm or revert that first`),
  ];
  const rooms = yield* roomsOf(services);
  // The largest first: small ones find a place anywhere.
  const order = guests
    .filter((guest) => guest.gone === undefined && movable(guest))
    .toSorted((a, b) => b.needs['MEMORY_MB']! - a.needs['MEMORY_MB']!);
  for (const guest of order) {
    const { to } = hosts.find(({ name }) => name === guest.host)!;
    const open = rooms.filter(({ host, zone }) => to.includes(host) && (guest.zone === null || guest.zone === zone));
    const room = open.toSorted((a, b) => b.free['MEMORY_MB']! - a.free['MEMORY_MB']!).find(({ free }) => fits(guest, free));
    if (room) {
      for (const unit of Object.keys(room.free)) room.free[unit]! -= guest.needs[unit]!;
    } else reasons.push(`${guest.name} on ${guest.host} fits nowhere: ${whyNot(guest, open)}`);
  }
  return reasons.length === 0 ? undefined : `machines cannot leave: ${reasons.join('; ')}`;
}

interface Room {
  readonly host: string;
  readonly zone: string;
  /** By class of resource. */
  readonly free: Record<string, number>;
}

function fits({ needs }: Guest, free: Readonly<Record<string, number>>): boolean {
  return Object.entries(needs).every(([unit, amount]) => (free[unit] ?? Infinity) >= amount);
}

function whyNot({ needs, zone }: Guest, open: readonly Room[]): string {
  if (open.length === 0)
    return `no other compute host of its cell${zone === null ? '' : ` and of the zone ${zone}`} is up and takes machines`;
  const wants = `${needs['VCPU']!} VCPU, ${needs['MEMORY_MB']!} MiB, ${needs['DISK_GB']!} GiB of disk`;
  const has = ({ host, free }: Room): string =>
    `${host} has ${Object.entries(free)
      .map(([unit, amount]) => `${Math.max(0, amount)} ${units[unit] ?? unit}`)
      .join(', ')}`;
  return `it needs ${wants}, and ${open.slice(0, 5).map(has).join('; ')}${open.length > 5 ? `; and ${open.length - 5} more` : ''}`;
}

const units: Readonly<Record<string, string>> = { MEMORY_MB: 'MiB', DISK_GB: 'GiB' };

interface Hypervisor {
  readonly id: string;
  readonly service: { readonly host: string };
}

/** What hosts that take machines have left, as Placement counts. */
function* roomsOf(services: readonly Service[]): Talk<Room[]> {
  const open = services.filter(({ state, status }) => state === 'up' && status === 'enabled');
  const hypervisors = yield* call<readonly Hypervisor[]>({
    ...nova,
    path: '/v2.1/os-hypervisors/detail',
    microversion: '2.88',
    list: 'hypervisors',
  });
  const placement = { service: 'placement', method: 'GET', microversion: '1.36' } as const;
  const rooms: Room[] = [];
  for (const { host, zone } of open) {
    const id = hypervisors.find(({ service }) => service.host === host)?.id;
    if (id === undefined) continue;
    const { inventories } = yield* call<Inventories>({ ...placement, path: `/resource_providers/${id}/inventories` });
    const { usages } = yield* call<Usages>({ ...placement, path: `/resource_providers/${id}/usages` });
    const counted = Object.entries(inventories).filter(([unit]) => unit in { VCPU: 0, MEMORY_MB: 0, DISK_GB: 0 });
    const free = counted.map(([unit, has]) => [unit, Math.floor((has.total - has.reserved) * has.allocation_ratio) - (usages[unit] ?? 0)]);
    rooms.push({ host, zone, free: Object.fromEntries(free) as Record<string, number> });
  }
  return rooms;
}

interface Inventories {
  readonly inventories: Readonly<Record<string, { total: number; reserved: number; allocation_ratio: number }>>;
}

interface Usages {
  readonly usages: Readonly<Record<string, number>>;
}

/** Seconds between two looks at machines that move, and how many move at the same time. */
const pace = 2;
const together = 4;
/** Looks at a machine that is elsewhere, for which nothing is done any more. */
const patience = 150;

/** Moves all machines, a few at a time; throws with the names of those that stayed, and with what Nova says about each. */
function* move(hosts: readonly Leaving[]): Talk<void> {
  const sent = new Set<string>();
  const failed = new Map<string, string>();
  const looks = new Map<string, number>();
  let guests = yield* guestsOf(hosts);
  while (guests.length > 0) {
    const under = guests.filter(({ id, status, busy }) => busy || passing.has(status) || (sent.has(id) && !failed.has(id))).length;
    let free = together - under;
    for (const guest of guests) {
      const { id, name, host, status, busy, gone, migration } = guest;
      if (busy || failed.has(id)) continue;
      if (gone === 'resized') failed.set(id, `${name}: it is being resized`);
      else if (gone === 'live') {
        looks.set(id, (looks.get(id) ?? 0) + 1);
        if (looks.get(id)! > patience)
          failed.set(
            id,
            `${name}: it has left ${host}, whose nova-compute ended before it had told Nova so; say it in the database of the cell: UPDATE nova.migrations SET status = 'completed' WHERE uuid = '${migration!}'`,
          );
      } else if (gone === 'moved') {
        if (status === 'VERIFY_RESIZE' && (yield* confirm(id)) >= 500) failed.set(id, `${name}: its move could not be confirmed`);
      } else if (sent.has(id) && (alive.has(status) || status === 'SHUTOFF')) failed.set(id, `${name}: ${yield* reasonOf(id)}`);
      else if (!sent.has(id) && free > 0 && alive.has(status)) {
        yield* act(id, { 'os-migrateLive': { host: null, block_migration: 'auto' } });
        sent.add(id);
        free -= 1;
      } else if (!sent.has(id) && free > 0 && status === 'SHUTOFF') {
        yield* act(id, { migrate: null });
        sent.add(id);
        free -= 1;
      } else if (!movable(guest)) failed.set(id, `${name}: it is ${status}`);
    }
    if (guests.every(({ id }) => failed.has(id))) throw new Error(`Machines stayed: ${[...failed.values()].join('; ')}`);
    const names = guests.filter(({ id }) => !failed.has(id)).map(({ name, status }) => `${name} (${status})`);
    guests = yield* guestsOf(hosts, pace, `moving ${names.join(', ')}`);
  }
}

/** What Nova answers when a move is to be confirmed: 400 when it has been a moment ago. */
function* confirm(id: string): Talk<number> {
  const path = `/v2.1/servers/${id}/action`;
  return (yield { service: 'compute', method: 'POST', path, microversion: '2.56', body: { confirmResize: null } }).status;
}

function* act(id: string, body: unknown): Talk<void> {
  yield* call({ service: 'compute', method: 'POST', path: `/v2.1/servers/${id}/action`, microversion: '2.56', body });
}

interface Action {
  readonly request_id: string;
  readonly action: string;
}

/** What Nova says about the last thing that was to be done with a machine. */
function* reasonOf(id: string): Talk<string> {
  const path = `/v2.1/servers/${id}/os-instance-actions`;
  const { instanceActions } = yield* call<{ instanceActions: readonly Action[] }>({ ...nova, path, microversion: '2.84' });
  const last = instanceActions[0];
  if (!last) return 'Nova does not say why';
  const { instanceAction } = yield* call<{
    instanceAction: { readonly message: string | null; readonly events: readonly { result: string | null; details?: string | null }[] };
  }>({ ...nova, path: `${path}/${last.request_id}`, microversion: '2.84' });
  const details = instanceAction.events.flatMap((event) => (event.details === undefined || event.details === null ? [] : [event.details]));
  return `${last.action}: ${details[0] ?? instanceAction.message ?? 'Nova does not say why'}`;
}
