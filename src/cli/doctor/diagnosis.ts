import { type InspectedConfig, inspectConfig } from '../../config/config.js';
import type { Output, Result } from '../output.js';
import { type Check, type CheckStatus, failed, ok } from './check.js';
import { databaseChecks, reachDatabase } from './databaseChecks.js';
import { jwtCheck, publicUrlCheck, redisCheck } from './networkChecks.js';
import { stripeChecks } from './stripeChecks.js';

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
      : failed(errors.join('\n'), 'Correct the variables; docs/reference/configuration.md lists all of them');
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
  const sums = [`${good} ok`, counted(warning, 'warning'), counted(error, 'error'), `${skipped} skipped`];
  return `${lines.join('\n')}\n\n${sums.join(', ')}`;
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** Runs every check. It is done with an error only if one of them is an error. */
export async function diagnosis({ env }: Output): Promise<Result> {
  const config = inspectConfig(env);
  const checks = (await diagnose(config)).map((check) => ({
    ...check,
    found: withoutSecrets(check.found, config),
    fix: check.fix && withoutSecrets(check.fix, config),
  }));
  const counts = countsOf(checks);
  const ok = counts.error === 0;
  return { json: { ok, counts, checks }, text: linesOf(checks), ok };
}
