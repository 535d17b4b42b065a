// Fills a running server in mock mode with demo data. Plain JavaScript: it needs no build.
import { parseArgs } from 'node:util';
import { fillWithDemoData } from './demo/fill.mjs';

const { ADMIN_API_KEY, PORT, PUBLIC_URL } = process.env;
const HELP = `Fills a running server in mock mode with demo data, by its public API: 28 tenants on every tier, thirty days of
usage, alerts, failed payments, overrides, rejections, open checkouts and operators' keys. Running it again adds only what
is missing.

  npm run demo                                     the server is at PUBLIC_URL, else http://127.0.0.1:PORT (4000)
  npm run demo -- --url http://… --key KEY         another server; --key unless ADMIN_API_KEY is set
  npm run demo -- --webhook-url https://…          also sends the server's own events there
  npm run demo -- --help                           this text

The key is an OWNER's (the first start prints one).
`;

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function read() {
  const string = { type: 'string' };
  try {
    const options = {
      url: string,
      key: string,
      'webhook-url': { ...string, multiple: true },
      help: { type: 'boolean' },
    };
    return parseArgs({ options }).values;
  } catch (error) {
    return fail(`${error.message}\n\n${HELP}`);
  }
}

const values = read();
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
// The first of two while they are rotated.
const key = values.key ?? (ADMIN_API_KEY ?? '').split(',')[0];
if (!key) fail("Give --key or ADMIN_API_KEY: an OWNER's key");
const url = (values.url ?? PUBLIC_URL ?? `http://127.0.0.1:${PORT || 4000}`).replace(/\/+$/, '');

const log = (line) => process.stdout.write(`${line}\n`);
await fillWithDemoData({ url, key, webhookUrls: values['webhook-url'], log }).catch((error) =>
  fail(error.message),
);
log(`Done: ${url}/admin`);
