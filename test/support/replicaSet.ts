import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findMongod } from '@continuum-billing/embedded-mongod';
import {
  choosePort,
  type GuardedProcess,
  listening,
  spawnGuarded,
} from '@continuum-billing/embedded-mongod/programs';
import mongoose, { type mongo } from 'mongoose';
import { CACHE_DIR } from '../../src/embeddedMongodb.js';
import { makeDataDirectory } from './dataDirectory.js';

/** A replica set of three real mongods, whose members fail one at a time. */
export interface ReplicaSet {
  /** With all members and the name of a database. */
  uri: string;
  /** The primary hands over in order, as for maintenance. Resolves when there is another one. */
  stepDown(): Promise<void>;
  /** `kill -9` of the primary. Resolves when there is another one. @returns what starts the killed one again */
  killPrimary(): Promise<() => Promise<void>>;
  /**
   * SIGSTOP of the primary: it takes connections and answers nothing. Resolves when there is another one.
   * @returns what lets it run again, still believing that it is the primary
   */
  freezePrimary(): Promise<() => Promise<void>>;
  /** SIGSTOP of both secondaries: what the primary writes, no majority has. @returns what lets them run again */
  freezeSecondaries(): Promise<() => Promise<void>>;
  /** Resolves when there is a primary, and both other members follow it. */
  whole(): Promise<void>;
  /** A connection of the test's own, closed by `remove`. */
  connect(): Promise<mongoose.Connection>;
  /** Ends all and removes their data. */
  remove(): Promise<void>;
}

interface Member {
  port: number;
  dataDir: string;
  process: GuardedProcess;
}

const MEMBERS = 3;
const NAME = 'rs0';
const START_MS = 30_000;
const ELECTION_MS = 30_000;
const POLL_MS = 50;
/** A fifth of the default, so that a test waits less for each election. Nothing in the server depends on it. */
const ELECTION_TIMEOUT_MS = 2_000;

async function spawnMember(binary: string, dataDir: string, port: number): Promise<GuardedProcess> {
  const output = await open(join(dataDir, 'mongod.log'), 'a');
  const options = [
    ...['--dbpath', dataDir, '--replSet', NAME, '--port', `${port}`, '--bind_ip', '127.0.0.1'],
    ...['--nounixsocket', '--quiet', '--wiredTigerCacheSizeGB', '0.25', '--oplogSize', '128'],
    ...['--setParameter', 'diagnosticDataCollectionEnabled=false'],
    // As in deploy/compose.yaml: what a dead server's transaction has written stays locked until then.
    ...['--setParameter', 'transactionLifetimeLimitSeconds=3'],
  ];
  try {
    const member = await spawnGuarded([binary, ...options], output.fd);
    await listening(port, AbortSignal.timeout(START_MS));
    return member;
  } finally {
    await output.close();
  }
}

export async function startReplicaSet(): Promise<ReplicaSet> {
  const binary = await findMongod({ cacheDir: CACHE_DIR, log: () => undefined });
  const members: Member[] = [];
  for (let i = 0; i < MEMBERS; i++) {
    const dataDir = await makeDataDirectory('continuum-member-');
    const port = await choosePort(undefined, () => undefined);
    members.push({ dataDir, port, process: await spawnMember(binary, dataDir, port) });
  }
  const hosts = members.map(({ port }) => `127.0.0.1:${port}`);
  const uri = `mongodb://${hosts.join(',')}/faults?replicaSet=${NAME}`;
  const connections: mongoose.Connection[] = [];

  async function onMember<T>(port: number, ask: (admin: mongo.Db) => Promise<T>): Promise<T> {
    const client = new mongoose.mongo.MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, {
      serverSelectionTimeoutMS: 500,
      socketTimeoutMS: 1_000,
    });
    try {
      return await ask(client.db('admin'));
    } finally {
      await client.close(true);
    }
  }

  /** What a member says of itself, with the latest change that it has. */
  const hello = (member: Member) =>
    onMember(member.port, (admin) => admin.command({ hello: 1 })).catch(() => null);

  /** @param but a member that is no longer the primary, whatever it says itself */
  async function primary(but?: Member): Promise<Member> {
    for (const untilMs = Date.now() + ELECTION_MS; Date.now() < untilMs; await sleep(POLL_MS)) {
      for (const member of members) {
        if (member !== but && (await hello(member))?.isWritablePrimary) return member;
      }
    }
    throw new Error(`No primary was elected within ${ELECTION_MS} ms`);
  }

  await onMember((members[0] as Member).port, (admin) =>
    admin.command({
      replSetInitiate: {
        _id: NAME,
        members: hosts.map((host, _id) => ({ _id, host })),
        settings: { electionTimeoutMillis: ELECTION_TIMEOUT_MS, heartbeatIntervalMillis: 500 },
      },
    }),
  );
  await primary();

  const set: ReplicaSet = {
    uri,
    async stepDown() {
      const old = await primary();
      await onMember(old.port, (admin) =>
        admin.command({ replSetStepDown: 10, secondaryCatchUpPeriodSecs: 5 }),
      );
      await primary(old);
    },
    async killPrimary() {
      const old = await primary();
      process.kill(old.process.pid, 'SIGKILL');
      await old.process.exited;
      await primary(old);
      return async () => {
        old.process = await spawnMember(binary, old.dataDir, old.port);
      };
    },
    async freezePrimary() {
      const old = await primary();
      process.kill(old.process.pid, 'SIGSTOP');
      await primary(old);
      return async () => {
        process.kill(old.process.pid, 'SIGCONT');
      };
    },
    async freezeSecondaries() {
      const current = await primary();
      const secondaries = members.filter((member) => member !== current);
      const send = (signal: NodeJS.Signals) => {
        for (const member of secondaries) process.kill(member.process.pid, signal);
      };
      send('SIGSTOP');
      return async () => send('SIGCONT');
    },
    async whole() {
      for (const untilMs = Date.now() + ELECTION_MS; Date.now() < untilMs; await sleep(POLL_MS)) {
        const states = await Promise.all(members.map(hello));
        const primaries = states.filter((state) => state?.isWritablePrimary);
        const secondaries = states.filter(
          (state) => state?.secondary && String(state.primary) === primaries[0]?.me,
        );
        if (primaries.length === 1 && secondaries.length === MEMBERS - 1) return;
      }
      throw new Error(`The replica set did not become whole within ${ELECTION_MS} ms`);
    },
    async connect() {
      const connection = await mongoose.createConnection(uri).asPromise();
      connections.push(connection);
      return connection;
    },
    async remove() {
      await Promise.all(connections.map((connection) => connection.close()));
      for (const member of members) {
        member.process.end();
        // A frozen one would not end by itself.
        try {
          process.kill(member.process.pid, 'SIGKILL');
        } catch {}
        await member.process.exited;
        await rm(member.dataDir, { recursive: true, force: true });
      }
    },
  };
  await set.whole();
  return set;
}
