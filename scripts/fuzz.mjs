// Sends made-up requests to a running server. Plain JavaScript over what the build of the benchmarks compiles.
import { parseArgs } from 'node:util';
import { fuzz } from '../dist/test/support/fuzz/run.js';

const HELP = `Sends requests that are made up from the schema and from OpenAPI to a running server, and reports every answer
that is a 5xx, has an undocumented error, or is too large. It changes data: never use it on a server that is needed.

  npm run fuzz -- --key KEY                            one minute against http://127.0.0.1:4000/graphql, as its operator
  npm run fuzz -- --key KEY --minutes 10               up to 60
  npm run fuzz -- --key KEY --url URL                  another server on this machine
  npm run fuzz -- --key KEY --webhook-secret SECRET    webhook events with valid signatures
  npm run fuzz -- --key KEY --gateway-secret SECRET    the subgraph too
  npm run fuzz -- --key KEY --seed 12345               repeats a run; every run prints its seed
  npm run fuzz -- --help                               this text

KEY is what the server has as ADMIN_API_KEY: a key that it stores may be revoked by the run itself.
The server must be in mock mode. --any-host allows a server on another machine.
Exit code: 0 when nothing was found.
`;

const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'];
const MAX_MINUTES = 60;
const MAX_REQUESTS = 10_000_000;

function fail(message) {
  process.stderr.write(`${message}\n\n${HELP}`);
  process.exit(1);
}

function read() {
  const string = { type: 'string' };
  const boolean = { type: 'boolean' };
  const secrets = { 'webhook-secret': string, 'gateway-secret': string };
  const options = { key: string, url: string, minutes: string, seed: string, help: boolean };
  try {
    return parseArgs({ options: { ...options, ...secrets, 'any-host': boolean } }).values;
  } catch (error) {
    return fail(error.message);
  }
}

const values = read();
const { help, key, url = 'http://127.0.0.1:4000/graphql', minutes = '1' } = values;
if (help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const seed = Number(values.seed ?? Math.ceil(Math.random() * 1_000_000_000));
if (!key) fail('--key is missing: it is the key of an operator');
if (!URL.canParse(url)) fail('--url must be a URL');
if (!values['any-host'] && !LOOPBACK.includes(new URL(url).hostname))
  fail('--url must name this machine; --any-host allows another one');
if (!(Number(minutes) > 0 && Number(minutes) <= MAX_MINUTES))
  fail(`--minutes must be a number of at most ${MAX_MINUTES}`);
if (!(Number.isSafeInteger(seed) && seed > 0)) fail('--seed must be a whole number, at least 1');

process.stdout.write(`seed ${seed}\n`);
const { requests, findings, statuses, codes } = await fuzz({
  url: new URL(url).origin,
  operatorKey: key,
  seed,
  maxRequests: MAX_REQUESTS,
  untilMs: Date.now() + Number(minutes) * 60_000,
  webhookSecret: values['webhook-secret'] ?? null,
  gatewaySecret: values['gateway-secret'] ?? null,
});
for (const finding of findings) process.stdout.write(`${JSON.stringify(finding, null, 2)}\n`);
process.stdout.write(`${JSON.stringify({ requests, statuses, codes, findings: findings.length })}\n`);
process.exitCode = findings.length > 0 ? 1 : 0;
