/** Takes one line for a person to read. */
export type Log = (message: string) => void;

/** A server that can be found on this machine or fetched. */
export interface Program {
  /** As people know it; its lines in the log begin with this: `MongoDB`. */
  title: string;
  /** The executable's name: `mongod`. */
  name: string;
  /** Finds the version in what `--version` prints: the whole of it, and its major number. */
  versionPattern: RegExp;
  minMajorVersion: number;
  /** Those that the cache may hold, best first. */
  cachedVersions: readonly string[];
}

/** What every source gets. */
export interface SourceContext {
  program: Program;
  cacheDir: string;
  log: Log;
  env: NodeJS.ProcessEnv;
}

/** One place to get a program from. `find` returns its path, or throws with the reason why not. */
export interface Source {
  name: string;
  /** Said before it is tried: the steps that may take long. */
  announcement?: string;
  find(context: SourceContext): Promise<string>;
}
