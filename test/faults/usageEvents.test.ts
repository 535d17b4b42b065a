import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { callsIn, storedDays } from '../support/ledger.js';
import { buildServer, type ServerProcess, spawnServer } from '../support/serverProcess.js';
import { soon } from '../support/soon.js';

const OPERATOR = 'operator-key-of-the-faults-0123456789';
/** How long each round lasts until the kill. */
const ROUNDS_MS = [150, 230, 310, 420];
const CLIENTS = 6;
const EVENTS_PER_CALL = 40;

let database: TestDatabase;
let steady: ServerProcess;
let victim: ServerProcess | null = null;
let tenantId: string;

beforeAll(async () => {
  await buildServer();
  database = await connectTestDatabase();
  steady = await start();
  const { body } = await steady.gql(
    'mutation { createTenant(input: { name: "recorded" }) { tenant { id } } }',
    OPERATOR,
  );
  tenantId = body.data.createTenant.tenant.id;
});
afterAll(async () => {
  await Promise.all([steady, victim].map((server) => server?.end('SIGTERM').catch(() => undefined)));
  await database.dropAndClose();
});

const start = () =>
  spawnServer({ MONGODB_URI: database.uri, HOST: '127.0.0.1', ADMIN_API_KEY: OPERATOR, LOG_LEVEL: 'silent' });

type Call = readonly string[];

/** @returns the statuses of the events; null: no answer, or an error */
async function record(server: ServerProcess, call: Call): Promise<string[] | null> {
  const events = call.map((id) => `{ id: "${id}", endpoint: "jobs", quantity: 1 }`).join(' ');
  const mutation = `mutation { recordUsage(tenantId: "${tenantId}", events: [${events}]) { status } }`;
  const answer = await server.gql(mutation, OPERATOR).catch(() => null);
  return answer?.body.data?.recordUsage.map(({ status }: { status: string }) => status) ?? null;
}

const counted = async (): Promise<number> => callsIn(await storedDays(database.connection));

it('each event counts once when one of two servers is killed with -9 again and again under load', async () => {
  let calls = 0;
  let accepted = 0;
  const ids = new Set<string>();
  for (const roundMs of ROUNDS_MS) {
    const server = await start();
    victim = server;
    let killed = false;
    const unanswered: Call[] = [];
    const client = async () => {
      while (!killed) {
        // Half of a call's events come in another call too.
        const first = calls++ * (EVENTS_PER_CALL / 2);
        const call = Array.from({ length: EVENTS_PER_CALL }, (_, i) => `e${first + i}`);
        for (const id of call) ids.add(id);
        const statuses = await record(calls % 3 === 0 ? steady : server, call);
        if (statuses) accepted += statuses.filter((status) => status === 'ACCEPTED').length;
        else unanswered.push(call);
      }
    };
    const clients = Array.from({ length: CLIENTS }, client);
    await sleep(roundMs);
    expect(await server.end('SIGKILL')).toBe('SIGKILL');
    victim = null;
    killed = true;
    await Promise.all(clients);

    // What was answered is counted; of what was not, each event may be.
    expect(unanswered.length).toBeGreaterThan(0);
    const inFlight = unanswered.length * EVENTS_PER_CALL;
    const found = await counted();
    expect(found).toBeGreaterThanOrEqual(accepted);
    expect(found).toBeLessThanOrEqual(accepted + inFlight);

    for (const call of unanswered) {
      const statuses = await record(steady, call);
      expect(statuses).toHaveLength(EVENTS_PER_CALL);
    }
    // A server that starts counts what the killed one had stored only.
    victim = await start();
    await soon(async () => expect(await counted()).toBe(ids.size));
    await victim.end('SIGTERM');
    victim = null;
    accepted = ids.size;
  }
  // The clients went on after their first calls.
  expect(calls).toBeGreaterThan(ROUNDS_MS.length * CLIENTS);
}, 120_000);
