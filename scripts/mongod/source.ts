/** Takes one line for a person to read. */
export type Log = (message: string) => void;

/** What every source gets. */
export interface SourceContext {
  cacheDir: string;
  log: Log;
  env: NodeJS.ProcessEnv;
}
