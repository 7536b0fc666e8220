import type { Json } from '../base/state.ts';
import type { Quantity, WavePolicy } from '../base/waves.ts';
import type { Document, Path } from '../document/document.ts';

export type Kind = 'controller' | 'network' | 'compute' | 'storage' | 'cell';

/** A secret by its name; whoever resolves secrets knows its value. */
export interface SecretRef {
  readonly secret: string;
}

/** Role params as written: role → param → value, in which {secret: NAME} may stand for a secret. */
export type Params = Readonly<Record<string, Readonly<Record<string, Json>>>>;

/** Everything an inventory says, checked, with defaults filled in and ranges expanded. Deeply frozen. */
export interface Inventory {
  readonly file: string;
  readonly cloud: Cloud;
  /** By name; `management` is always there. */
  readonly networks: Readonly<Record<string, Network>>;
  /** In the order written; at least one. */
  readonly cells: readonly Cell[];
  /** In the order written, each range in its place; absent ones too. */
  readonly hosts: readonly Host[];
  /** Params for the whole cloud. */
  readonly params: Params;
  readonly kindParams: Readonly<Record<Kind, Params>>;
  /** Directories of the operator's own roles. Absolute. */
  readonly roles: readonly string[];
  /** What the cloud has for its users. */
  readonly resources: Resources;
  /** How to upgrade, as written for the cloud and for each kind: `policyOf` and `runOf` say what holds. */
  readonly upgrade: WrittenUpgrade;
  readonly kindUpgrades: Readonly<Record<Kind, WrittenPolicy>>;
  /** The text, for the places of problems found later. Not enumerable, so it stays out of JSON. */
  readonly document: Document;
}

export interface Cloud {
  readonly name: string;
  readonly release: string;
  readonly region: string;
  readonly os: string;
  readonly domain?: string;
  readonly storage: 'ceph' | 'file' | 'swift';
  /** Names of the roles that the cloud is to have, or of those more and fewer than by default; what they need comes along. */
  readonly services?: readonly string[] | { readonly add?: readonly string[]; readonly remove?: readonly string[] };
  readonly vip: { readonly internal?: string; readonly external?: string };
}

export interface Network {
  readonly name: string;
  readonly cidr: string;
  readonly vlan?: number;
  readonly mtu: number;
  readonly gateway?: string;
}

export interface Cell {
  readonly name: string;
  readonly params: Params;
  readonly upgrade: WrittenPolicy;
}

export interface Host {
  readonly name: string;
  /** In the management network. */
  readonly address: string;
  /** By network; `management` is always there. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly kinds: readonly Kind[];
  /** The cell of a compute host, and of one of kind cell. */
  readonly cell?: string;
  readonly zone?: string;
  readonly disks: readonly Disk[];
  readonly state: 'present' | 'absent';
  readonly ssh: Ssh;
  readonly params: Params;
  /** Where it is written: ['hosts', 'cmp[001-500]']. */
  readonly path: Path;
}

/** A whole disk of a storage host. */
export interface Disk {
  readonly device: string;
  /** absent: its data is moved elsewhere and it leaves the cluster. */
  readonly state: 'present' | 'absent';
  /** What a lab makes it, e.g. 8G. */
  readonly size: string;
}

/** How to reach a host. What is left out is for ~/.ssh/config (when `config`) and then for the defaults of SSH. Paths are absolute. */
export interface Ssh {
  readonly user?: string;
  readonly port?: number;
  readonly identity?: string;
  readonly passphrase?: SecretRef;
  readonly agent: boolean;
  /** Left out: the user's own files. */
  readonly knownHosts?: string;
  readonly config: boolean;
  /** Public keys that the host may have; empty: those of known_hosts files. */
  readonly hostKeys: readonly string[];
  readonly bastion?: Bastion;
  /** Left out: sudo without a password unless the user is root. */
  readonly sudo?: boolean | { readonly password: SecretRef };
}

export interface Bastion {
  readonly address: string;
  readonly user?: string;
  readonly port?: number;
  readonly identity?: string;
  readonly hostKeys: readonly string[];
}

/** What the cloud has for its users, by section and by key; references are keys of other sections. */
export interface Resources {
  readonly projects: Named<{ readonly description?: string }>;
  readonly users: Named<{ readonly password?: SecretRef; readonly roles?: Readonly<Record<string, readonly string[]>> }>;
  readonly quotas: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly images: Named<Image>;
  readonly flavors: Named<Flavor>;
  readonly aggregates: Named<Aggregate>;
  readonly networks: Named<TenantNetwork>;
  readonly routers: Named<Router>;
  readonly security_groups: Named<SecurityGroup>;
  readonly keypairs: Named<Keypair>;
}

/** By key; `name` is what it is called in the cloud, where that is not the key. */
type Named<T> = Readonly<Record<string, T & { readonly name?: string }>>;

export interface Owned {
  readonly project?: string;
}

type State = Pick<Host, 'state'>;

export interface Image extends Owned {
  /** Absolute. */
  readonly file?: string;
  readonly url?: string;
  readonly build?: 'debian' | 'tiny';
  readonly options?: { readonly release?: string; readonly size?: number; readonly packages?: readonly string[] };
  readonly sha256?: string;
  readonly sha512?: string;
  readonly format?: string;
  readonly visibility?: string;
  readonly properties?: Readonly<Record<string, string | number | boolean>>;
}

