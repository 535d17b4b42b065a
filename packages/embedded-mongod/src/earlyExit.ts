/**
 * A mongod that ended before it was ready: the reason, and the error that explains it.
 */
import { readFile } from 'node:fs/promises';

const LOG_TAIL_BYTES = 16_384;
const LOG_TAIL_LINES = 5;

/** mongod's own exit codes. */
export const EXIT_ADDRESS_IN_USE = 48;
const EXIT_INCOMPATIBLE_DATA = 62;
export const EXIT_DATA_DIR_LOCKED = 100;

export class EarlyExit extends Error {
  readonly code: number | null;

  constructor(code: number | null) {
    super(`mongod ended with exit code ${code ?? 'unknown'} before it was ready`);
    this.code = code;
  }
}

/** @returns an error that a person can act on: the cause, the end of MongoDB's log, and where the rest is */
export async function explained(
  exit: EarlyExit,
  files: { data: string; log: string },
  port: number,
): Promise<Error> {
  const causes = new Map([
    [EXIT_ADDRESS_IN_USE, `port ${port} on 127.0.0.1 is taken`],
    [EXIT_INCOMPATIBLE_DATA, `the data in ${files.data} was written by another version of MongoDB`],
    [EXIT_DATA_DIR_LOCKED, `the data directory ${files.data} is locked by another mongod`],
  ]);
  const cause = causes.get(exit.code ?? 0) ?? exit.message;
  return new Error(
    `MongoDB did not start: ${cause}.\nThe end of ${files.log}:\n${await logTail(files.log)}`,
    {
      cause: exit,
    },
  );
}

async function logTail(file: string): Promise<string> {
  const content = await readFile(file, 'utf8').catch(() => '');
  const lines = content.slice(-LOG_TAIL_BYTES).trimEnd().split('\n');
  return lines
    .slice(-LOG_TAIL_LINES)
    .map((line) => `  ${line}`)
    .join('\n');
}
