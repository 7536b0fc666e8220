import type { Duplex, Readable, Writable } from 'node:stream';

/**
 * A process on the far side as three byte streams: one exec channel of SSH, one child process in tests, the system's
 * `ssh` some day. Whoever makes one sees to it that none of the streams ever throws an unhandled 'error'.
 */
export interface Channel {
  readonly input: Writable;
  readonly output: Readable;
  readonly errors: Readable;
  /** Settles, and never fails, when the process has ended or the way to it is gone. */
  readonly closed: Promise<Ending>;
  /** Gives the process up at once. */
  destroy(): void;
}

/** How a channel ended. Without a code: it ended by a signal, or the connection was lost before it was told. */
export interface Ending {
  readonly code?: number | undefined;
  readonly signal?: string | undefined;
  /** What the transport says of its loss. */
  readonly error?: string | undefined;
}

/** A live connection to a host over which processes are started and TCP connections forwarded. */
export interface Transport {
  /** Starts a command under the user's login shell, without a terminal. */
  exec(command: string): Promise<Channel>;
  /** A TCP connection that starts at the host. */
  dial(address: string, port: number): Promise<Duplex>;
  close(): void;
}
