/** Where the mock takes the time from: the machine's, unless a host has another. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
}
