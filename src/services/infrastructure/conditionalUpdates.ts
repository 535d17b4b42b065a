import { type ClientSession, type Model, mongo } from 'mongoose';
import { isDatabaseUnavailable, isDuplicateKey } from './databaseErrors.js';

/** A statement of MongoDB's `update` command. Sending it again after it changed its document changes nothing. */
export interface ConditionalUpdate {
  q: { _id: string };
  /** Operators, or a pipeline. */
  u: object;
  upsert?: true;
  /** An index, so that MongoDB does not weigh one against the others for each statement. */
  hint?: string;
}

/** The update that changes fields of a document if the condition holds. */
export const changeIf = (condition: object, fields: object): object[] => [
  { $replaceWith: { $cond: [condition, { $mergeObjects: ['$$ROOT', fields] }, '$$ROOT'] } },
];

type UpdatedModel = Pick<Model<never>, 'collection' | 'db'>;

/** MongoDB's answer to the command `update`. */
interface UpdateAnswer {
  nModified: number;
  upserted?: unknown[];
  writeErrors?: { code: number; errmsg: string }[];
  writeConcernError?: { code: number; errmsg: string };
}

/** After this time the caller gets an error. */
const TIMEOUT_MS = 1_800;
const BULK_SIZE = 256;
const MIN_RETRY_MS = 300;
const DURABLE = { w: 'majority', j: true };

/**
 * Sends one update for each of some documents; they are on disk when it resolves. MongoDB executes a bulk on one thread,
 * so many updates are sent in several parts.
 * @returns how many documents changed; MongoDB does not say which
 */
export async function sendUpdates(
  model: UpdatedModel,
  updates: readonly ConditionalUpdate[],
): Promise<number> {
  const parts: Promise<number>[] = [];
  for (let i = 0; i < updates.length; i += BULK_SIZE)
    parts.push(sendPart(model, updates.slice(i, i + BULK_SIZE)));
  // Wait for all parts before failing, so that nothing is in progress when the next batch starts.
  const results = await Promise.allSettled(parts);
  return results.reduce((sum, result) => {
    if (result.status === 'rejected') throw result.reason;
    return sum + result.value;
  }, 0);
}

/** Retries once after a failover or a broken connection. */
async function sendPart(model: UpdatedModel, updates: readonly ConditionalUpdate[]): Promise<number> {
  const untilMs = performance.now() + TIMEOUT_MS;
  try {
    return await tryPart(model, updates, TIMEOUT_MS);
  } catch (error) {
    const leftMs = Math.floor(untilMs - performance.now());
    if (!isDatabaseUnavailable(error) || leftMs < MIN_RETRY_MS) throw error;
    return tryPart(model, updates, leftMs);
  }
}

/** The same in a transaction, by whose commit the updates are on disk. */
export const updateInTransaction = (
  model: UpdatedModel,
  updates: readonly ConditionalUpdate[],
  session: ClientSession,
): Promise<number> => execute(model, updates, {}, { session });

const tryPart = (
  model: UpdatedModel,
  updates: readonly ConditionalUpdate[],
  timeoutMS: number,
): Promise<number> => execute(model, updates, { writeConcern: DURABLE }, { timeoutMS });

async function execute(
  { collection, db }: UpdatedModel,
  updates: readonly ConditionalUpdate[],
  more: object,
  options: mongo.RunCommandOptions,
): Promise<number> {
  // The driver's bulkWrite would measure each statement, and make MongoDB record each for a retry, which is another write.
  const command = { update: collection.collectionName, updates, ordered: false, ...more };
  const answer = (await (db.db as mongo.Db).command(command, options)) as UpdateAnswer;
  // Two inserts of one document at the same time may give a duplicate key error: the statement did not change it.
  const failed = answer.writeErrors?.find((error) => !isDuplicateKey(error)) ?? answer.writeConcernError;
  if (failed) throw new mongo.MongoServerError({ message: failed.errmsg, code: failed.code });
  return answer.nModified + (answer.upserted?.length ?? 0);
}
