import { setTimeout as sleep } from 'node:timers/promises';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createWsClient } from 'graphql-ws';
import { WebSocket } from 'ws';

/** A client that shows a tenant's memories and usage: it connects again for ever, and then reads again. */
export interface LiveFollower {
  name: string;
  /** The ids that it has read, or that a message had. */
  memories: Set<string>;
  /** Of the last message. */
  calls: number | null;
  /** How often its stream of memories began to listen. */
  connects: number;
  /** Why connections ended: the close codes of WebSockets. */
  closes: number[];
  /** How each stream ended for good, which none may. */
  ended: unknown[];
  dispose(): void;
}

const RETRY_MS = 100;
const MEMORIES = 'subscription { memoryChanged { id } }';
const USAGE = 'subscription { usageChanged(current: true) { apiCalls } }';
const PAGE = `query Page($after: String) {
  memories(first: 100, after: $after) { edges { node { id } } pageInfo { hasNextPage endCursor } }
}`;

// biome-ignore lint/suspicious/noExplicitAny: data of any operation
type Data = any;
/** Runs a query. @returns its data; undefined if there is no response, or an error */
type Ask = (query: string, variables: object) => Promise<Data>;

export async function readMemories(ask: Ask): Promise<string[] | null> {
  const ids: string[] = [];
  let after: string | null = null;
  for (;;) {
    const data = await ask(PAGE, { after });
    if (!data) return null;
    const { edges, pageInfo } = data.memories;
    ids.push(...edges.map(({ node }: { node: { id: string } }) => node.id));
    if (!pageInfo.hasNextPage) return ids;
    after = pageInfo.endCursor;
  }
}

export const askOverHttp =
  (url: string, key: string): Ask =>
  async (query, variables) => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key },
      body: JSON.stringify({ query, variables }),
    }).catch(() => null);
    return ((await response?.json().catch(() => null)) as { data?: Data } | null)?.data;
  };

function createFollower(name: string): Omit<LiveFollower, 'dispose'> {
  return { name, memories: new Set(), calls: null, connects: 0, closes: [], ended: [] };
}

/** Takes the messages of both streams. */
function sinks(follower: Omit<LiveFollower, 'dispose'>) {
  const over = (reason: unknown) => void follower.ended.push(reason);
  const sink = (take: (data: Data) => void) => ({
    next: ({ data, errors }: Data) => (data ? take(data) : over(errors)),
    error: over,
    complete: () => over('complete'),
  });
  return {
    memories: sink(({ memoryChanged }) => follower.memories.add(memoryChanged.id)),
    usage: sink(({ usageChanged }) => {
      follower.calls = usageChanged.apiCalls;
    }),
  };
}

async function readAgain(follower: Omit<LiveFollower, 'dispose'>, ask: Ask): Promise<void> {
  follower.connects++;
  const connection = follower.connects;
  while (connection === follower.connects) {
    const ids = await readMemories(ask);
    if (!ids) await sleep(RETRY_MS);
    for (const id of ids ?? []) follower.memories.add(id);
    if (ids) return;
  }
}

export function followOverWs(url: string, key: string): LiveFollower {
  const follower = createFollower(`WebSocket to ${url}`);
  const client = createWsClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    connectionParams: { apiKey: key },
    webSocketImpl: WebSocket,
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: () => true,
    retryWait: () => sleep(RETRY_MS),
    on: {
      closed: (event) => follower.closes.push((event as { code: number }).code),
      connected: () => void readAgain(follower, ask),
    },
  });
  const ask: Ask = (query, variables) =>
    new Promise((resolve) => {
      let data: Data;
      client.subscribe({ query, variables } as never, {
        next: (result: Data) => {
          data = result.data;
        },
        error: () => resolve(undefined),
        complete: () => resolve(data),
      });
    });
  const { memories, usage } = sinks(follower);
  client.subscribe({ query: MEMORIES }, memories);
  client.subscribe({ query: USAGE }, usage);
  return Object.assign(follower, {
    // It waits for a connection that is just being opened, which may fail.
    dispose: () => void Promise.resolve(client.dispose()).catch(() => undefined),
  });
}

export function followOverSse(url: string, key: string): LiveFollower {
  const follower = createFollower(`events of ${url}`);
  const client = createSseClient({
    url: `${url}/graphql`,
    headers: { 'x-api-key': key },
    retryAttempts: Number.POSITIVE_INFINITY,
    retry: () => sleep(RETRY_MS),
  });
  const { memories, usage } = sinks(follower);
  client.subscribe({ query: MEMORIES }, memories, {
    connected: () => void readAgain(follower, askOverHttp(url, key)),
  });
  client.subscribe({ query: USAGE }, usage);
  return Object.assign(follower, { dispose: () => client.dispose() });
}
