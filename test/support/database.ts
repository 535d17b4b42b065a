/**
 * A database of its own for every test file, on the one MongoDB of the run.
 */
import { randomUUID } from 'node:crypto';
import { withDatabase } from '@continuum-billing/embedded-mongod';
import mongoose from 'mongoose';
import { inject } from 'vitest';

export interface TestDatabase {
  /** Connection string with the database's name, for a server or a client of the test's own. */
  uri: string;
  connection: mongoose.Connection;
  /** Call it in afterAll: removes the database and closes the connection. */
  dropAndClose(): Promise<void>;
}

export async function connectTestDatabase(): Promise<TestDatabase> {
  const uri = withDatabase(inject('mongodbUri'), `test-${randomUUID()}`);
  const connection = await mongoose.createConnection(uri).asPromise();
  return {
    uri,
    connection,
    async dropAndClose() {
      await connection.dropDatabase();
      await connection.close();
    },
  };
}

/** Moves a database of mock mode to any account and mode of Stripe, as docs/mongodb.md describes. */
export async function moveToLiveMode(connection: mongoose.Connection): Promise<void> {
  await connection
    .collection<{ _id: string }>('settings')
    .updateOne({ _id: 'database' }, { $set: { mode: 'live', stripeMode: null, stripeAccount: null } });
}
