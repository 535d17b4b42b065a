/** Gets one line for a person to read. */
export type Log = (message: string) => void;

/** A program that can be found on this machine or downloaded. */
export interface Program {
  /** The name that people know, which begins its lines in the log: `MongoDB`. */
  title: string;
  /** The executable's name: `mongod`. */
  name: string;
  /** Finds the version in the output of `--version`: the whole version, and its major number. */
  versionPattern: RegExp;
  minMajorVersion: number;
  /** The versions to look for in the cache, best first. */
  cachedVersions: readonly string[];
}

/** What each source needs. */
export interface SourceContext {
  program: Program;
  cacheDir: string;
  log: Log;
  env: NodeJS.ProcessEnv;
}

/** One place to get a program from. `find` returns its path, or throws an error that gives the reason. */
export interface Source {
  name: string;
  /** Logged before a source that may take long. */
  announcement?: string;
  find(context: SourceContext): Promise<string>;
}
