/**
 * One mongod on one data directory: started as a replica set of one, ended in order, never left behind.
 */
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GuardedProcess, spawnGuarded } from './guard.js';
import { type Owner, ownerState, readOwner, writeOwner } from './owner.js';
import { becomePrimary, memberUri, REPLICA_SET } from './replicaSet.js';
import type { Log } from './source.js';

export interface MongodOptions {
  /** Path of the mongod executable. */
  binary: string;
  /** Holds the data (`mongo/`), the log (`mongod.log`, the previous one as `mongod.log.1`) and `mongod.json`. */
  dataDir: string;
  log: Log;
  /** Fixed port on 127.0.0.1. Without it: the one used last time, or any free one. */
  port?: number;
  /** WiredTiger's cache in gigabytes; 0.25, its minimum, is plenty for a development database. */
  cacheGb?: number;
}

export interface MongodExit {
  /** mongod's exit code, 128 + n after signal n, null when it could not be learned. */
  code: number | null;
  /** False when nobody called stop(): the database ended by itself. */
  requested: boolean;
}

export interface Mongod {
  /** Address without a database name. */
  uri: string;
  pid: number;
  /** Shuts MongoDB down in order; resolves when it has ended. Every call gets the same promise. */
  stop(): Promise<void>;
  /** Resolves, never rejects, when mongod has ended for whatever reason. */
  exited: Promise<MongodExit>;
}

/** A killed server's mongod gets this long to write its last checkpoint and leave; its guard kills it after 10 s. */
const PREVIOUS_EXIT_MS = 15_000;
/** Replaying a large journal after a crash takes its time; a start that hangs must still end. */
const START_TIMEOUT_MS = 60_000;
const POLL_INTERVAL_MS = 20;
/** Between two attempts to take a lock whose holder we cannot see (another container on the same volume). */
const LOCK_RETRY_MS = 250;
const PORT_RELEASE_MS = 300;
const EXIT_CODE_WAIT_MS = 1_000;
const DEFAULT_CACHE_GB = 0.25;
const OPLOG_MB = 256;
const LOG_TAIL_BYTES = 16_384;
const LOG_TAIL_LINES = 5;

const EXIT_ADDRESS_IN_USE = 48;
const EXIT_INCOMPATIBLE_DATA = 62;
const EXIT_DATA_DIR_LOCKED = 100;

/** mongod ended before it was of use. */
class EarlyExit extends Error {
  readonly code: number | null;

  constructor(code: number | null) {
    super(`mongod ended with exit code ${code ?? 'unknown'} before it was ready`);
    this.code = code;
  }
}

/**
 * Starts MongoDB on `dataDir` and waits until it takes writes.
 *
 * After a `kill -9` of the server that owned the directory, its MongoDB may still be shutting down: that is waited for.
 * @throws when a live server owns the directory, when mongod does not start, or when it takes more than a minute
 */
export async function startMongod(options: MongodOptions): Promise<Mongod> {
  const dataDir = resolve(options.dataDir);
  const ownerFile = join(dataDir, 'mongod.json');
  const dbPath = join(dataDir, 'mongo');
  await mkdir(dbPath, { recursive: true });

  const deadline = Date.now() + PREVIOUS_EXIT_MS;
  const log = onceEach(options.log);
  for (;;) {
    const owner = await previousOwnerGone(ownerFile, dbPath, deadline, log);
    const port = options.port ?? (await choosePort(owner?.port, log));
    try {
      const mongod = await launch({ ...options, dataDir }, dbPath, port);
      await writeOwner(ownerFile, { port, mongodPid: mongod.pid, serverPid: process.pid });
      return mongod;
    } catch (error) {
      if (!(error instanceof EarlyExit)) throw error;
      const locked = error.code === EXIT_DATA_DIR_LOCKED;
      // A port we chose may have been taken in the moment between choosing and using it.
      const portLost = error.code === EXIT_ADDRESS_IN_USE && options.port === undefined;
      if (Date.now() > deadline || !(locked || portLost)) throw await explained(error, dataDir, port);
      if (locked) log(`MongoDB: ${dbPath} is locked by another mongod, waiting for it to end ...`);
      await sleep(LOCK_RETRY_MS);
    }
  }
}

/**
 * @returns what the previous owner left in the file, once its mongod is gone
 * @throws when that owner is alive, or its mongod outlives the deadline
 */
async function previousOwnerGone(
  file: string,
  dbPath: string,
  deadline: number,
  log: Log,
): Promise<Owner | undefined> {
  for (;;) {
    const owner = await readOwner(file);
    const state = await ownerState(owner, dbPath);
    switch (state.kind) {
      case 'none':
        return owner;
      case 'live':
        throw new Error(
          `The data directory ${dbPath} is in use by another running server (pid ${state.owner.serverPid}, ` +
            `its MongoDB pid ${state.owner.mongodPid}). Stop that server, or set DATA_DIR to another directory.`,
        );
      case 'leaving':
        if (Date.now() > deadline) {
          throw new Error(
            `The MongoDB of an earlier server (pid ${state.mongodPid}) still holds ${dbPath} after ` +
              `${PREVIOUS_EXIT_MS / 1000} s. End that process, then start again.`,
          );
        }
        log(`MongoDB: waiting for the one of the previous server (pid ${state.mongodPid}) to shut down ...`);
        await sleep(POLL_INTERVAL_MS);
    }
  }
}

