import { parseArgs } from 'node:util';
import Stripe from 'stripe';
import { ConfigError, readStripeSetupConfig } from '../src/config/config.js';
import { setUpAccount } from '../src/services/billing/accountSetup.js';
import { createStripeClient } from '../src/services/billing/stripe/stripeClient.js';
import { describeFailure } from '../src/services/billing/stripe/stripeErrors.js';
import { noMetrics } from '../src/services/infrastructure/metrics.js';

const HELP = `Creates what the server needs at Stripe, unless it exists: products and monthly prices for the catalogue's tiers and
their overage, the usage meters, the billing portal's configuration and the webhook endpoint. It is safe to run again.

  npm run stripe:setup                  prints the environment variables to set on standard output
  npm run stripe:setup -- --dry-run     prints what it would do, and changes nothing
  npm run stripe:setup -- --help        prints this text

Environment: STRIPE_SECRET_KEY (required), PUBLIC_URL (https, for the webhook endpoint), CATALOG_FILE,
BRAND_FILE (products get its product name), STRIPE_API_BASE.
`;

async function run(dryRun: boolean): Promise<void> {
  const { catalogue, brand, publicUrl, stripe: config } = readStripeSetupConfig();
  const stripe = createStripeClient(config, null, null, noMetrics);
  const { environment, steps } = await setUpAccount({
    stripe,
    catalogue,
    brand,
    publicUrl,
    clock: { now: Date.now },
    dryRun,
  });
  for (const step of steps) console.error(step);
  for (const [name, value] of Object.entries(environment)) console.log(`${name}=${value}`);
}

function problemOf(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  // Stripe's messages contain only the last characters of a key.
  if (error instanceof Stripe.errors.StripeError) return `Stripe: ${describeFailure(error)}`;
  return String((error as Error)?.stack ?? error);
}

try {
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({ options: { help: flag, 'dry-run': flag } });
  if (values.help) console.log(HELP);
  else await run(values['dry-run']);
} catch (error) {
  console.error(problemOf(error));
  process.exitCode = 1;
}
