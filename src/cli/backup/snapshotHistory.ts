import type { Connection } from 'mongoose';

/** MongoDB's default for the history that a backup reads. */
const DEFAULT_WINDOW_S = 300;
/** Until then the pace of a backup says nothing. */
const MEASURED_MS = 15_000;
/** A database grows, and not every document takes the same time. */
const MARGIN = 1.5;

/** @returns the command that lets MongoDB keep the past for so long */
export const keepHistoryCommand = (seconds: number): string =>
  `db.adminCommand({ setParameter: 1, minSnapshotHistoryWindowInSeconds: ${seconds} })`;

/** @returns for how many milliseconds MongoDB keeps the past; its default if the user may not ask */
export async function historyWindowMs(connection: Connection): Promise<number> {
  const answer = await connection.db
    ?.admin()
    .command({ getParameter: 1, minSnapshotHistoryWindowInSeconds: 1 })
    .catch(() => null);
  return Number(answer?.minSnapshotHistoryWindowInSeconds ?? DEFAULT_WINDOW_S) * 1000;
}

/**
 * Warns once, long before it fails, that a backup takes longer than MongoDB keeps the past.
 * @param nowMs of any clock that only moves forward
 * @returns gets the progress: documents that are written, of all
 */
export function createPaceWarning(
  windowMs: number,
  warn: (text: string) => void,
  nowMs: () => number = () => performance.now(),
): (documents: number, total: number) => void {
  const startedMs = nowMs();
  let isDone = false;
  return (documents, total) => {
    const tookMs = nowMs() - startedMs;
    const neededMs = (tookMs * total) / documents;
    if (isDone || tookMs < MEASURED_MS || neededMs < windowMs) return;
    isDone = true;
    const seconds = Math.ceil((neededMs * MARGIN) / 60_000) * 60;
    warn(
      `At this pace the backup takes about ${Math.ceil(neededMs / 60_000)} minutes, and MongoDB keeps the past for ` +
        `${Math.round(windowMs / 60_000)}: it will probably fail. Stop it, let MongoDB keep the past for longer, and start it ` +
        `again: ${keepHistoryCommand(seconds)}`,
    );
  };
}
