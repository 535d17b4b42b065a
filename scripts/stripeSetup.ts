import { parseArgs } from 'node:util';
import { failureOf } from './support/failures.js';
import { pushCatalogue } from './support/pushCatalogue.js';

const HELP = `Creates what the server needs at Stripe, unless it exists: products and prices for the catalogue's tiers and their
overage, the usage meters, the billing portal's configuration and the webhook endpoint. It is safe to run again.

  npm run stripe:setup                  prints the environment variables to set on standard output
  npm run stripe:setup -- --dry-run     prints what it would do, and changes nothing
  npm run stripe:setup -- --help        prints this text

Environment: STRIPE_SECRET_KEY (required), PUBLIC_URL (https, for the webhook endpoint), CATALOG_FILE,
BRAND_FILE (products get its product name), STRIPE_TAX_BEHAVIOR (of prices), STRIPE_API_BASE.
`;

try {
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({ options: { help: flag, 'dry-run': flag } });
  if (values.help) console.log(HELP);
  else await pushCatalogue({ dryRun: values['dry-run'] });
} catch (error) {
  console.error(failureOf(error));
  process.exitCode = 1;
}
