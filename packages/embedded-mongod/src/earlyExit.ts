/**
 * Why a mongod ended: before it was ready, as an error that explains it; later, if a person can repair the reason.
 */
import { open, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { MongodFiles } from './dataDirectory.js';

const LOG_TAIL_BYTES = 16_384;
const LOG_TAIL_LINES = 5;
/** A failed write is followed by the stack of the thread that ended the process. */
const LOG_OF_END_BYTES = 262_144;
/** What the system says of a write for which there is no room: a full disk, a quota, a limit of the process. */
const NO_ROOM = /No space left on device|Disk quota exceeded|File too large/;
/** With less than this, mongod cannot even write down why it ended. */
const MIN_FREE_BYTES = 2 ** 20;

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
export async function explained(exit: EarlyExit, files: MongodFiles, port: number): Promise<Error> {
  const causes = new Map([
    [EXIT_ADDRESS_IN_USE, `port ${port} on 127.0.0.1 is taken`],
    [EXIT_INCOMPATIBLE_DATA, `the data in ${files.data} was written by another version of MongoDB`],
    [EXIT_DATA_DIR_LOCKED, `the data directory ${files.data} is locked by another mongod`],
  ]);
  const cause = causes.get(exit.code ?? 0) ?? (await diskProblem(files)) ?? exit.message;
  const log = await endOf(files.log, LOG_TAIL_BYTES);
  const lines = log.trimEnd().split('\n').slice(-LOG_TAIL_LINES);
  return new Error(
    `MongoDB did not start: ${cause}.\nThe end of ${files.log}:\n${lines.map((line) => `  ${line}`).join('\n')}`,
    { cause: exit },
  );
}

/** @returns what is wrong with the disk, if mongod ended because it could not write to it; otherwise null */
export async function diskProblem({ data, log }: MongodFiles): Promise<string | null> {
  const directory = dirname(data);
  const [logged = null] = NO_ROOM.exec(await endOf(log, LOG_OF_END_BYTES)) ?? [];
  const room = await statfs(directory).catch(() => null);
  if (!room) return null;
  const freeBytes = room.bavail * room.bsize;
  if (logged === null && freeBytes >= MIN_FREE_BYTES) return null;
  const free = `${(freeBytes / 2 ** 20).toFixed(1)} MB free`;
  return `${directory} cannot be written (${logged ?? 'No space left on device'}, ${free}). Make room there, then start again`;
}

async function endOf(file: string, maxBytes: number): Promise<string> {
  const handle = await open(file).catch(() => null);
  if (!handle) return '';
  try {
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read({
      buffer: Buffer.alloc(Math.min(size, maxBytes)),
      position: Math.max(0, size - maxBytes),
    });
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
