// Makes the pictures of README and docs. Plain JavaScript, run by npm after a build.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { launchChromium } from '../test/support/chromium.ts';
import { createClient } from './demo/client.mjs';
import { fillWithDemoData } from './demo/fill.mjs';
import { writeHistory } from './demo/history.mjs';

const HELP = `Makes the pictures of README and docs in docs/images: starts a server of its own in mock mode, fills it with demo
data, and opens its pages in Chromium, in light and dark.

  npm run screenshots                     all pictures
  npm run screenshots -- --only tenant    those whose names begin so; several with commas
  npm run screenshots -- --out /tmp/x     into another directory
  npm run screenshots -- --keep           the server goes on running, and its address and key are printed
  npm run screenshots -- --help           this text

It takes about two minutes. Look at each picture before you commit it.
`;

const MAX_BYTES = 200_000;
const START_MS = 60_000;
const PAGE_MS = 15_000;
/** For charts, live updates and fonts. */
const SETTLE_MS = 1_200;
/** CSS pixels around an element. */
const MARGIN = 16;
const WIDE = { width: 1280, height: 800 };
const NARROW = { width: 390, height: 844 };

const string = { type: 'string' };
const { values } = parseArgs({
  options: {
    only: { ...string, default: '' },
    out: { ...string, default: 'docs/images' },
    keep: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const wanted = values.only.split(',');
const log = (line) => process.stdout.write(`${line}\n`);

/** Each picture: who looks at which page or element of it, and what they do there first. Every one is made in light and in dark. */
const PICTURES = [
  { name: 'mock-mode', prepare: buyAndRenew },
  { name: 'overview', path: '/admin' },
  { name: 'tenants', path: '/admin/tenants' },
  { name: 'tenant', path: ({ tenants }) => `/admin/tenants/${tenants['Cobalt Robotics']}` },
  { name: 'tenant-past-due', path: ({ tenants }) => `/admin/tenants/${tenants['Dovetail Works']}` },
  { name: 'webhooks', path: '/admin/webhooks' },
  { name: 'usage-reports', path: '/admin/usage-reports' },
  { name: 'reconcile', path: '/admin/reconcile' },
  { name: 'catalogue', path: '/admin/catalogue' },
  { name: 'operators', path: '/admin/operators' },
  { name: 'audit-log', path: '/admin/audit-log' },
  { name: 'overview-narrow', path: '/admin', size: NARROW },
  { name: 'billing', signedIn: false, prepare: openBillingPage },
  { name: 'billing-narrow', signedIn: false, size: NARROW, prepare: openBillingPage },
  { name: 'upgrade', signedIn: false, path: '/upgrade' },
  { name: 'react-pricing-table', signedIn: false, prepare: openBillingPage, element: '.cb-pricing' },
  { name: 'react-current-plan', signedIn: false, prepare: openBillingPage, element: '.cb-plan' },
  { name: 'react-usage-meter', signedIn: false, prepare: openBillingPage, element: '.cb:has(> .cb-meter)' },
];

/** What the panel is for: a purchase from its checkout to its renewal, and a payment that fails. */
async function buyAndRenew(page, { url }) {
  await page.goto(`${url}/admin/mock`);
  await page.getByRole('button', { name: 'Create a demo tenant' }).click();
  const pay = page.getByRole('button', { name: /^Pay the checkout of Demo/ });
  await pay.click();
  await page.getByText('tier.changed').first().waitFor();
  await page.getByRole('button', { name: 'Payment fails' }).click();
  await page.getByText('payment.failed', { exact: true }).first().waitFor();
  await page.getByText('Past due').first().waitFor();
}

async function openBillingPage(page, { client, tenants, url }) {
  const { createBillingPageSession: link } = await client.gql(
    `mutation ($tenantId: ID, $url: String!) {
      createBillingPageSession(input: { tenantId: $tenantId, returnUrl: $url }) { url } }`,
    { tenantId: tenants['Cobalt Robotics'], url },
  );
  await page.goto(link.url);
}

async function startServer(dataDir, key) {
  const child = spawn(process.execPath, ['dist/src/main.js'], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: '0',
      DATA_DIR: dataDir,
      ADMIN_API_KEY: key,
      LOG_LEVEL: 'info',
      WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const url = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`The server did not start:\n${output}`)), START_MS);
    const read = (chunk) => {
      output = (output + chunk).slice(-20_000);
      const found = /Listening on (http:\/\/[^"\s]+)/.exec(output)?.[1];
      if (!found) return;
      clearTimeout(timer);
      resolve(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => reject(new Error(`The server ended with ${code}:\n${output}`)));
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** The operator's own system, which takes every event. */
async function startReceiver() {
  const server = createServer((request, response) => {
    request.resume();
    response.end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}/billing-events`, stop: () => server.close() };
}

async function tenantIds(client) {
  const { tenants } = await client.gql('{ tenants(first: 100) { edges { node { id name } } } }');
  return Object.fromEntries(tenants.edges.map(({ node }) => [node.name, node.id]));
}

/** An element with some of what is around it. */
async function surroundings(page, element) {
  const { x, y, width, height } = await page.locator(element).first().boundingBox();
  const around = { x: x - MARGIN, y: y - MARGIN, width: width + 2 * MARGIN, height: height + 2 * MARGIN };
  return { fullPage: true, clip: around };
}

async function takePicture(browser, scene, picture, scheme) {
  const { name, path, size = WIDE, signedIn = true, prepare, element } = picture;
  const context = await browser.newContext({
    viewport: size,
    colorScheme: scheme,
    reducedMotion: 'reduce',
    locale: 'en-US',
    timezoneId: 'UTC',
  });
  context.setDefaultTimeout(PAGE_MS);
  const file = join(values.out, `${name}${scheme === 'dark' ? '-dark' : ''}.png`);
  try {
    const page = await context.newPage();
    if (signedIn) {
      await page.goto(`${scene.url}/admin`);
      await page.getByLabel('Operator key').fill(scene.key);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.locator('#content h1').waitFor();
    }
    if (path) await page.goto(`${scene.url}${typeof path === 'function' ? path(scene) : path}`);
    await prepare?.(page, scene);
    await page.locator('h1').first().waitFor();
    await page.locator('[aria-busy=true], [class*=skeleton]').first().waitFor({ state: 'detached' });
    await page.evaluate('scrollTo(0, 0)');
    await sleep(SETTLE_MS);
    const options = { path: file, animations: 'disabled', caret: 'hide' };
    await page.screenshot(element ? { ...options, ...(await surroundings(page, element)) } : options);
  } finally {
    await context.close();
  }
  const { size: bytes } = await stat(file);
  log(`${file}  ${Math.round(bytes / 1000)} kB`);
  if (bytes > MAX_BYTES) throw new Error(`${file} has more than ${MAX_BYTES / 1000} kB`);
}

async function run() {
  await mkdir(values.out, { recursive: true });
  const dataDir = await mkdtemp(join(tmpdir(), 'continuum-screenshots-'));
  const key = `demo-${randomBytes(24).toString('base64url')}`;
  const receiver = await startReceiver();
  let server;
  let browser;
  try {
    server = await startServer(dataDir, key);
    const { url } = server;
    await fillWithDemoData({ url, key, webhookUrls: [receiver.url], log });
    const { runningMongodb } = await import('../dist/src/embeddedMongodb.js');
    await writeHistory(await runningMongodb(dataDir));
    const client = createClient({ url, key });
    const scene = { url, key, client, tenants: await tenantIds(client) };
    browser = await launchChromium();
    for (const picture of PICTURES.filter(({ name }) => wanted.some((prefix) => name.startsWith(prefix))))
      for (const scheme of ['light', 'dark']) await takePicture(browser, scene, picture, scheme);
    if (values.keep) {
      log(`${url}/admin  key ${key}  Ctrl-C ends it`);
      await new Promise((resolve) => process.once('SIGINT', resolve));
    }
  } finally {
    await browser?.close();
    await server?.stop();
    receiver.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

await run();
