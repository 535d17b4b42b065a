// One command: an identity provider, billing in mock mode that knows it, and a Yoga server whose fields billing limits.
import { join } from 'node:path';
import { runExample } from '../support/runExample.mjs';

runExample(async ({ startBilling, start, operate }) => {
  const identity = await start(join(import.meta.dirname, '../support/identityProvider.mjs'));
  const billing = await startBilling({
    JWT_ISSUER: identity,
    JWT_AUDIENCE: 'billing',
    JWT_JWKS_URL: `${identity}/keys.json`,
    // The organisation pays. The first token of one creates its tenant.
    JWT_TENANT_CLAIM: 'org',
    JWT_SCOPES_CLAIM: 'scope',
    JWT_CREATE_TENANTS: 'true',
  });
  const { createApiKey } = await operate(
    'mutation { createApiKey(input: { name: "lamps", scopes: [ENFORCE] }) { secret } }',
  );
  const lamps = await start(join(import.meta.dirname, 'lamps.mjs'), {
    BILLING_URL: billing,
    SERVICE_KEY: createApiKey.secret,
  });
  return `
identity   ${identity}
billing    ${billing}
lamps      ${lamps}

TOKEN=$(curl -sX POST '${identity}/sign-in?user=ann&org=acme' | sed 's/.*:"//; s/".*//')
ask() { curl -s ${lamps} -H 'content-type: application/json' -H "authorization: Bearer $TOKEN" -d "{\\"query\\":\\"$1\\"}"; }
ask '{ lamps(ids: [1, 2]) { id watts } tier }'    # 4 calls; a third one in a minute is rejected`;
});
