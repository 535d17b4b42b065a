import type { Page } from 'playwright-core';
import { expectProblem } from './browser.js';
import { OPERATOR_KEY } from './server.js';

const LOADING = 'main [aria-busy=true], main [class*=skeleton]';

/** Signs in at the page that is asked for, which is then shown. */
export async function signIn(page: Page, url: string, path = '/admin', key = OPERATOR_KEY): Promise<void> {
  await openSignIn(page, `${url}${path}`);
  await page.getByLabel('Operator key').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('#content').getByRole('heading', { level: 1 }).waitFor();
}

/** Opens a page that asks to sign in first: the browser's console says that nobody is signed in. */
export async function openSignIn(page: Page, address: string): Promise<void> {
  await page.goto(address);
  await page.getByLabel('Operator key').waitFor();
  await expectProblem(page, /401.*\/admin\/session/);
}

/** The heading of the page, once it is there. */
export async function headingOf(page: Page): Promise<string> {
  return page.getByRole('main').getByRole('heading', { level: 1 }).innerText();
}

/** Waits until nothing of the page is loading any more. */
export async function settled(page: Page): Promise<void> {
  await page.locator(LOADING).first().waitFor({ state: 'detached' });
}
