// One command: billing in mock mode, and a shop for lamps whose page sells its own upgrades.
import { join } from 'node:path';
import { runExample } from '../support/runExample.mjs';
import { buildPage } from './buildPage.mjs';

const here = import.meta.dirname;

runExample(async ({ directory, startBilling, start, operate }) => {
  const page = join(directory, 'page');
  await buildPage(page);
  // Tokens are sent in a header, so that any origin may ask. In production, name the origin of your page.
  const billing = await startBilling({ CONTINUUM_CORS_ORIGINS: '*' });
  const { createApiKey, createOperatorKey } = await operate(`mutation {
    createTenant(input: { name: "Acme", externalId: "acme" }) { tenant { id } }
    createApiKey(input: { name: "lamps", scopes: [ENFORCE] }) { secret }
    createOperatorKey(input: { name: "lamps", role: PROVISION }) { secret }
  }`);
  const lamps = await start(join(here, 'server.mjs'), {
    PAGE_DIRECTORY: page,
    BILLING_URL: billing,
    SERVICE_KEY: createApiKey.secret,
    PROVISION_KEY: createOperatorKey.secret,
  });
  return `
billing   ${billing}
lamps     ${lamps}

Open lamps and order eleven in a minute: the last one is rejected, and the page offers an upgrade.`;
});
