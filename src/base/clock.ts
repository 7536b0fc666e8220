/** What time it is, and waiting. A simulation has one of its own, in which waiting takes no time. */
export interface Clock {
  /** Milliseconds since some moment. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}
