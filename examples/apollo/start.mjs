// One command: an identity provider, billing in mock mode, and an Apollo Server whose fields billing limits.
import { join } from 'node:path';
import { runExample } from '../support/runExample.mjs';

runExample(async ({ startBilling, start, operate }) => {
  const identity = await start(join(import.meta.dirname, '../support/identityProvider.mjs'));
  const billing = await startBilling();
  const { service, signUp } = await operate(`mutation {
    service: createApiKey(input: { name: "lamps", scopes: [ENFORCE] }) { secret }
    signUp: createOperatorKey(input: { name: "sign-up of lamps", role: PROVISION }) { secret }
  }`);
  const lamps = await start(join(import.meta.dirname, 'lamps.mjs'), {
    BILLING_URL: billing,
    IDENTITY_URL: identity,
    SERVICE_KEY: service.secret,
    SIGN_UP_KEY: signUp.secret,
  });
  return `
identity   ${identity}
billing    ${billing}
lamps      ${lamps}

TOKEN=$(curl -sX POST '${identity}/sign-in?user=ann&org=acme' | sed 's/.*:"//; s/".*//')
ask() { curl -s ${lamps} -H 'content-type: application/json' -H "authorization: Bearer $TOKEN" -d "{\\"query\\":\\"$1\\"}"; }
ask 'mutation { signUp { organization tier } }'
ask '{ lamps(ids: [1, 2]) { id } account { tier } }'    # 4 calls; a third one in a minute is rejected`;
});
