import { cached } from './cache.js';
import { checkVersion, onPath } from './executable.js';
import type { Log, Program, Source, SourceContext } from './source.js';

export interface FindOptions {
  /** Where downloaded executables are kept; `userCacheDir` names a place in the user's cache. */
  cacheDir: string;
  log: Log;
  /** Default: this process's environment. The program and Python are looked for on its PATH. */
  env?: NodeJS.ProcessEnv;
}

/**
 * Returns the program from the first source that has it. The path and the cache come first, so nothing is downloaded
 * that the machine already has.
 * @param downloads in the order in which they are tried
 * @param advice what a person can do when all fail, one a line
 * @returns the path of an executable of a suitable version
 * @throws one error that lists each source, why it failed, and what a person can do
 */
export async function findProgram(
  program: Program,
  downloads: readonly Source[],
  advice: readonly string[],
  { cacheDir, log, env = process.env }: FindOptions,
): Promise<string> {
  const context = { program, cacheDir, log, env };
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
      `No ${program.title} could be found or downloaded. These sources were tried, in order:`,
      ...failures,
      'Do one of these:',
      ...advice.map((line) => `  - ${line}`),
    ].join('\n'),
  );
}

async function fromPath({ program, env }: SourceContext): Promise<string> {
  const binary = await onPath(program.name, env);
  if (!binary) throw new Error('not there');
  await checkVersion(binary, program);
  return binary;
}
