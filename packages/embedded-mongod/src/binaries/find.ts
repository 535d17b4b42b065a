/**
 * Finds a program to run: the first source that has it.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { cached } from './cache.js';
import { checkVersion, onPath } from './executable.js';
import type { Log, Program, Source, SourceContext } from './source.js';

export interface FindOptions {
  /** Where downloaded executables are kept. Default: `$XDG_CACHE_HOME/continuum-billing` or `~/.cache/continuum-billing`. */
  cacheDir?: string | undefined;
  log: Log;
  /** Default: this process's environment. PATH says where the program and Python are looked for. */
  env?: NodeJS.ProcessEnv;
}

/**
 * Looks on the path and in the cache first: nothing is downloaded while there is something on the machine.
 * @param downloads in the order in which they are tried
 * @param advice what a person can do when all fail, one a line
 * @returns the path of an executable that has the version asked for
 * @throws one error that lists every source tried, why it failed and what a person can do
 */
export async function findProgram(
  program: Program,
  downloads: readonly Source[],
  advice: readonly string[],
  { cacheDir, log, env = process.env }: FindOptions,
): Promise<string> {
  const context = { program, cacheDir: cacheDir ?? defaultCacheDir(env), log, env };
  const sources: Source[] = [
    { name: `${program.name} on the path`, find: fromPath },
    { name: 'the cache', find: cached },
    ...downloads,
  ];
  const failures: string[] = [];
  for (const { name, announcement, find } of sources) {
    try {
      if (announcement) log(`${program.title}: ${announcement}`);
      return await find(context);
    } catch (error) {
      failures.push(`  - ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(
    [
      `No ${program.title} could be found or downloaded. Tried, in this order:`,
      ...failures,
      'What to do, one of:',
      ...advice.map((line) => `  - ${line}`),
    ].join('\n'),
  );
}

function defaultCacheDir(env: NodeJS.ProcessEnv): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'continuum-billing');
}

async function fromPath({ program, env }: SourceContext): Promise<string> {
  const binary = await onPath(program.name, env);
  if (!binary) throw new Error('there is none');
  await checkVersion(binary, program);
  return binary;
}
