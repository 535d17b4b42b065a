import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { accessOf, permissionFor, RESOURCES } from '../../../src/services/billing/stripe/permissions.js';

function needed(endpoints: readonly string[] = []): string {
  if (endpoints.length === 0) return '–';
  return endpoints.some((endpoint) => accessOf(endpoint) === 'write') ? 'write' : 'read';
}

describe('what a restricted key must permit', () => {
  it('is listed in docs/stripe.md as it is in the source', () => {
    const [, table = ''] = readFileSync('docs/stripe.md', 'utf8').split("| in Stripe's dashboard |");
    const rows = table
      .split('\n\n', 1)
      .flatMap((text) => text.split('\n').slice(2))
      .map((row) => row.trim());
    expect(rows).toEqual(
      RESOURCES.map(
        ({ label, name, server, setup }) =>
          `| ${label} | \`${name}\` | ${needed(server)} | ${needed(setup)} |`,
      ),
    );
  });

  it.each([
    ['GET /v1/customers/:id', 'Customers: read (customer_read)'],
    ['POST /v1/customers', 'Customers: write (customer_write)'],
    ['GET /v1/customers/:id/payment_methods', 'Payment methods: read (payment_method_read)'],
    ['GET /v1/products/continuum_pro', 'Products: read (product_read)'],
    ['DELETE /v1/subscriptions/:id', 'Subscriptions: write (subscription_write)'],
    ['POST /v1/invoices/create_preview', 'Invoices: write (invoice_write)'],
    ['GET /v1/payouts', null],
  ])('%s: %s', (endpoint, permission) => {
    expect(permissionFor(endpoint)).toBe(permission);
  });
});
