import { type Logger, pino } from 'pino';

/** A log whose messages a test can read, or whole lines as they were written. */
export function collectLog(): { log: Logger; logged: string[]; lines: string[] } {
  const logged: string[] = [];
  const lines: string[] = [];
  const write = (line: string) => {
    lines.push(line);
    logged.push(JSON.parse(line).msg);
  };
  return { log: pino({ level: 'info' }, { write }), logged, lines };
}