/** Members that are not named here are params of the step type flavor. */
export interface Flavor extends Partial<State> {
  readonly projects?: readonly string[];
  readonly extra_specs?: Readonly<Record<string, string | number | boolean>>;
}

export interface Aggregate extends Partial<State> {
  /** Names of compute hosts; ranges stand for many. */
  readonly hosts: readonly string[];
  readonly metadata?: Readonly<Record<string, string | number | boolean>>;
  readonly projects?: readonly string[];
  readonly flavors?: readonly string[];
}

/** Members that are not named here are params of the step type network. */
export interface TenantNetwork extends Owned {
  readonly external?: boolean;
  readonly subnets?: Named<Subnet>;
}

/** Likewise of the step type subnet. */
export interface Subnet {
  readonly cidr: string;
  readonly gateway?: string;
  readonly pools?: readonly string[];
}

export interface Router extends Owned {
  readonly gateway?: string;
  readonly snat?: boolean;
  readonly interfaces?: readonly string[];
  readonly routes?: Readonly<Record<string, string>>;
}

export interface SecurityGroup extends Owned, Partial<State> {
  readonly description?: string;
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
}

export interface Rule {
  readonly protocol?: string;
  readonly ports?: number | string;
  readonly cidr?: string;
  readonly group?: string;
  readonly ipv6?: boolean;
}

export interface Keypair extends Partial<State> {
  readonly user?: string;
  readonly public_key?: string;
  /** Absolute. */
  readonly file?: string;
}

/** A wait between waves: seconds, or until the operator says to go on. */
export type Pause = number | 'ask';

/** A command that is run between waves: on the deployer, or on a host as root. Seconds. */
export interface Hook {
  readonly run: string;
  readonly on: string;
  readonly within: number;
}

/** How the hosts of a kind (and cell) are upgraded. */
export interface UpgradePolicy extends WavePolicy {
  /** Failed or unreachable hosts of one wave that are put up with. */
  readonly failures: Quantity;
  /** What is waited for behind the canary, behind every other wave, and behind the cell. */
  readonly pause: { readonly canary?: Pause; readonly wave?: Pause; readonly cell?: Pause };
  readonly drain: 'live-migrate' | 'wait' | 'none';
  /** Must say yes before a wave and behind it. */
  readonly gates: readonly Hook[];
  readonly hooks: { readonly beforeWave: readonly Hook[]; readonly afterWave: readonly Hook[] };
}

/** What holds for an upgrade as a whole. */
export interface UpgradeRun {
  /** Cells in the order in which they are upgraded: the first is the canary among them. */
  readonly cells: readonly string[];
  /** Failed or unreachable hosts of the whole upgrade that are put up with. */
  readonly failures: Quantity;
  /** When a cell has failed: leave the others alone, or go on with them. */
  readonly otherCells: 'wait' | 'go-on';
}

/** An `upgrade:` section as written for a kind or a cell. */
export interface WrittenPolicy {
  readonly canary?: number | readonly string[];
  readonly wave?: Quantity;
  readonly max_unavailable?: Quantity;
  readonly failures?: Quantity;
  readonly pause?: Readonly<Partial<Record<'canary' | 'wave' | 'cell', string>>>;
  readonly drain?: UpgradePolicy['drain'];
  readonly gates?: readonly WrittenHook[];
  readonly hooks?: { readonly before_wave?: readonly WrittenHook[]; readonly after_wave?: readonly WrittenHook[] };
}

/** The cloud's own. */
export interface WrittenUpgrade extends WrittenPolicy {
  readonly cells?: readonly string[];
  readonly all_failures?: Quantity;
  readonly other_cells?: UpgradeRun['otherCells'];
}

export interface WrittenHook {
  readonly run: string;
  readonly on?: string;
  readonly within?: string;
}

/** The text as its schema allows it. */
export interface Written {
  readonly cloud: Omit<Partial<Cloud>, 'name' | 'release'> & Pick<Cloud, 'name' | 'release'>;
  readonly networks: Readonly<Record<string, Omit<Network, 'name' | 'mtu'> & { readonly mtu?: number }>>;
  readonly ssh?: WrittenSsh & { readonly agent?: boolean; readonly known_hosts?: string; readonly config?: boolean };
  readonly cells?: Readonly<Record<string, { readonly params?: Params; readonly upgrade?: WrittenPolicy }>>;
  readonly kinds?: Readonly<Partial<Record<Kind, { readonly params?: Params; readonly upgrade?: WrittenPolicy }>>>;
  readonly upgrade?: WrittenUpgrade;
  readonly params?: Params;
  readonly roles?: readonly string[];
  readonly resources?: Partial<Resources>;
  readonly hosts: Readonly<Record<string, WrittenHost>>;
}

export interface WrittenHost extends Pick<Host, 'address' | 'cell' | 'zone'> {
  readonly addresses?: Readonly<Record<string, string>>;
  readonly kind: Kind | readonly Kind[];
  readonly disks?: readonly (string | (Partial<Disk> & Pick<Disk, 'device'>))[];
  readonly state?: Host['state'];
  readonly ssh?: WrittenSsh & { readonly host_key?: string | readonly string[] };
  readonly params?: Params;
}

export interface WrittenSsh extends Pick<Ssh, 'user' | 'port' | 'identity' | 'passphrase' | 'sudo'> {
  readonly bastion?: Omit<Bastion, 'hostKeys'> & { readonly host_key?: string | readonly string[] };
}
