import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import type { TestServer } from './server.js';

export const RETURN_URL = 'http://localhost:3000/settings';

/** @returns the path of a brand file, with a logo beside it */
export function brandFile(brand: object = {}): string {
  const directory = mkdtempSync(join(tmpdir(), 'brand-'));
  writeFileSync(join(directory, 'logo.svg'), '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 3"/>');
  const file = join(directory, 'brand.json');
  const content = {
    productName: 'Zebra',
    logo: 'logo.svg',
    accentColor: '#0b62d6',
    supportEmail: 'help@zebra.example',
    ...brand,
  };
  writeFileSync(file, JSON.stringify(content));
  return file;
}

/** As the operator. @returns the link to a tenant's billing page */
export async function billingLink(
  server: TestServer,
  tenantId: string,
  input: { locale?: string } = {},
): Promise<string> {
  const { data, errors } = await server.gql(
    'mutation ($input: CreateBillingPageSessionInput!) { createBillingPageSession(input: $input) { url } }',
    { variables: { input: { tenantId, returnUrl: RETURN_URL, ...input } } },
  );
  expect(errors).toEqual([]);
  return data.createBillingPageSession.url;
}

/** Opens the billing page of a tenant and waits until it is complete. */
export async function openBilling(
  page: Page,
  server: TestServer,
  tenantId: string,
  input?: { locale?: string },
): Promise<void> {
  await page.goto(await billingLink(server, tenantId, input));
  await page.getByRole('heading', { level: 1, name: /plan$/ }).waitFor();
  await expect.poll(() => page.locator('main [class*=skeleton]').count(), { timeout: 10_000 }).toBe(0);
}

/** The card of a plan. */
export const planCard = (page: Page, name: string) => page.getByRole('article', { name, exact: true });
