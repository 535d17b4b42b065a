import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectAccessible, expectProblem, testBrowser } from '../support/browser.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { startExample } from '../support/exampleProcess.js';
import { buildServer } from '../support/serverProcess.js';

const browser = testBrowser();
let database: TestDatabase;
beforeAll(async () => {
  [database] = await Promise.all([connectTestDatabase(), buildServer()]);
}, 120_000);
afterAll(() => database?.dropAndClose());

it('a call over the limit offers an upgrade, which is bought, and then the call works', async () => {
  const example = await startExample('react', database.uri);
  try {
    const page = await browser.newPage();
    await page.goto(example.read(/lamps\s+(\S+)/));
    const order = page.getByRole('button', { name: 'Order a lamp' });
    const offer = page.getByRole('dialog', { name: 'Your plan has no more calls' });
    const lamps = page.getByRole('heading', { name: /^Your lamps: / });
    const count = async () => Number(/\d+/.exec(await lamps.innerText())?.[0]);
    await page.getByRole('heading', { name: 'Free plan' }).waitFor();
    // A minute may end in between.
    for (let i = 1; i <= 25 && !(await offer.isVisible()); i++) {
      await order.click();
      await Promise.race([
        offer.waitFor(),
        expect
          .poll(count, { timeout: 5_000 })
          .toBe(i)
          .catch(() => null),
      ]);
    }
    await expectProblem(page, /429/);
    expect(await count()).toBeGreaterThanOrEqual(10);
    await offer.getByText(/^You can go on at /).waitFor();
    await expectAccessible(page);
    await page.screenshot({ path: 'dist/shots/example-dialog.png', fullPage: false });
    const before = await count();
    await offer.getByRole('button', { name: 'Buy Pro' }).click();
    await page.getByRole('button', { name: 'Pay and subscribe' }).click();
    await page.getByRole('heading', { name: 'Pro plan' }).waitFor();
    await page.screenshot({ path: 'dist/shots/example-pro.png', fullPage: false });
    await order.click();
    await expect.poll(count).toBe(before + 1);
  } finally {
    expect(await example.end()).toBe(0);
  }
}, 120_000);
