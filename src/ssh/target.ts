import type { Secret } from '../base/secret.ts';
import type { Wishes } from './algorithms.ts';

/** How the login becomes root: it is root, sudo without a password, or sudo with one. */
export type Sudo = 'no' | 'passwordless' | { readonly password: Secret };

/** A host that can be reached by SSH. What is left out comes from `sshConfig`, then from OpenSSH's defaults. */
export interface SshTarget {
  /** The host's name in the inventory: messages use it, and so does `sshConfig`'s Host. */
  readonly name: string;
  /** Name or IP address to connect to; `name` when left out. */
  readonly address?: string;
  readonly port?: number;
  /** `root` when left out everywhere. */
  readonly user?: string;
  /** Paths of private keys, in the order they are offered; `~` is the home directory. */
  readonly identities?: readonly string[];
  /** Gives the passphrase of an encrypted key file, or undefined when there is none to give. */
  readonly passphrase?: (path: string) => Promise<Secret | undefined>;
  /** Offer no key of the agent but those of `identities`, or of the default key files. */
  readonly identitiesOnly?: boolean;
  /** Path of an agent's socket; null: ask no agent. */
  readonly agent?: string | null;
  /** The agent where neither `agent` nor `sshConfig` says which. */
  readonly defaultAgent?: string;
  /** Left out: none for root, without a password for anybody else. */
  readonly sudo?: Sudo;
  /** Public host keys as OpenSSH writes them. When there are any, no other is accepted; a revoked one is not, either. */
  readonly hostKeys?: readonly string[];
  /** Paths of known_hosts files that stand in for the user's; revocations in those still count. */
  readonly knownHosts?: readonly string[];
  /** Paths of the user's known_hosts files; OpenSSH's when left out. */
  readonly userKnownHosts?: readonly string[];
  /** Paths of the site's known_hosts files; OpenSSH's when left out. */
  readonly globalKnownHosts?: readonly string[];
  /** Paths of files of public keys that no host may have. */
  readonly revokedHostKeys?: readonly string[];
  readonly algorithms?: Wishes;
  /** A machine to go through. It may have one of its own. */
  readonly bastion?: SshTarget;
  /** Path of an OpenSSH client configuration whose values for this host stand behind those given here. */
  readonly sshConfig?: string;
  /** Words of `sshConfig` that OpenSSH would heed for this host. */
  readonly unheeded?: readonly string[];
}

/** A target with nothing left open. */
export interface Resolved extends Omit<SshTarget, 'bastion'> {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly identities: readonly string[];
  /** Files whose keys count, the one to add a key to first. */
  readonly knownHosts: readonly string[];
  /** Files whose revocations count. */
  readonly revocations: readonly string[];
  readonly bastion?: Resolved;
  /** Whether someone named the identities, or they are OpenSSH's defaults. */
  readonly named: boolean;
}
