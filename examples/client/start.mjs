// One command: billing in mock mode, and a service that asks it with the typed client.
import { join } from 'node:path';
import { runExample } from '../support/runExample.mjs';

runExample(async ({ startBilling, start, operatorKey }) => {
  const billing = await startBilling();
  const environment = { BILLING_URL: billing, BILLING_KEY: operatorKey };
  const lamps = await start(join(import.meta.dirname, 'lamps.ts'), environment);
  return `
billing   ${billing}
lamps     ${lamps}

curl -X POST '${lamps}/signup?org=acme'
curl -X POST '${lamps}/render?org=acme'    # the eleventh in a minute is rejected
curl -X POST '${lamps}/upgrade?org=acme'   # open the page it names, pay, and render again
curl -X POST '${lamps}/usage?org=acme'`;
});
