import { readStripeSetupConfig } from '../config/config.js';
import { setUpAccount } from '../services/billing/accountSetup.js';
import { createStripeClient } from '../services/billing/stripe/stripeClient.js';
import { noMetrics } from '../services/infrastructure/metrics.js';
import type { Output, Result } from './output.js';

/**
 * Creates at Stripe what the catalogue needs. A person reads the steps on standard error, because standard output is the
 * variables for the server's environment alone.
 * @param dryRun whether nothing is written
 * @throws ConfigError, and the errors of Stripe's SDK
 */
export async function pushCatalogue({ env, note }: Output, dryRun: boolean): Promise<Result> {
  const { catalogue, brand, publicUrl, taxBehavior, stripe: config } = readStripeSetupConfig(env);
  const stripe = createStripeClient(config, null, null, noMetrics);
  const clock = { now: Date.now };
  const terms = { catalogue, brand, publicUrl, taxBehavior };
  const { steps, environment } = await setUpAccount({ ...terms, stripe, clock, dryRun });
  for (const step of steps) note(step);
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return { json: { dryRun, steps, environment }, text: lines.join('\n') };
}
