/**
 * One mongod on one data directory: started as a replica set of one, shut down cleanly, never left behind.
 */
import { open, rename } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type MongodFiles, prepareDirectory } from './dataDirectory.js';
import { diskProblem, EarlyExit, EXIT_ADDRESS_IN_USE, EXIT_DATA_DIR_LOCKED, explained } from './earlyExit.js';
import { type Owner, ownerState, readOwner, writeOwner } from './owner.js';
import { type GuardedProcess, spawnGuarded } from './programs/guard.js';
import { choosePort, listening } from './programs/port.js';
import type { Log } from './programs/source.js';
import { becomePrimary, memberUri, REPLICA_SET } from './replicaSet.js';

export interface MongodOptions {
  /** Path of the mongod executable. */
  binary: string;
  /** Contains the data (`mongo/`), the log (`mongod.log`, the previous one as `mongod.log.1`) and `mongod.json`. */
  dataDir: string;
  log: Log;
  /** Fixed port on 127.0.0.1. Default: the previous one, or any free one. */
  port?: number;
  /** WiredTiger's cache in gigabytes; 0.25, its minimum, is plenty for a development database. */
  cacheGb?: number;
}

export interface MongodExit {
  /** mongod's exit code, 128 + n after signal n, null when it is not known. */
  code: number | null;
  /** False when MongoDB ended without a call of stop(). */
  requested: boolean;
  /** What a person must repair before the next start, such as a full disk; null if nothing is known. */
  problem: string | null;
}

export interface Mongod {
  /** Connection string without a database name. */
  uri: string;
  pid: number;
  /** Shuts MongoDB down cleanly, and resolves when it has ended. Every call returns the same promise. */
  stop(): Promise<void>;
  /** Resolves when mongod has ended for any reason; never rejects. */
  exited: Promise<MongodExit>;
}

/** Time for a killed server's mongod to write its last checkpoint and end; its guard kills it after 10 s. */
const PREVIOUS_EXIT_MS = 15_000;
/** A killed process is gone from the process table by then. */
const KILLED_MS = 500;
/** Long enough to replay a large journal after a crash; a start that hangs must still end. */
const START_TIMEOUT_MS = 60_000;
const POLL_INTERVAL_MS = 20;
/** Between two attempts to take a lock whose holder is not visible (in another container on the same volume). */
const LOCK_RETRY_MS = 250;
const EXIT_CODE_WAIT_MS = 1_000;
const DEFAULT_CACHE_GB = 0.25;
const OPLOG_MB = 256;
/** A killed server leaves its transaction open, which would block the documents that it wrote for the default of 60 s. */
const MAX_TRANSACTION_SECONDS = 3;

/**
 * Starts MongoDB on `dataDir` and waits until it accepts writes.
 *
 * After a `kill -9` of the server that used the directory, its MongoDB may still be shutting down; this waits for it.
 * @throws UnusableDirectory; an Error when a live server uses the directory, when mongod does not start, or when that takes more
 *   than a minute
 */
export async function startMongod(options: MongodOptions): Promise<Mongod> {
  const files = await prepareDirectory(options.dataDir);

  const deadline = Date.now() + PREVIOUS_EXIT_MS;
  const log = onceEach(options.log);
  for (let attempt = 1; ; attempt++) {
    const owner = await previousOwnerGone(files, deadline, log);
    // The previous log is kept, because it shows why that run ended. On a first start there is none.
    if (attempt === 1) await rename(files.log, `${files.log}.1`).catch(() => {});
    const port = options.port ?? (await choosePort(owner?.port, (line) => log(`MongoDB: ${line}`)));
    try {
      return await launch(options, files, port);
    } catch (error) {
      if (!(error instanceof EarlyExit)) throw error;
      const locked = error.code === EXIT_DATA_DIR_LOCKED;
      // The chosen port may have been taken before mongod used it.
      const portLost = error.code === EXIT_ADDRESS_IN_USE && options.port === undefined;
      if (Date.now() > deadline || !(locked || portLost)) throw await explained(error, files, port);
      if (locked) log(`MongoDB: ${files.data} is locked by another mongod, waiting for it to end ...`);
      await sleep(LOCK_RETRY_MS);
    }
  }
}

/**
 * Waits until the previous owner's mongod is gone.
 * @returns that owner, from the file
 * @throws when that owner is alive, or its mongod outlives the deadline
 */
