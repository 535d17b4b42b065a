/** What is used of autocannon, which brings no types. */
declare module 'autocannon' {
  interface Request {
    method: 'POST';
    headers: Record<string, string>;
    body: string;
  }
  interface Client {
    setRequests(requests: Request[]): void;
  }
  interface Options {
    url: string;
    connections: number;
    /** Seconds. */
    duration?: number;
    /** Requests in all, instead of a duration. */
    amount?: number;
    /** Milliseconds between two looks at what was answered. */
    sampleInt?: number;
    /** Ends after so many failed connections. */
    bailout?: number;
    /** Seconds. */
    timeout?: number;
    setupClient?(client: Client): void;
  }
  interface Result {
    /** Seconds. */
    duration: number;
    '2xx': number;
    non2xx: number;
    errors: number;
    timeouts: number;
    /** Milliseconds. */
    latency: { p50: number; p99: number };
  }
  export default function autocannon(options: Options): PromiseLike<Result>;
}
