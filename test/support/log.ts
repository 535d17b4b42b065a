import { type Logger, pino } from 'pino';

/** A log whose messages a test can read. */
export function collectLog(): { log: Logger; logged: string[] } {
  const logged: string[] = [];
  const write = (line: string) => void logged.push(JSON.parse(line).msg);
  return { log: pino({ level: 'info' }, { write }), logged };
}
