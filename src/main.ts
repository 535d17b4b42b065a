import type { App } from './app.js';
import { ConfigError, readConfig } from './config/config.js';
import { startEmbeddedMongodb } from './embeddedMongodb.js';
import { createLog, flushLog } from './log.js';
import { welcome } from './welcome.js';

const HELP = `Continuum Billing: a GraphQL billing server.

  npm start               build and start; an embedded MongoDB unless MONGODB_URI is set
  npm start -- --help     this text

It is configured by the environment; docs/operations.md lists the variables.
`;

/** The time after notice and drain until the process ends in any case. */
const MAX_STOP_MS = 8_000;

const say = (line: string) => process.stderr.write(`${line}\n`);

async function run(): Promise<void> {
  const config = readConfig();
  const log = createLog(config.logLevel);
  // MongoDB takes a second to start, and so does loading the server: they do it at the same time.
  const [mongod, { startApp }] = await Promise.all([
    config.mongodbUri ? null : startEmbeddedMongodb(config.dataDir, say),
    import('./app.js'),
  ]);
  const mongodbUri = config.mongodbUri ?? (mongod?.uri as string);

  const running: { app: App | null; stopping: boolean } = { app: null, stopping: false };

  async function stop(): Promise<void> {
    if (running.stopping) return;
    running.stopping = true;
    const { noticeMs, drainMs } = config.shutdown;
    setTimeout(() => process.exit(1), noticeMs + drainMs + MAX_STOP_MS).unref();
    try {
      await running.app?.stop();
    } catch (error) {
      // The next start settles what this one could not. Nothing that was acknowledged is lost.
      say(`The server could not stop cleanly: ${(error as Error).message}`);
      process.exitCode = 1;
    }
    await mongod?.stop();
    await flushLog(log);
    process.exit();
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  mongod?.exited.then(({ requested }) => {
    if (requested) return;
    say(`The embedded MongoDB ended by itself; see ${config.dataDir}/mongod.log`);
    process.exit(1);
  });

  try {
    running.app = await startApp({ ...config, mongodbUri }, { log });
    const text = await welcome(running.app, config);
    await flushLog(log);
    process.stdout.write(text);
  } catch (error) {
    await mongod?.stop();
    throw error;
  }
}

if (process.argv.includes('--help')) {
  process.stdout.write(HELP);
} else {
  run().catch((error: unknown) => {
    say(
      error instanceof ConfigError
        ? error.message
        : `The server could not start: ${(error as Error).message}`,
    );
    process.exit(1);
  });
}
