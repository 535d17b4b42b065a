// Makes a Stripe event happen at a running server in mock mode. Plain JavaScript: it needs no build.
import { parseArgs } from 'node:util';

const { ADMIN_API_KEY, PORT, PUBLIC_URL } = process.env;
const HELP = `Makes a Stripe event happen to a tenant of a running server in mock mode: what leads to the event is done at
the mock, which then sends its webhooks.

  npm run stripe:trigger -- invoice.payment_failed                      to the oldest tenant
  npm run stripe:trigger -- invoice.payment_failed --tenant ten_…       to another one
  npm run stripe:trigger -- invoice.payment_failed --url http://…       at another server
  npm run stripe:trigger -- --help                                      this text; an unknown event lists the known ones

Environment: ADMIN_API_KEY, the operator's key (the first start prints it). The server is at --url, else PUBLIC_URL, else
http://127.0.0.1:PORT (4000).
`;

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function read() {
  const string = { type: 'string' };
  try {
    const options = { tenant: string, url: string, help: { type: 'boolean' } };
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    return fail(`${error.message}\n\n${HELP}`);
  }
}

const { values, positionals } = read();
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const [event, ...more] = positionals;
if (!event || more.length > 0) fail(`Name one event.\n\n${HELP}`);
// The first of two while they are rotated.
const [operatorKey] = (ADMIN_API_KEY ?? '').split(',');
if (!operatorKey) fail("ADMIN_API_KEY is missing: the operator's key");

const base = (values.url ?? PUBLIC_URL ?? `http://127.0.0.1:${PORT || 4000}`).replace(/\/+$/, '');
const response = await fetch(`${base}/mock/trigger`, {
  method: 'POST',
  headers: { 'content-type': 'application/json', 'x-api-key': operatorKey },
  body: JSON.stringify({ event, tenantId: values.tenant }),
}).catch((error) => fail(`No server answers at ${base}: ${error.cause?.message ?? error.message}`));
const answer = await response.json().catch(() => ({}));
if (response.status === 404 && answer.error?.code !== 'NOT_FOUND')
  fail(`The server at ${base} is not in mock mode`);
if (!response.ok) fail(answer.error?.message ?? `HTTP ${response.status}`);
process.stdout.write(`${answer.event} happened to ${answer.tenantId} (${answer.stripeCustomerId})\n`);
