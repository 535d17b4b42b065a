import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectAccessible, expectProblem, testBrowser } from '../support/browser.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { startExample } from '../support/exampleProcess.js';
import { buildServer } from '../support/serverProcess.js';

const SOON = { timeout: 20_000 };
const browser = testBrowser();
let database: TestDatabase;
beforeAll(async () => {
  [database] = await Promise.all([connectTestDatabase(), buildServer()]);
}, 120_000);
afterAll(() => database?.dropAndClose());

/** Orders until an order is rejected, faster than by the button. */
const useUpTheMinute = (page: Page) =>
  page.evaluate(`(async () => {
    const query = 'mutation { orderLamp(colour: "white") { id } }';
    const headers = { 'content-type': 'application/json', accept: 'application/graphql-response+json' };
    for (let i = 0; i < 40; i++)
      if ((await fetch('/graphql', { method: 'POST', headers, body: JSON.stringify({ query }) })).status === 429) return;
  })()`);

it('a call over the limit offers an upgrade, which is bought, and then the call works', async () => {
  const example = await startExample('react', database.uri);
  try {
    const page = await browser.newPage();
    // The example is several processes, on a machine that may be busy.
    page.setDefaultTimeout(30_000);
    await page.goto(example.read(/lamps\s+(\S+)/));
    const order = page.getByRole('button', { name: 'Order a lamp' });
    const offer = page.getByRole('dialog', { name: 'Your plan has no more calls' });
    const lamps = page.getByRole('heading', { name: /^Your lamps: / });
    const count = async () => Number(/\d+/.exec(await lamps.innerText())?.[0]);
    await page.getByRole('heading', { name: 'Free plan' }).waitFor();
    // A minute may end in between, and a limit that resets in a moment is waited for.
    for (let i = 0; i < 5 && !(await offer.isVisible()); i++) {
      await useUpTheMinute(page);
      await order.click();
      await offer.waitFor({ timeout: 5_000 }).catch(() => null);
    }
    await expectProblem(page, /429/);
    await offer.getByText(/^You can go on at /).waitFor();
    await expectAccessible(page);
    await offer.getByRole('button', { name: 'Buy Pro' }).click();
    await page.getByRole('button', { name: 'Pay and subscribe' }).click();
    await page.getByRole('heading', { name: 'Pro plan' }).waitFor();
    await expect.poll(count, SOON).toBeGreaterThanOrEqual(10);
    const before = await count();
    await order.click();
    await expect.poll(count, SOON).toBe(before + 1);
    // It follows live updates, and would miss the server.
    await page.close();
  } finally {
    expect(await example.end()).toBe(0);
  }
}, 180_000);