/** Starts the process and waits for a writable primary; ends it again when that fails. */
async function launch(options: MongodOptions, dbPath: string, port: number): Promise<Mongod> {
  const guarded = await spawnMongod(options, dbPath, port);
  const abort = new AbortController();
  const timer = setTimeout(
    () => abort.abort(new Error(`MongoDB was not ready within ${START_TIMEOUT_MS / 1000} s`)),
    START_TIMEOUT_MS,
  );
  void guarded.exited.then(({ code }) => abort.abort(new EarlyExit(code)));
  try {
    await unlessAborted(waitUntilReady(port, guarded.pid, abort.signal), abort.signal);
  } catch (error) {
    // A lost connection is often the first sign of a lost process, whose exit code says more: let it come.
    await Promise.race([guarded.exited, sleep(EXIT_CODE_WAIT_MS)]);
    const cause: unknown = abort.signal.aborted ? abort.signal.reason : error;
    guarded.end();
    await guarded.exited;
    throw cause;
  } finally {
    clearTimeout(timer);
  }
  return handle(guarded, port);
}

async function waitUntilReady(port: number, pid: number, signal: AbortSignal): Promise<void> {
  while (!(await accepts(port))) await sleep(POLL_INTERVAL_MS, undefined, { signal });
  await becomePrimary(port, pid, signal);
}

/** Settles with `work`, or rejects with the signal's reason as soon as it is aborted. */
async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  // Whichever loses the race may still reject, long after anybody listens.
  for (const late of [work, aborted]) late.catch(() => {});
  await Promise.race([work, aborted]);
}

async function spawnMongod(options: MongodOptions, dbPath: string, port: number): Promise<GuardedProcess> {
  const logFile = join(options.dataDir, 'mongod.log');
  // One earlier log is kept: it tells why the previous run ended. A missing one is a first start.
  await rename(logFile, `${logFile}.1`).catch(() => {});
  const output = await open(logFile, 'a', 0o600);
  try {
    return await spawnGuarded([options.binary, ...mongodArguments(options, dbPath, port)], output.fd);
  } finally {
    await output.close();
  }
}

function mongodArguments(options: MongodOptions, dbPath: string, port: number): string[] {
  const parameters = [
    // A primary waits 15 s for secondaries to catch up before it stops. There are none.
    'shutdownTimeoutMillisForSignaledShutdown=0',
    'diagnosticDataCollectionEnabled=false',
  ];
  return [
    ...['--dbpath', dbPath, '--replSet', REPLICA_SET, '--port', String(port)],
    // There is no access control: nobody outside this machine may connect.
    ...['--bind_ip', '127.0.0.1', '--nounixsocket', '--quiet'],
    ...[
      '--storageEngine',
      'wiredTiger',
      '--wiredTigerCacheSizeGB',
      String(options.cacheGb ?? DEFAULT_CACHE_GB),
    ],
    // The default is 5 % of the disk, up to 50 GB.
    ...['--oplogSize', String(OPLOG_MB)],
    ...parameters.flatMap((parameter) => ['--setParameter', parameter]),
  ];
}

function handle(guarded: GuardedProcess, port: number): Mongod {
  let stopping: Promise<void> | undefined;
  const exited = guarded.exited.then(({ code }) => ({ code, requested: stopping !== undefined }));
  return {
    uri: memberUri(port),
    pid: guarded.pid,
    exited,
    stop() {
      stopping ??= exited.then(() => {});
      guarded.end();
      return stopping;
    },
  };
}

/** The port of last time if nobody else has taken it, else a free one. */
async function choosePort(kept: number | undefined, log: Log): Promise<number> {
  if (kept !== undefined) {
    // Not refused at the first failure: a process that has just ended gives up its sockets a moment later.
    for (
      const deadline = Date.now() + PORT_RELEASE_MS;
      Date.now() < deadline;
      await sleep(POLL_INTERVAL_MS)
    ) {
      if ((await bindable(kept)) !== undefined) return kept;
    }
    log(`MongoDB: port ${kept} is taken by another program, moving to a free one`);
  }
  const free = await bindable(0);
  if (free === undefined) throw new Error('no free port on 127.0.0.1');
  return free;
}

/** @returns the port when it can be listened on (0 asks for any), else undefined. */
function bindable(port: number): Promise<number | undefined> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(undefined));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' ? address?.port : undefined));
    });
  });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
    // Only the handshake matters; without this the probe would hold a connection open.
    socket.once('connect', () => socket.destroy());
  });
}

/** The same line again and again while polling tells nobody anything. */
function onceEach(log: Log): Log {
  const said = new Set<string>();
  return (message) => {
    if (said.has(message)) return;
    said.add(message);
    log(message);
  };
}

/** An error that a person can act on: the cause, the last words of MongoDB's log, and where the rest is. */
async function explained(exit: EarlyExit, dataDir: string, port: number): Promise<Error> {
  const causes = new Map([
    [EXIT_ADDRESS_IN_USE, `port ${port} on 127.0.0.1 is taken`],
    [EXIT_INCOMPATIBLE_DATA, `the data in ${dataDir} was written by another version of MongoDB`],
    [EXIT_DATA_DIR_LOCKED, `the data directory ${join(dataDir, 'mongo')} is locked by another mongod`],
  ]);
  const cause = causes.get(exit.code ?? 0) ?? exit.message;
  const logFile = join(dataDir, 'mongod.log');
  return new Error(`MongoDB did not start: ${cause}.\nThe end of ${logFile}:\n${await logTail(logFile)}`, {
    cause: exit,
  });
}

async function logTail(file: string): Promise<string> {
  const content = await readFile(file, 'utf8').catch(() => '');
  const lines = content.slice(-LOG_TAIL_BYTES).trimEnd().split('\n');
  return lines
    .slice(-LOG_TAIL_LINES)
    .map((line) => `  ${line}`)
    .join('\n');
}
