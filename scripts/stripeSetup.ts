import { parseArgs } from 'node:util';
import Stripe from 'stripe';
import { ConfigError, readStripeSetupConfig } from '../src/config/config.js';
import { setUpAccount } from '../src/services/billing/accountSetup.js';
import { createStripeClient } from '../src/services/billing/stripe/stripeClient.js';
import { describeFailure } from '../src/services/billing/stripe/stripeErrors.js';

const HELP = `Makes at Stripe what the server needs, or finds it: products and monthly prices of the catalogue's tiers and of
their overage, the usage meters, the billing portal's configuration and the webhook endpoint. Safe to run again.

  npm run stripe:setup             prints the environment to set on standard output
  npm run stripe:setup -- --help   this text

Environment: STRIPE_SECRET_KEY (needed), PUBLIC_URL (https, for the webhook endpoint), CATALOG_FILE, STRIPE_API_BASE.
`;

async function run(): Promise<void> {
  const { catalogue, publicUrl, stripe: config } = readStripeSetupConfig();
  const stripe = createStripeClient(config, null, null);
  const { environment, steps } = await setUpAccount({
    stripe,
    catalogue,
    publicUrl,
    clock: { now: Date.now },
  });
  for (const step of steps) console.error(step);
  for (const [name, value] of Object.entries(environment)) console.log(`${name}=${value}`);
}

function problemOf(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  // Stripe's messages name no more of a key than its last characters.
  if (error instanceof Stripe.errors.StripeError) return `Stripe: ${describeFailure(error)}`;
  return String((error as Error)?.stack ?? error);
}

try {
  const options = { help: { type: 'boolean' } } as const;
  if (parseArgs({ options }).values.help) console.log(HELP);
  else await run();
} catch (error) {
  console.error(problemOf(error));
  process.exitCode = 1;
}
