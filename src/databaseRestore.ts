import type { Connection } from 'mongoose';

/** Stands in a database whose data is not complete. */
interface RestoreMark {
  _id: string;
  startedAt: Date;
}

const MARK_ID = 'restore';
export const RESTORE_MARK = { _id: MARK_ID };

const settingsOf = (connection: Connection) => connection.collection<RestoreMark>('settings');

/** Whether a restore has begun on the database and not ended. */
export const isBeingRestored = async (connection: Connection): Promise<boolean> =>
  (await settingsOf(connection).findOne(RESTORE_MARK)) !== null;

/** From now on no server starts on the database. */
export async function beginRestore(connection: Connection): Promise<void> {
  const startedNow = { $currentDate: { startedAt: true } } as const;
  await settingsOf(connection).updateOne(RESTORE_MARK, startedNow, { upsert: true });
}

export async function endRestore(connection: Connection): Promise<void> {
  await settingsOf(connection).deleteOne(RESTORE_MARK);
}

/** @throws Error if only a part of a backup has been restored */
export async function needRestored(connection: Connection): Promise<void> {
  if (await isBeingRestored(connection))
    throw new Error(
      'A restore of the database is under way, or did not finish. Wait for it, or run npx continuum-billing restore again',
    );
}
