// One command: billing, products once billing is there, and both gateways over their supergraph.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runExample } from '../support/runExample.mjs';

const file = (name) => join(import.meta.dirname, name);
const GATEWAY_SECRET = randomBytes(24).toString('base64url');

runExample(async ({ startBilling, start, operate, directory }) => {
  const billing = await startBilling({ GATEWAY_SECRET });
  // The key by which the products subgraph asks billing to decide.
  const service = await operate(
    'mutation { createApiKey(input: { name: "products", scopes: [ENFORCE] }) { secret } }',
  );
  const products = await start(file('products.mjs'), {
    BILLING_API_URL: billing,
    BILLING_SERVICE_KEY: service.createApiKey.secret,
  });
  const supergraph = join(directory, 'supergraph.graphql');
  const urls = { BILLING_URL: `${billing}/subgraph`, PRODUCTS_URL: products };
  const composed = execFileSync(process.execPath, [file('compose.mjs')], {
    env: { ...process.env, ...urls },
  });
  writeFileSync(supergraph, composed);
  const gatewayEnv = { SUPERGRAPH: supergraph, GATEWAY_SECRET };
  const [apollo, hive] = await Promise.all([
    start(file('apolloGateway.mjs'), gatewayEnv),
    start(file('hiveGateway.mjs'), gatewayEnv),
  ]);
  // A tenant to play with.
  const { createTenant } = await operate(
    'mutation { createTenant(input: { name: "Lamps Limited" }) { tenant { id } apiKey { secret } } }',
  );
  const key = createTenant.apiKey.secret;
  const query = `mutation { addProduct(name: "lamp", ownerId: "${createTenant.tenant.id}", tier: PRO) { name owner { name usage { apiCalls } } plan { status tier { name } } tier { monthlyPriceCents } } }`;
  return `
billing          ${billing}/subgraph
products         ${products}
Apollo gateway   ${apollo}
Hive gateway     ${hive}
API key          ${key}

curl ${apollo} -H 'content-type: application/json' -H 'x-api-key: ${key}' -d '${JSON.stringify({ query })}'`;
});
