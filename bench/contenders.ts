import type { Models } from '../src/models/models.js';
import { type PeerName, startPeer } from './peers/peerServer.js';
import { type BenchServer, startOurServer } from './server.js';

/** A way to serve the metered operation. */
export interface Contender {
  name: string;
  /** One process more on the database. @param limit a tenant's calls; ours knows it from the database */
  start(mongodbUri: string, limit: number): Promise<BenchServer>;
  /** Calls that are stored as made, by all tenants. */
  stored(models: Models): Promise<number>;
}

export const APOLLO = peer('Apollo alone', 'bareApollo', async () => 0);

export const FLEXIBLE = peer('Apollo, rate-limiter-flexible', 'rateLimiterFlexible', (models) =>
  sumOf(models, 'flexible', '$points'),
);

/** As it is shipped it stores nothing. */
export const SHIPPED = peer('Apollo, graphql-rate-limit', 'graphqlRateLimit', async () => 0);

/** No server of ours: the same Apollo Server, with its schema enforced on the database. */
export const LIBRARY = peer('Apollo, our library', 'library', callsOf);

export const ALONE = ours('Continuum, one instance');
export const SHARED = ours('Continuum, two instances');

/** The first is what the others are compared with. */
export const CONTENDERS: readonly Contender[] = [APOLLO, FLEXIBLE, SHIPPED, ALONE, SHARED];

function peer(name: string, program: PeerName, stored: Contender['stored']): Contender {
  return { name, start: (mongodbUri, limit) => startPeer(program, { mongodbUri, limit }), stored };
}

function ours(name: string): Contender {
  return {
    name,
    start: (mongodbUri) => startOurServer(mongodbUri),
    stored: callsOf,
  };
}

/** In the ledgers, and of days that ended during the bench. */
async function callsOf(models: Models): Promise<number> {
  return (
    (await sumOf(models, 'ledgers', '$windows.day.used')) + (await sumOf(models, 'usage_days', '$calls'))
  );
}

async function sumOf({ connection }: Models, collection: string, field: string): Promise<number> {
  const stages = [{ $group: { _id: null, calls: { $sum: field } } }];
  const [sum] = await connection.collection(collection).aggregate<{ calls: number }>(stages).toArray();
  return sum?.calls ?? 0;
}
