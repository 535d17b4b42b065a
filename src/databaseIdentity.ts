import type { Connection } from 'mongoose';
import type { Logger } from 'pino';
import type { StripeConfig } from './config/stripeConfig.js';
import { needRestored } from './databaseRestore.js';
import { readAccount } from './services/billing/stripe/stripeAccount.js';
import { createStripeClient, isLiveKey } from './services/billing/stripe/stripeClient.js';
import { describeFailure } from './services/billing/stripe/stripeErrors.js';
import { noMetrics } from './services/infrastructure/metrics.js';

/** Where the customers and subscriptions of a database are. With another Stripe, they would all seem to be gone. */
export interface DatabaseIdentity {
  mode: StripeConfig['mode'];
  /** Stripe's own mode, by the key; null if it is not known, and in mock mode. */
  stripeMode: 'test' | 'live' | null;
  /** null if it is not known, and in mock mode. */
  stripeAccount: string | null;
}

type Stored = DatabaseIdentity & { _id: 'database' };

const settingsOf = (connection: Connection) => connection.collection<Stored>('settings');

/**
 * Compares the configured Stripe with the one that the database was first used with, which it remembers.
 * @param deps.remembers whether the first use is stored; default: yes
 * @throws Error that says what to do, if they are different, or if a restore has not finished
 */
export async function checkDatabaseIdentity(deps: {
  connection: Connection;
  stripe: StripeConfig;
  log: Logger;
  remembers?: boolean;
}): Promise<void> {
  const { connection, stripe, log, remembers = true } = deps;
  await needRestored(connection);
  const stored = await readDatabaseIdentity(connection);
  const unknown = { stripeMode: null, stripeAccount: null };
  const remembered =
    stored ??
    (remembers
      ? await remember(connection, stripe.mode)
      : { mode: (await modeOfData(connection)) ?? stripe.mode, ...unknown });
  // Before Stripe is asked: a key that does not belong here must not even be tried.
  needSame('mode', remembered.mode, stripe.mode);
  if (stripe.mode === 'mock') return;
  const account = await readAccount(createStripeClient(stripe, null, null, noMetrics)).catch(
    (error: unknown) => {
      log.warn({ reason: describeFailure(error) }, 'stripe.account_unknown');
      return null;
    },
  );
  const facts = { stripeMode: stripeModeOf(stripe), stripeAccount: account?.id ?? null };
  for (const [name, value] of Object.entries(facts) as [keyof typeof facts, string | null][]) {
    if (value === null) continue;
    needSame(name, remembers ? await rememberOnce(connection, name, value) : remembered[name], value);
  }
}

/** @returns what the database remembers; null if no server has started on it */
export const readDatabaseIdentity = (connection: Connection): Promise<DatabaseIdentity | null> =>
  settingsOf(connection).findOne({ _id: 'database' }, { projection: { _id: 0 } });

export function stripeModeOf({ secretKey }: StripeConfig): DatabaseIdentity['stripeMode'] {
  const isLive = isLiveKey(secretKey ?? '');
  return isLive === null ? null : isLive ? 'live' : 'test';
}

/** Of several servers that start at once, the first decides. */
async function remember(connection: Connection, configured: StripeConfig['mode']): Promise<DatabaseIdentity> {
  const mode = (await modeOfData(connection)) ?? configured;
  const stored = await settingsOf(connection).findOneAndUpdate(
    { _id: 'database' },
    { $setOnInsert: { mode, stripeMode: null, stripeAccount: null } },
    { upsert: true, returnDocument: 'after' },
  );
  if (!stored) throw new Error('The mode of the database was not stored');
  return stored;
}

/** The mode of a database that an earlier version has used; null for a new one. */
async function modeOfData(connection: Connection): Promise<StripeConfig['mode'] | null> {
  const has = async (collection: string, filter: object) =>
    (await connection.collection(collection).findOne(filter, { projection: { _id: 1 } })) !== null;
  if (await has('mock_stripe_objects', {})) return 'mock';
  return (await has('billing_customers', { stripeCustomerId: { $type: 'string' } })) ? 'live' : null;
}

/** @returns the value that is stored, which is another one if it was known before */
async function rememberOnce(
  connection: Connection,
  name: 'stripeMode' | 'stripeAccount',
  value: string,
): Promise<string | null> {
  const settings = settingsOf(connection);
  await settings.updateOne({ _id: 'database', [name]: null }, { $set: { [name]: value } });
  return (await settings.findOne({ _id: 'database' }))?.[name] ?? null;
}

/** @throws Error that says what to do */
function needSame(name: keyof DatabaseIdentity, remembered: string | null, configured: string): void {
  const problem = identityProblem(name, remembered, configured);
  if (problem) throw new Error(problem);
}

const MEANT = {
  mode: (value: string) => (value === 'mock' ? 'mock mode' : 'live mode'),
  stripeMode: (value: string) => `Stripe's ${value} mode`,
  stripeAccount: (value: string) => `the Stripe account ${value}`,
};

/** @returns why a server may not start, and what to do; null if the database remembers the same, or nothing yet */
export function identityProblem(
  name: keyof DatabaseIdentity,
  remembered: string | null,
  configured: string | null,
): string | null {
  if (remembered === null || configured === null || remembered === configured) return null;
  const back =
    name !== 'mode'
      ? 'set STRIPE_SECRET_KEY to a key of that account and mode'
      : remembered === 'mock'
        ? 'set STRIPE_MOCK_MODE=true'
        : 'set STRIPE_SECRET_KEY, and leave STRIPE_MOCK_MODE out';
  return (
    `The database belongs to ${MEANT[name](remembered)}, and this server is configured for ${MEANT[name](configured)}, ` +
    `where none of its customers and subscriptions exist. Either ${back}, or use another database: name it in ` +
    'MONGODB_URI, or in DATA_DIR for the embedded MongoDB. docs/mongodb.md says how to move a database deliberately'
  );
}