async function previousOwnerGone(files: MongodFiles, deadline: number, log: Log): Promise<Owner | undefined> {
  const killedBy = Date.now() + KILLED_MS;
  for (;;) {
    const owner = await readOwner(files.owner);
    const state = await ownerState(owner, files.data);
    switch (state.kind) {
      case 'none':
        return owner;
      case 'live':
        // A server that was killed a moment ago may still be in the process table.
        if (Date.now() < killedBy) {
          await sleep(POLL_INTERVAL_MS);
          continue;
        }
        throw new Error(
          `The data directory ${files.data} is in use by another running server (pid ${state.owner.serverPid}, ` +
            `its MongoDB pid ${state.owner.mongodPid}). Stop that server, or use another data directory.`,
        );
      case 'leaving':
        if (Date.now() > deadline) {
          throw new Error(
            `The MongoDB of a previous server (pid ${state.mongodPid}) still uses ${files.data} after ` +
              `${PREVIOUS_EXIT_MS / 1000} s. End that process, then start again.`,
          );
        }
        log(
          `MongoDB: waiting for the mongod of the previous server (pid ${state.mongodPid}) to shut down ...`,
        );
        await sleep(POLL_INTERVAL_MS);
    }
  }
}

/** Starts the process and waits for a writable primary; ends the process if that fails. */
async function launch(options: MongodOptions, files: MongodFiles, port: number): Promise<Mongod> {
  const guarded = await spawnMongod(options, files, port);
  const abort = new AbortController();
  const timer = setTimeout(
    () => abort.abort(new Error(`MongoDB was not ready within ${START_TIMEOUT_MS / 1000} s`)),
    START_TIMEOUT_MS,
  );
  void guarded.exited.then(({ code }) => abort.abort(new EarlyExit(code)));
  try {
    const ready = listening(port, abort.signal).then(() => becomePrimary(port, guarded.pid, abort.signal));
    await unlessAborted(ready, abort.signal);
    await writeOwner(files.owner, { port, mongodPid: guarded.pid, serverPid: process.pid });
  } catch (error) {
    // A lost connection is often the first sign of a process that ended, whose exit code says more: wait for it.
    await Promise.race([guarded.exited, sleep(EXIT_CODE_WAIT_MS)]);
    const cause: unknown = abort.signal.aborted ? abort.signal.reason : error;
    guarded.end();
    await guarded.exited;
    throw cause;
  } finally {
    clearTimeout(timer);
  }
  return handle(guarded, files, port);
}

/** Settles with `work`, or rejects with the signal's reason as soon as it is aborted. */
async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  // The loser of the race may still reject, when nothing awaits it any more.
  for (const late of [work, aborted]) late.catch(() => {});
  await Promise.race([work, aborted]);
}

async function spawnMongod(
  options: MongodOptions,
  files: MongodFiles,
  port: number,
): Promise<GuardedProcess> {
  // Opened here, not by mongod, so that the errors of the loader or the shell about a broken binary get into it too.
  const output = await open(files.log, 'a', 0o600);
  try {
    return await spawnGuarded([options.binary, ...mongodArguments(options, files.data, port)], output.fd);
  } finally {
    await output.close();
  }
}

function mongodArguments(options: MongodOptions, dbPath: string, port: number): string[] {
  const parameters = [
    // By default a primary waits 15 s for secondaries to catch up before it stops. There are none.
    'shutdownTimeoutMillisForSignaledShutdown=0',
    'diagnosticDataCollectionEnabled=false',
    `transactionLifetimeLimitSeconds=${MAX_TRANSACTION_SECONDS}`,
  ];
  return [
    ...['--dbpath', dbPath, '--replSet', REPLICA_SET, '--port', String(port)],
    // There is no access control, so only this machine may connect.
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

function handle(guarded: GuardedProcess, files: MongodFiles, port: number): Mongod {
  let stopping: Promise<void> | undefined;
  const exited = guarded.exited.then(async ({ code }) => {
    const requested = stopping !== undefined;
    return { code, requested, problem: requested ? null : await diskProblem(files) };
  });
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

/** Logs each line once, however often polling repeats it. */
function onceEach(log: Log): Log {
  const said = new Set<string>();
  return (message) => {
    if (said.has(message)) return;
    said.add(message);
    log(message);
  };
}
