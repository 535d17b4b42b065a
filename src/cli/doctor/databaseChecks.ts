import mongoose, { type Connection, type mongo } from 'mongoose';
import { pino } from 'pino';
import { measureClock } from '../../common/agreedClock.js';
import type { InspectedConfig } from '../../config/config.js';
import { identityProblem, readDatabaseIdentity, stripeModeOf } from '../../databaseIdentity.js';
import { runningMongodb } from '../../embeddedMongodb.js';
import { createModels, type Models } from '../../models/models.js';
import { createCatalogueGuard } from '../../services/tiers/catalogueGuard.js';
import { createServerInstances, ServerInstanceKind } from '../../services/tiers/serverInstances.js';
import { type Check, check, failed, ok, skipped, verdict, warning } from './check.js';

/** The database as the doctor reaches it; `connection` is null if it does not. */
export interface ReachedDatabase {
  connection: Connection | null;
  check: Check;
}

const CONNECT_MS = 5_000;
const WRITE_MS = 5_000;
const MIN_VERSION = 6;
const MAX_CLOCK_OFFSET_MS = 5_000;
const MAX_LISTED = 20;
const CONNECTION_FIX =
  'Start MongoDB, and check host, port, credentials and network access of MONGODB_URI (docs/mongodb.md)';

/** Connects to MONGODB_URI, or to the embedded MongoDB of a running server. It never starts one. */
export async function reachDatabase({ mongodbUri, dataDir }: InspectedConfig): Promise<ReachedDatabase> {
  let connection: Connection | null = null;
  const connected = await check('mongodb.connection', CONNECTION_FIX, async () => {
    const uri = mongodbUri ?? (await runningMongodb(dataDir));
    if (uri === null) {
      return skipped(
        `no server runs with the embedded MongoDB in ${dataDir}; start it with npx continuum-billing start, and run the doctor beside it`,
      );
    }
    const opened = mongoose.createConnection(uri, {
      serverSelectionTimeoutMS: CONNECT_MS,
      connectTimeoutMS: CONNECT_MS,
      writeConcern: { w: 'majority', journal: true },
      autoCreate: false,
      autoIndex: false,
      bufferCommands: false,
    });
    try {
      await opened.asPromise();
      await opened.db?.command({ ping: 1 });
    } catch (error) {
      await opened.close();
      throw error;
    }
    connection = opened;
    const { hosts } = opened.getClient().options;
    const where = mongodbUri === null ? `the embedded MongoDB in ${dataDir}` : hosts.join(', ');
    return ok(`connected to ${where}, database ${opened.db?.databaseName}`);
  });
  return { connection, check: connected };
}

const NAMES = ['version', 'replicaSet', 'write', 'indexes', 'clock', 'identity', 'catalogue', 'instances'];

export async function databaseChecks(config: InspectedConfig, reached: ReachedDatabase): Promise<Check[]> {
  const { connection } = reached;
  const db = connection?.db;
  if (!connection || !db) {
    const missed = NAMES.map((name) => ({ name: `mongodb.${name}`, ...skipped('MongoDB is not connected') }));
    return [reached.check, ...missed];
  }
  const models = createModels(connection);
  const checks = await Promise.all([
    check('mongodb.version', `Update MongoDB to version ${MIN_VERSION} or later`, async () => {
      const { version } = await db.admin().buildInfo();
      const isOld = Number.parseInt(version, 10) < MIN_VERSION;
      return verdict(
        `MongoDB ${version}`,
        isOld ? [`MongoDB ${version} is too old`] : [],
        'Update MongoDB to version 6 or later',
      );
    }),
    check('mongodb.replicaSet', CONNECTION_FIX, () => checkReplicaSet(db)),
    check(
      'mongodb.write',
      'The user needs the role readWrite on the database, and a majority of the replica set must be up',
      () => checkWrite(db),
    ),
    check('mongodb.indexes', 'The user needs the role readWrite on the database', () => checkIndexes(models)),
    check('mongodb.clock', CONNECTION_FIX, () => checkClock(connection)),
    check('mongodb.identity', CONNECTION_FIX, () => checkIdentity(config, connection)),
    check('mongodb.catalogue', 'Put back what is missing', () => checkCatalogue(config, models)),
    check('mongodb.instances', CONNECTION_FIX, () => checkInstances(config, models)),
  ]);
  return [reached.check, ...checks];
}

async function checkReplicaSet(db: mongo.Db) {
  const hello = await db.admin().command({ hello: 1 });
  if (hello.msg === 'isdbgrid') return ok('a sharded cluster');
  return hello.setName
    ? ok(`replica set ${hello.setName}`)
    : failed(
        'a standalone server, which has neither transactions nor change streams',
        'Start mongod with --replSet rs0, run rs.initiate() once, and add replicaSet=rs0 to MONGODB_URI. One member is enough',
      );
}

