import type { App } from './app.js';
import { ConfigError, readConfig } from './config/config.js';
import { startEmbeddedMongodb } from './embeddedMongodb.js';
import { createLog, flushLog } from './log.js';
import { createErrorReports } from './services/infrastructure/errorReports.js';
import { welcome } from './welcome.js';

/** The time after notice and drain until the process ends in any case. */
const MAX_STOP_MS = 8_000;

const say = (line: string) => process.stderr.write(`${line}\n`);

async function run(): Promise<void> {
  const config = readConfig();
  const running = { app: null as App | null, stopping: false, failed: false };
  const reports = config.sentry && (await createErrorReports(config.sentry));
  const log = createLog(config.logLevel, reports);
  const flush = async () => {
    await reports?.flush();
    await flushLog(log);
  };
  // A process in an unknown state must not go on. Node's own handler would not wait for the report.
  process.on('uncaughtException', async (err) => {
    if (running.failed) return;
    running.failed = true;
    log.fatal({ err }, 'process.crashed');
    say(String(err.stack ?? err));
    await flush();
    process.exit(1);
  });
  // MongoDB takes a second to start, and so does loading the server: they do it at the same time.
  const [mongod, { startApp }] = await Promise.all([
    config.mongodbUri ? null : startEmbeddedMongodb(config.dataDir, say),
    import('./app.js'),
  ]);
  const mongodbUri = config.mongodbUri ?? (mongod?.uri as string);

  async function stop(): Promise<void> {
    if (running.stopping) return;
    running.stopping = true;
    const { noticeMs, drainMs } = config.shutdown;
    setTimeout(() => process.exit(1), noticeMs + drainMs + MAX_STOP_MS).unref();
    try {
      await running.app?.stop();
    } catch (error) {
      log.error({ err: error }, 'server.not_stopped');
      // The next start settles what this one could not. Nothing that was acknowledged is lost.
      say(`The server could not stop cleanly: ${(error as Error).message}`);
      process.exitCode = 1;
    }
    await mongod?.stop();
    await flush();
    process.exit();
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  mongod?.exited.then(({ requested, problem }) => {
    if (requested) return;
    const advice = problem ?? `see ${config.dataDir}/mongod.log`;
    say(`The embedded MongoDB ended by itself: ${advice}`);
    process.exit(1);
  });

  try {
    running.app = await startApp({ ...config, mongodbUri }, { log });
    const text = await welcome(running.app, config);
    await flushLog(log);
    process.stdout.write(text);
  } catch (error) {
    // What fails beside it is its consequence.
    running.failed = true;
    log.fatal({ err: error }, 'server.not_started');
    await mongod?.stop();
    await flush();
    throw error;
  }
}

run().catch((error: unknown) => {
  say(
    error instanceof ConfigError ? error.message : `The server could not start: ${(error as Error).message}`,
  );
  process.exit(1);
});
