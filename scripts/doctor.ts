import { parseArgs } from 'node:util';
import { type InspectedConfig, inspectConfig } from '../src/config/config.js';
import { type Check, type CheckStatus, failed, ok } from './doctor/check.js';
import { databaseChecks, reachDatabase } from './doctor/databaseChecks.js';
import { jwtCheck, publicUrlCheck, redisCheck } from './doctor/networkChecks.js';
import { stripeChecks } from './doctor/stripeChecks.js';

const HELP = `Checks the configuration, MongoDB, Stripe, Redis and the public URL, and says how to fix what is wrong.

  npm run doctor              print what was found
  npm run --silent doctor -- --json
                              print it as JSON: {ok, counts, checks: [{name, status, found, fix}]}
  npm run doctor -- --help    print this text

A check is ok, a warning, an error or skipped. The environment variables are those of the server, which may run meanwhile.
Nothing is changed, except for one document that is written to MongoDB and deleted again. No secret is printed.
Exit code: 0 without an error; 1 with one.
`;

const CLOSE_MS = 2_000;

async function diagnose(config: InspectedConfig): Promise<Check[]> {
  const database = reachDatabase(config);
  try {
    const groups = await Promise.all([
      database.then((reached) => databaseChecks(config, reached)),
      stripeChecks(config, database),
      redisCheck(config).then((one) => [one]),
      jwtCheck(config).then((one) => [one]),
      publicUrlCheck(config, database).then((one) => [one]),
    ]);
    return [configurationCheck(config), ...groups.flat()];
  } finally {
    const { connection } = await database;
    const closing = new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref());
    await Promise.race([connection?.close(), closing]);
  }
}

function configurationCheck({ errors, stripe }: InspectedConfig): Check {
  const finding =
    errors.length === 0
      ? ok(`valid, for ${stripe.mode} mode`)
      : failed(errors.join('\n'), 'Correct the variables; docs/configuration.md lists all of them');
  return { name: 'configuration', ...finding };
}

const STATUSES: readonly CheckStatus[] = ['ok', 'warning', 'error', 'skipped'];

const countsOf = (checks: readonly Check[]) =>
  Object.fromEntries(
    STATUSES.map((status) => [status, checks.filter((one) => one.status === status).length]),
  ) as Record<CheckStatus, number>;

/** Errors of drivers may quote what they were given, so all known secrets are removed from the text, wherever it came from. */
function withoutSecrets(text: string, config: InspectedConfig): string {
  const { mongodbUri, redisUrl, adminApiKeys, stripe, subgraph } = config;
  const passwords = [mongodbUri, redisUrl].flatMap((url) => {
    const [, written] = /:\/\/[^/@]*?:([^/@]+)@/.exec(url ?? '') ?? [];
    return written ? [written, decodeURIComponent(written)] : [];
  });
  const secrets = [
    ...passwords,
    ...adminApiKeys,
    ...subgraph.gatewaySecrets,
    ...stripe.webhookSecrets,
    ...(stripe.secretKey ? [stripe.secretKey] : []),
  ];
  return secrets.reduce((clean, secret) => clean.replaceAll(secret, '…'), text);
}

const NAME_WIDTH = 32;
const INDENT = ' '.repeat(8 + 1 + NAME_WIDTH + 1);
const indented = (text: string) => text.replaceAll('\n', `\n${INDENT}`);

function linesOf(checks: readonly Check[]): string {
  const { ok: good, warning, error, skipped } = countsOf(checks);
  const lines = checks.map(({ name, status, found, fix }) => {
    const line = `${status.padEnd(8)} ${name.padEnd(NAME_WIDTH)} ${indented(found)}`;
    return fix ? `${line}\n${INDENT}→ ${indented(fix)}` : line;
  });
  return `${lines.join('\n')}\n\n${good} ok, ${warning} warnings, ${error} errors, ${skipped} skipped\n`;
}

async function run(): Promise<void> {
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({ options: { json: flag, help: flag } });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const config = inspectConfig();
  const checks = await diagnose(config);
  const counts = countsOf(checks);
  const text = values.json
    ? `${JSON.stringify({ ok: counts.error === 0, counts, checks }, null, 2)}\n`
    : linesOf(checks);
  // A check that timed out may still hold a connection open.
  process.stdout.write(withoutSecrets(text, config), () => process.exit(counts.error === 0 ? 0 : 1));
}

run().catch((error: unknown) => {
  process.stderr.write(`The doctor could not run: ${(error as Error).message}\n`);
  process.exit(1);
});
