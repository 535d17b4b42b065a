import { readStripeSetupConfig } from '../../src/config/config.js';
import { setUpAccount } from '../../src/services/billing/accountSetup.js';
import { createStripeClient } from '../../src/services/billing/stripe/stripeClient.js';
import { noMetrics } from '../../src/services/infrastructure/metrics.js';

/**
 * Creates at Stripe what the catalogue needs. Steps go to standard error, and the variables for the server's environment to
 * standard output.
 * @param dryRun whether nothing is written
 * @throws ConfigError, and the errors of Stripe's SDK
 */
export async function pushCatalogue({ dryRun }: { dryRun: boolean }): Promise<void> {
  const { catalogue, brand, publicUrl, taxBehavior, stripe: config } = readStripeSetupConfig();
  const stripe = createStripeClient(config, null, null, noMetrics);
  const clock = { now: Date.now };
  const terms = { catalogue, brand, publicUrl, taxBehavior };
  const setup = await setUpAccount({ ...terms, stripe, clock, dryRun });
  for (const step of setup.steps) console.error(step);
  for (const [name, value] of Object.entries(setup.environment)) console.log(`${name}=${value}`);
}
