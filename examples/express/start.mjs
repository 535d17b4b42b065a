// One command: billing in mock mode, and an Express API that meters.
import { join } from 'node:path';
import { runExample } from '../support/runExample.mjs';

const CREATE_SERVICE_KEY = 'mutation { createApiKey(input: { name: "api", scopes: [ENFORCE] }) { secret } }';

runExample(async ({ startBilling, start, operate, operatorKey }) => {
  const billing = await startBilling();
  const { createApiKey } = await operate(CREATE_SERVICE_KEY);
  const api = await start(join(import.meta.dirname, 'api.mjs'), {
    BILLING_URL: billing,
    BILLING_SERVICE_KEY: createApiKey.secret,
    BILLING_OPERATOR_KEY: operatorKey,
  });
  return `
billing   ${billing}
api       ${api}

curl -X POST ${api}/signup -H 'x-api-key: acme-key'
curl ${api}/lamps -i -H 'x-api-key: acme-key'             # the eleventh in a minute is rejected
curl ${api}/shared -H 'x-api-key: acme-key'               # needs a feature of Pro
curl -X POST ${api}/render -H 'x-api-key: acme-key'       # counted afterwards
curl -X POST ${api}/upgrade -H 'x-api-key: acme-key'      # open the page it names, pay, and ask again`;
});
