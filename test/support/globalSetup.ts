/**
 * One MongoDB for a whole test run. MONGODB_TEST_URI names another one to use instead (a replica set).
 */
import { rm } from 'node:fs/promises';
import { findMongod, startMongod } from '@continuum-billing/embedded-mongod';
import mongoose from 'mongoose';
import type { TestProject } from 'vitest/node';
import { CACHE_DIR } from '../../src/embeddedMongodb.js';
import { makeDataDirectory } from './dataDirectory.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where the run's MongoDB is, without a database name: take one with connectTestDatabase(). */
    mongodbUri: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.MONGODB_TEST_URI;
  if (given) {
    await keepWhatExpires(given);
    project.provide('mongodbUri', given);
    return async () => {};
  }
  const log = (message: string) => console.log(message);
  const dataDir = await makeDataDirectory('continuum-test-');
  const removeData = () => rm(dataDir, { recursive: true, force: true });
  try {
    const mongod = await startMongod({
      binary: await findMongod({ cacheDir: CACHE_DIR, log }),
      dataDir,
      log,
    });
    await keepWhatExpires(mongod.uri);
    project.provide('mongodbUri', mongod.uri);
    return async () => {
      await mongod.stop();
      await removeData();
    };
  } catch (error) {
    await removeData();
    throw error;
  }
}

/**
 * MongoDB deletes what has expired by its own clock, once a minute. By a test's clock, which may be months behind it, that
 * has not expired yet.
 */
async function keepWhatExpires(uri: string): Promise<void> {
  const client = await mongoose.mongo.MongoClient.connect(uri);
  try {
    await client.db('admin').command({ setParameter: 1, ttlMonitorEnabled: false });
  } finally {
    await client.close();
  }
}
