import { contains, formatAddress, overlap, parseAddress, parseBlock } from '../base/ipv4.ts';
import { Invalid, type Problem } from '../base/problem.ts';

/** A host that a machine stands in for. */
export interface LabHost {
  readonly name: string;
  /** Where SSH reaches it; in one of the networks. */
  readonly address: string;
  /** Further addresses, by the name of their network. */
  readonly addresses?: Readonly<Record<string, string>>;
  /** `device`: its name on the host; `size` as truncate has it, e.g. 8G. */
  readonly disks: readonly { readonly device: string; readonly size: string }[];
}

export interface LabNetwork {
  readonly name: string;
  /** IPv4, e.g. 10.77.0.0/24. The first address is the real machine's, which routes to the world. */
  readonly cidr: string;
}

export interface LabSpec {
  /** Names the lab among others on the same engine: the cloud's name. */
  readonly name: string;
  /** Where the lab's key and known_hosts are kept. */
  readonly directory: string;
  readonly networks: readonly LabNetwork[];
  readonly hosts: readonly LabHost[];
}

/** A host's address in one of Docker's networks. */
export interface Attachment {
  readonly network: string;
  readonly address: string;
  /** What the interface is called on the machine. */
  readonly link: string;
}

/** A lab in Docker's words. */
export interface Layout {
  readonly networks: readonly { readonly name: string; readonly cidr: string; readonly gateway: string }[];
  /** By host; the network of SSH first. */
  readonly attachments: ReadonlyMap<string, readonly Attachment[]>;
}

/**
 * Works out networks and addresses; throws Invalid for what Docker cannot do. Docker's default route is the one of the
 * network whose name sorts first, so the names carry the inventory's order.
 */
export function layOut(spec: LabSpec): Layout {
  const problems: Problem[] = [];
  const networks = spec.networks.map(({ name, cidr }, i) => {
    const block = parseBlock(cidr);
    if (!block) problems.push({ code: 'lab-network', message: `The lab needs IPv4 networks; ${name} is ${cidr}` });
    const gateway = formatAddress((block?.first ?? 0) + 1);
    return { name: `cellwise-${spec.name}-${i}-${name}`, shortName: name, cidr, gateway, block };
  });
  const attachments = new Map(
    spec.hosts.map((host) => {
      const here = { ...host.addresses };
      const first = networks.find(({ block }) => block && contains(block, parseAddress(host.address) ?? -1));
      if (first) here[first.shortName] = host.address;
      else
        problems.push({ code: 'lab-network', message: `${host.name} has the address ${host.address}, which is in no network of the lab` });
      const all = networks.filter(({ shortName }) => here[shortName] !== undefined);
      for (const { gateway, shortName } of all) if (here[shortName] === gateway) problems.push(gatewayTaken(host, gateway));
      const ordered = all.toSorted((a, b) => Number(b === first) - Number(a === first));
      // Docker numbers eth0, eth1, … anew at each start, so all but the first are called like their network.
      const link = (network: (typeof networks)[number]) => (network === first ? 'eth0' : network.shortName);
      return [host.name, ordered.map((network) => ({ network: network.name, address: here[network.shortName]!, link: link(network) }))];
    }),
  );
  if (problems.length > 0) throw new Invalid(problems);
  return { networks: networks.map(({ name, cidr, gateway }) => ({ name, cidr, gateway })), attachments };
}

function gatewayTaken(host: LabHost, address: string): Problem {
  const message = `${host.name} has the address ${address}, which the lab needs for its gateway`;
  return { code: 'lab-network', message, hint: 'Give hosts in a lab addresses from .2 on.' };
}

/** An interface of this machine, as `ip -json address` says it. */
export interface Interface {
  readonly ifname: string;
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
}

/** Networks that this machine is in itself: a lab network of the same addresses would cut it off from them. */
export function occupied(networks: readonly LabNetwork[], interfaces: readonly Interface[]): Problem[] {
  const own = interfaces.flatMap(({ ifname, addr_info }) =>
    addr_info.map(({ local, prefixlen }) => ({ ifname, cidr: `${local}/${prefixlen}` })),
  );
  return networks.flatMap(({ name, cidr }) => {
    const clash = own.find((mine) => overlapping(mine.cidr, cidr));
    if (!clash) return [];
    const message = `The network ${name}, ${cidr}, overlaps ${clash.cidr} of this machine's ${clash.ifname}`;
    return [{ code: 'lab-network', message, hint: 'Choose other addresses for the lab, or take down the lab that uses them.' }];
  });
}

function overlapping(a: string, b: string): boolean {
  const [one, other] = [parseBlock(a), parseBlock(b)];
  return one !== undefined && other !== undefined && overlap(one, other);
}

/** Hosts that are in both maps with different values. */
export function differing(was: ReadonlyMap<string, string>, is: ReadonlyMap<string, string>): string[] {
  return [...is.keys()].filter((host) => was.has(host) && was.get(host) !== is.get(host));
}
