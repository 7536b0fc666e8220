import type { Secret } from '../base/secret.ts';

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
  /** Path of an agent's socket; null: ask no agent. */
  readonly agent?: string | null;
  /** Left out: none for root, without a password for anybody else. */
  readonly sudo?: Sudo;
  /** Public host keys as OpenSSH writes them. When there are any, no known_hosts file is asked. */
  readonly hostKeys?: readonly string[];
  /** Paths of known_hosts files; OpenSSH's two when left out. */
  readonly knownHosts?: readonly string[];
  /** A machine to go through. It may have one of its own. */
  readonly bastion?: SshTarget;
  /** Path of an OpenSSH client configuration whose values for this host stand behind those given here. */
  readonly sshConfig?: string;
}

/** A target with nothing left open. */
export interface Resolved extends SshTarget {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly identities: readonly string[];
  readonly knownHosts: readonly string[];
  /** Whether someone named the identities, or they are OpenSSH's defaults. */
  readonly named: boolean;
}