/** Writes as the server does: acknowledged by a majority, on disk. */
async function checkWrite(db: mongo.Db) {
  const settings = db.collection<{ _id: string }>('settings');
  const writeConcern = { w: 'majority' as const, journal: true, wtimeoutMS: WRITE_MS };
  await settings.updateOne({ _id: 'doctor' }, { $currentDate: { at: true } }, { upsert: true, writeConcern });
  await settings.deleteOne({ _id: 'doctor' }, { writeConcern });
  return ok('a write was acknowledged by a majority and is on disk');
}

async function checkIndexes(models: Models) {
  const all = Object.values(models.connection.models);
  const existing = new Set((await models.connection.listCollections()).map(({ name }) => name));
  if (!all.some(({ collection }) => existing.has(collection.collectionName)))
    return warning('no server has started on this database', 'Start the server, which creates them');
  const wrong = (
    await Promise.all(
      all.map(async (model) => {
        const { collectionName: name } = model.collection;
        if (!existing.has(name)) return [`${name}: the collection is missing`];
        const { toCreate } = await model.diffIndexes();
        return toCreate.map((keys) => `${name} ${JSON.stringify(keys)}: missing or different`);
      }),
    )
  ).flat();
  const listed = wrong.slice(0, MAX_LISTED);
  if (wrong.length > MAX_LISTED) listed.push(`and ${wrong.length - MAX_LISTED} more`);
  return verdict(
    `all indexes of ${all.length} collections`,
    listed,
    'Restart the server, which creates missing indexes. Drop an index with the same keys and other options first: db.<collection>.dropIndex(<keys>)',
  );
}

async function checkClock(connection: Connection) {
  const { offsetMs } = await measureClock(connection);
  const aheadMs = Math.round(offsetMs - performance.timeOrigin);
  const found = `the clock of the database is ${Math.abs(aheadMs)} ms ${aheadMs < 0 ? 'behind' : 'ahead of'} this machine's`;
  return Math.abs(aheadMs) > MAX_CLOCK_OFFSET_MS
    ? warning(
        found,
        'Synchronize the clocks of both machines by NTP. Stripe rejects and sends signatures by the time',
      )
    : ok(found);
}

async function checkIdentity({ stripe }: InspectedConfig, connection: Connection) {
  const identity = await readDatabaseIdentity(connection);
  if (!identity)
    return warning('no server has started on this database', 'Start the server: its mode is remembered');
  const problem =
    identityProblem('mode', identity.mode, stripe.mode) ??
    (stripe.mode === 'live'
      ? identityProblem('stripeMode', identity.stripeMode, stripeModeOf(stripe))
      : null);
  const account = identity.stripeAccount ? `, Stripe account ${identity.stripeAccount}` : '';
  return problem
    ? failed(problem, 'Change the configuration, or use another database')
    : ok(`a database of ${identity.mode} mode${account}`);
}

async function checkCatalogue({ catalogue }: InspectedConfig, models: Models) {
  if (!catalogue) return skipped('the catalogue has errors');
  const log = pino({ level: 'silent' });
  const problem = await createCatalogueGuard({ models, clock: { now: Date.now }, catalogue, log })
    .check()
    .then(
      () => null,
      (error: Error) => error.message,
    );
  if (problem === null) return ok('the catalogue has all tiers, versions and features that tenants have');
  const lines = problem.split('\n');
  const fix = lines.length > 1 ? lines.pop() : undefined;
  return failed(lines.join('\n'), fix ?? CONNECTION_FIX);
}

async function checkInstances({ catalogue }: InspectedConfig, models: Models) {
  if (!catalogue) return skipped('the catalogue has errors');
  const running = await createServerInstances({
    models,
    clock: { now: () => 0 },
    catalogue,
    kind: ServerInstanceKind.SERVER,
    log: pino({ level: 'silent' }),
  }).list();
  const others = running.filter(({ sameCatalogue }) => !sameCatalogue);
  if (others.length === 0) return ok(`${running.length} running, all with this catalogue`);
  return warning(
    `${others.length} of ${running.length} instances run with another catalogue: ${others
      .slice(0, MAX_LISTED)
      .map(
        ({ id, kind, version, catalogueDigest }) =>
          `${id} (${kind}, ${version}, catalogue ${catalogueDigest})`,
      )
      .join(', ')}`,
    'Start every instance, and every directLimits, with the same CATALOG_FILE',
  );
}
