import type Stripe from 'stripe';
import { z } from 'zod';
import { expand } from '../http/params.js';
import { mockId } from '../ids.js';
import { operation } from '../operation.js';
import type { Kind, Tx } from '../storage/store.js';
import type { AccountBody, Wire } from '../wire.js';

const accounts: Kind<AccountBody> = { object: 'account', prefix: 'acct', refs: () => ({}) };

/** A database has one account. It is stored under this id, so that no second one can be created. */
const KEY = 'account';

/** Creates the account, with an id that no other database's account has. */
export async function putAccount(tx: Tx, nowS: number): Promise<void> {
  if (await tx.find(accounts, KEY)) return;
  const body: AccountBody = {
    id: mockId(accounts.prefix),
    object: 'account',
    charges_enabled: true,
    created: nowS,
    details_submitted: true,
    payouts_enabled: true,
    type: 'standard',
  };
  await tx.insert(accounts, KEY, body, null);
}

/** Automatic tax works in every database, so its settings are complete. */
const TAX_SETTINGS: Wire<Stripe.Tax.Settings> = {
  object: 'tax.settings',
  defaults: { provider: 'stripe', tax_behavior: null, tax_code: null },
  head_office: {
    address: {
      city: 'San Francisco',
      country: 'US',
      line1: '1 Market Street',
      line2: null,
      postal_code: '94105',
      state: 'CA',
    },
  },
  livemode: false,
  status: 'active',
  status_details: { active: {} },
};

export const accountOperations = [
  operation('GET', '/v1/account', z.strictObject({ expand }), async ({ tx }) => {
    return (await tx.get(accounts, KEY)).body;
  }),
  operation('GET', '/v1/tax/settings', z.strictObject({ expand }), async () => TAX_SETTINGS),
];
