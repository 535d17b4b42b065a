import type { Logger } from 'pino';
import { logTo } from '../../src/log.js';
import type { ErrorReports } from '../../src/services/infrastructure/errorReports.js';
import { searchForSecrets } from './secrets.js';

/** The server's log, whose messages a test can read, or whole lines as they were written. */
export function collectLog(
  level = 'info',
  reports: ErrorReports | null = null,
): { log: Logger; logged: string[]; lines: string[] } {
  const logged: string[] = [];
  const lines: string[] = [];
  const write = (line: string) => {
    lines.push(line);
    searchForSecrets(line);
    logged.push(JSON.parse(line).msg);
  };
  return { log: logTo({ write }, level, reports), logged, lines };
}

/** The log of a server whose test does not read it: all of it is searched for secrets, and shown if `TEST_LOG_LEVEL` is set. */
export function searchedLog(): Logger {
  const shown = process.env.TEST_LOG_LEVEL;
  return logTo(
    {
      write(line) {
        searchForSecrets(line);
        if (shown) process.stdout.write(line);
      },
    },
    shown ?? 'debug',
    null,
  );
}
