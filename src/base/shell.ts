import type { Duplex } from 'node:stream';
import type { Command, Output } from './command.ts';
import { printable } from './printable.ts';

/** What a host tells about itself when its shell opens. */
export interface HostFacts {
  readonly hostname: string;
  /** ID, VERSION_ID and VERSION_CODENAME of /etc/os-release, e.g. debian, 13, trixie; ID_LIKE words after the id. */
  readonly os: { readonly id: string; readonly like: readonly string[]; readonly version: string; readonly codename: string };
  /** /proc/sys/kernel/random/boot_id: changes with each boot. */
  readonly bootId: string;
  /** The host's clock when it answered, milliseconds since 1970. */
  readonly clock: number;
}

/** Who works on a host: written beside the host's lock, shown to the second one. */
export interface Holder {
  /** Sorts by start time: the older of two runs that meet wins. */
  readonly run: string;
  /** user@machine of the operator. */
  readonly who: string;
  /** What they run, e.g. `cellwise apply`. */
  readonly what: string;
  /** ISO time of the start. */
  readonly since: string;
  /** The run is dead, but a command that it started goes on and keeps the lock until it ends. */
  readonly ended?: boolean;
}

/**
 * A root shell on a host that stays open for a whole run. SSH is one way to have it; tests and simulations are others.
 * All methods may be called while others are under way.
 */
export interface Shell {
  readonly host: string;
  readonly facts: HostFacts;
  /** Exchanges with the host so far (requests that waited for an answer). */
  readonly roundTrips: number;
  /** Runs a command that changes nothing. A lost connection is mended and the command sent again. */
  run(command: Command): Promise<Output>;
  /**
   * Runs a command that changes the host. It goes on when the connection is lost, and its outcome is collected after
   * reconnecting; `unknown` when that is not possible (the host was restarted): probe, then decide. `said` is told the
   * last line of what a command that takes its time has printed so far, every few seconds.
   */
  mend(command: Command, said?: (line: string) => void): Promise<Output | 'unknown'>;
  /** Takes the host's lock for as long as this shell, or a command it started, lives; or tells who has it. */
  lock(holder: Holder): Promise<'locked' | Holder>;
  /** A TCP connection that starts at the host, e.g. to an API that listens on its loopback. */
  dial(address: string, port: number): Promise<Duplex>;
  close(): Promise<void>;
}

/** Why a host cannot be worked on. `reason` is stable; the message is for people, and so is the hint. */
export class Unreachable extends Error {
  readonly host: string;
  readonly reason: string;
  readonly hint: string | undefined;

  constructor(host: string, reason: string, message: string, hint?: string) {
    super(printable(message));
    this.name = 'Unreachable';
    this.host = host;
    this.reason = reason;
    this.hint = hint === undefined ? undefined : printable(hint);
  }
}
