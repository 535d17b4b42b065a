// One command: billing, products once billing is there, and both gateways over their supergraph. PORT (4000) and the next three are used;
// with PORT=0 any free ones. MONGODB_URI names a database of yours; else one is started, and thrown away at the end.
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const here = import.meta.dirname;
const directory = mkdtempSync(join(tmpdir(), 'continuum-federation-'));
const supergraph = join(directory, 'supergraph.graphql');
const secrets = {
  GATEWAY_SECRET: randomBytes(24).toString('base64url'),
  ADMIN_API_KEY: randomBytes(24).toString('base64url'),
};
const firstPort = Number(process.env.PORT ?? 4000);
const children = [];

/** Starts a program. @returns where it listens */
function start(name, file, portOffset, env = {}) {
  const PORT = String(firstPort && firstPort + portOffset);
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, LOG_LEVEL: 'info', ...env, PORT },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return new Promise((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      const url = /Listening on (http:[^"\s]+)/.exec(line)?.[1];
      if (url) resolve(url);
    });
    child.on('exit', (code) => {
      reject(new Error(`${name} ended with ${code}`));
      stop(code ?? 1);
    });
  });
}

let stopping = false;
/** Ends all, waits for it, and leaves nothing behind. */
async function stop(code) {
  if (stopping) return;
  stopping = true;
  const running = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
  await Promise.all(
    running.map((child) => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      return ended;
    }),
  );
  rmSync(directory, { recursive: true, force: true });
  process.exit(code);
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop(0));

/** As the operator. @returns the data of billing's answer */
async function operate(billingUrl, query) {
  const response = await fetch(`${billingUrl}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': secrets.ADMIN_API_KEY },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(errors[0].message);
  return data;
}

/** The key by which the products subgraph asks billing to decide. */
async function makeServiceKey(billingUrl) {
  const { createApiKey } = await operate(
    billingUrl,
    'mutation { createApiKey(input: { name: "products", scopes: [ENFORCE] }) { secret } }',
  );
  return createApiKey.secret;
}

/** A tenant to play with. */
async function makeTenant(billingUrl) {
  const { createTenant } = await operate(
    billingUrl,
    'mutation { createTenant(input: { name: "Lamps Limited" }) { tenant { id } apiKey { secret } } }',
  );
  return { id: createTenant.tenant.id, key: createTenant.apiKey.secret };
}

async function run() {
  const billingEnv = { ...secrets, DATA_DIR: directory, NODE_ENV: 'development', STRIPE_MOCK_MODE: 'true' };
  const billing = await start('billing', join(here, '../../dist/src/main.js'), 0, billingEnv);
  const products = await start('products', join(here, 'products.mjs'), 1, {
    BILLING_API_URL: billing,
    BILLING_SERVICE_KEY: await makeServiceKey(billing),
  });
  const urls = { BILLING_URL: `${billing}/subgraph`, PRODUCTS_URL: products };
  const composed = execFileSync(process.execPath, [join(here, 'compose.mjs')], {
    env: { ...process.env, ...urls },
  });
  writeFileSync(supergraph, composed);
  const gatewayEnv = { SUPERGRAPH: supergraph, GATEWAY_SECRET: secrets.GATEWAY_SECRET };
  const [apollo, hive] = await Promise.all([
    start('the Apollo gateway', join(here, 'apolloGateway.mjs'), 2, gatewayEnv),
    start('the Hive gateway', join(here, 'hiveGateway.mjs'), 3, gatewayEnv),
  ]);
  const tenant = await makeTenant(billing);
  const query = `mutation { addProduct(name: "lamp", ownerId: "${tenant.id}", tier: PRO) { name owner { name usage { apiCalls } } plan { status tier { name } } tier { monthlyPriceCents } } }`;
  console.log(`
  billing          ${billing}/subgraph
  products         ${products}
  Apollo gateway   ${apollo}
  Hive gateway     ${hive}
  API key          ${tenant.key}

  curl ${apollo} -H 'content-type: application/json' -H 'x-api-key: ${tenant.key}' -d '${JSON.stringify({ query })}'

  Ctrl-C ends it all.
`);
}

run().catch((error) => {
  console.error(error.message);
  stop(1);
});
