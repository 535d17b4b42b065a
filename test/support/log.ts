import type { Logger } from 'pino';
import { logTo } from '../../src/log.js';
import type { ErrorReports } from '../../src/services/infrastructure/errorReports.js';

/** The server's log, whose messages a test can read, or whole lines as they were written. */
export function collectLog(
  level = 'info',
  reports: ErrorReports | null = null,
): { log: Logger; logged: string[]; lines: string[] } {
  const logged: string[] = [];
  const lines: string[] = [];
  const write = (line: string) => {
    lines.push(line);
    logged.push(JSON.parse(line).msg);
  };
  return { log: logTo({ write }, level, reports), logged, lines };
}
