/**
 * What finding, fetching and running mongod is made of, for other programs: a Redis for tests, a compiler.
 */
export { keep, userCacheDir, withIncoming } from './programs/cache.js';
export { lastLines, runCommand } from './programs/command.js';
export { reportEvery } from './programs/download.js';
export { checkVersion, onPath } from './programs/executable.js';
export { type FindOptions, findProgram } from './programs/find.js';
export { fromWheel, type Wheel } from './programs/fromWheel.js';
export { type GuardedExit, type GuardedProcess, spawnGuarded } from './programs/guard.js';
export { choosePort, listening } from './programs/port.js';
export type { Log, Program, Source, SourceContext } from './programs/source.js';
export { downloadWheel, unpackWheel, type WheelRelease } from './programs/wheel.js';
