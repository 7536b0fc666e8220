/** A number of hosts, or a share of them: `3`, `"10%"`. */
export type Quantity = number | `${number}%`;

/** A host as far as waves are concerned. */
export interface Member {
  readonly name: string;
  /** Failure domain: hosts without one are in a domain of their own together. */
  readonly zone?: string | undefined;
}

/** How a group of hosts is divided. */
export interface WavePolicy {
  /** The first wave: these hosts (those that are in the group), or so many of them; 0: no canary. */
  readonly canary: number | readonly string[];
  /** Hosts of each wave behind it. */
  readonly wave: Quantity;
  /** Hosts that may be out of service at the same time; no wave is larger. */
  readonly maxUnavailable: Quantity;
}

export interface Wave<M extends Member = Member> {
  readonly canary: boolean;
  readonly members: readonly M[];
}

/** So many of `total` hosts: a share is rounded down, but is one host at least, so 1 % of 7 is 1. Never more than `total`. */
export function portion(quantity: Quantity, total: number): number {
  const wanted = typeof quantity === 'number' ? quantity : Math.floor((percentOf(quantity) * total) / 100);
  return Math.min(total, Math.max(1, wanted));
}

/** Failures that are put up with among `total` hosts. Here a share may come to none at all. */
export function allowance(quantity: Quantity, total: number): number {
  return typeof quantity === 'number' ? quantity : Math.floor((percentOf(quantity) * total) / 100);
}

/**
 * Divides a group into waves: every member once, no wave empty or larger than may be unavailable, the canary first. Each
 * wave is spread over the zones, so that none of them loses its hosts together; within a zone the order given stays.
 */
export function waves<M extends Member>(members: readonly M[], { canary, wave, maxUnavailable }: WavePolicy): Wave<M>[] {
  if (members.length === 0) return [];
  const most = portion(maxUnavailable, members.length);
  const first = typeof canary === 'number' ? spread(members).slice(0, canary) : members.filter(({ name }) => canary.includes(name));
  const chosen = new Set(first);
  const rest = spread(members.filter((member) => !chosen.has(member)));
  const size = Math.min(most, portion(wave, members.length));
  return [
    ...chunks(first, most).map((some) => ({ canary: true, members: some })),
    ...chunks(rest, size).map((some) => ({ canary: false, members: some })),
  ];
}

/** How many more hosts may be taken out of service while `down` of them are. 0: none. */
export function room(maxUnavailable: Quantity, total: number, down: number): number {
  return Math.max(0, portion(maxUnavailable, total) - down);
}

/** One member of each zone in turn; zones with more members get their turns evenly, too. */
function spread<M extends Member>(members: readonly M[]): M[] {
  const zones = [...Map.groupBy(members, ({ zone }) => zone).values()];
  // The k-th of n members of a zone belongs at (k + ½) / n of the way.
  const placed = zones.flatMap((some, nth) => some.map((member, k) => ({ member, at: (k + 0.5) / some.length, nth })));
  return placed.toSorted((a, b) => a.at - b.at || a.nth - b.nth).map(({ member }) => member);
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

function percentOf(quantity: string): number {
  return Number.parseFloat(quantity);
}
