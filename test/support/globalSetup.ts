/**
 * One MongoDB for a whole test run. MONGODB_TEST_URI names another one to use instead (a replica set).
 */
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { findMongod, startMongod } from '../../scripts/mongod/index.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where the run's MongoDB is, without a database name: take one with connectTestDatabase(). */
    mongodbUri: string;
  }
}

const MEMORY_DIRECTORY = '/dev/shm';
/** The data of a whole run, its oplog and its journal take a few hundred megabytes. */
const ENOUGH_BYTES = 2 ** 30;

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.MONGODB_TEST_URI;
  if (given) {
    project.provide('mongodbUri', given);
    return async () => {};
  }
  const log = (message: string) => console.log(message);
  const dataDir = await mkdtemp(join(await fastDirectory(), 'continuum-test-'));
  const removeData = () => rm(dataDir, { recursive: true, force: true });
  try {
    const mongod = await startMongod({ binary: await findMongod({ log }), dataDir, log });
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

/** In memory, where that has room: these tests kill servers, never this MongoDB, and need not wait for a disk. */
async function fastDirectory(): Promise<string> {
  const free = await statfs(MEMORY_DIRECTORY).catch(() => null);
  return free && free.bavail * free.bsize >= ENOUGH_BYTES ? MEMORY_DIRECTORY : tmpdir();
}
