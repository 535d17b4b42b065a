/** What the load's process is asked to do. */
export interface LoadPlan {
  url: string;
  connections: number;
  /** Each connection repeats its share of them, one after the other. */
  requests: LoadRequest[];
  /** How long, in seconds; or how many requests in all. */
  until: { seconds: number } | { requests: number };
  /** Whether it goes on although connections fail: a server that defends itself cuts them. */
  persistent?: boolean;
}

/** A load that does not wait for answers. */
export interface PacedPlan {
  url: string;
  /** Each is sent once, evenly spaced, whatever became of those before it. */
  requests: LoadRequest[];
  perSecond: number;
}

export interface LoadRequest {
  headers: Record<string, string>;
  body: string;
}

export interface LoadResult {
  seconds: number;
  /** Answered with 200. */
  succeeded: number;
  /** Answered with another status. */
  refused: number;
  /** Connections that broke, and requests without an answer. */
  failed: number;
  p50Ms: number;
  p99Ms: number;
}

/** The requests of one connection: all connections together go through all of them. */
export function shareOf<T>(requests: readonly T[], connection: number, connections: number): T[] {
  const share = requests.filter((_, i) => i % connections === connection);
  return share.length > 0 ? share : [requests[connection % requests.length] as T];
}
