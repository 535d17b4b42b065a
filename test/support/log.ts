import { type Logger, pino } from 'pino';
import { logOptions } from '../../src/log.js';

/** A log whose messages a test can read, or whole lines as they were written. */
export function collectLog(level = 'info'): { log: Logger; logged: string[]; lines: string[] } {
  const logged: string[] = [];
  const lines: string[] = [];
  const write = (line: string) => {
    lines.push(line);
    logged.push(JSON.parse(line).msg);
  };
  return { log: pino({ ...logOptions, level }, { write }), logged, lines };
}
