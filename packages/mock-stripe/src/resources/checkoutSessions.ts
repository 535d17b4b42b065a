import { z } from 'zod';
import { expireSession, withLineItems } from '../billing/checkout.js';
import { productName } from '../billing/lineText.js';
import { settingsFrom } from '../billing/settings.js';
import { isLocated, taxBehaviorOf, taxIn } from '../billing/tax.js';
import { automaticTax, invoiceSettings } from '../http/billingSettings.js';
import { invalidRequest, missingParameter } from '../http/errors.js';
import { createdFilter, listObjects, page } from '../http/pagination.js';
import {
  email,
  expand,
  flag,
  ignoring,
  integer,
  list,
  listOf,
  locale,
  mergeMetadata,
  metadata,
  object,
  prorationBehavior,
  range,
  text,
  toggle,
  webUrl,
} from '../http/params.js';
import { mockId } from '../ids.js';
import {
  buildLineItem,
  buildSession,
  checkoutSessions,
  lineItemList,
  type StoredSession,
} from '../objects/checkoutSession.js';
import { customers } from '../objects/customer.js';
import { isMetered, priceIn, rejectQuantity, subscribablePrice } from '../objects/price.js';
import { type Call, operation } from '../operation.js';
import type { LineItemBody } from '../wire.js';

const DAY_S = 86_400;
const MIN_LIFE_S = 30 * 60;

const saved = z.enum(['auto', 'never']).optional();
const creation = z.strictObject({
  mode: z.enum(['payment', 'setup', 'subscription']).optional(),
  line_items: listOf(
    z.strictObject({
      price: text,
      quantity: integer.optional(),
      ...ignoring(object, 'adjustable_quantity', 'metadata'),
    }),
    20,
  ).optional(),
  customer: text.optional(),
  customer_email: email.optional(),
  client_reference_id: text.optional(),
  success_url: webUrl.optional(),
  cancel_url: webUrl.optional(),
  metadata,
  subscription_data: z
    .strictObject({
      metadata,
      description: text.optional(),
      invoice_settings: invoiceSettings.optional(),
      trial_period_days: integer.optional(),
      trial_end: integer.optional(),
      trial_settings: z
        .strictObject({
          end_behavior: z.strictObject({
            missing_payment_method: z.enum(['cancel', 'create_invoice', 'pause']),
          }),
        })
        .optional(),
      ...ignoring(z.looseObject({ type: z.enum(['classic', 'flexible']) }), 'billing_mode'),
      ...ignoring(prorationBehavior, 'proration_behavior'),
    })
    .optional(),
  allow_promotion_codes: flag.optional(),
  discounts: listOf(
    z.strictObject({ coupon: text.optional(), promotion_code: text.optional() }),
    1,
  ).optional(),
  billing_address_collection: z.enum(['auto', 'required']).optional(),
  expires_at: integer.optional(),
  locale: locale.optional(),
  payment_method_collection: z.enum(['always', 'if_required']).optional(),
  ui_mode: z.enum(['hosted_page']).optional(),
  expand,
  automatic_tax: automaticTax.optional(),
  tax_id_collection: z
    .strictObject({ enabled: flag, required: z.enum(['if_supported', 'never']).optional() })
    .optional(),
  customer_update: z.strictObject({ address: saved, name: saved, shipping: saved }).optional(),
  ...ignoring(toggle, 'phone_number_collection'),
  ...ignoring(
    object,
    'branding_settings',
    'consent_collection',
    'custom_text',
    'name_collection',
    'payment_method_options',
    'saved_payment_method_options',
    'wallet_options',
  ),
  ...ignoring(list, 'custom_fields', 'payment_method_types'),
  currency: text.optional(),
  ...ignoring(text, 'integration_identifier'),
  ...ignoring(z.enum(['always', 'if_required']), 'customer_creation'),
  ...ignoring(z.enum(['auto', 'book', 'donate', 'pay', 'subscribe']), 'submit_type'),
});
type Creation = z.infer<typeof creation>;

async function lineItemsFor(
  { tx, taxPercent }: Call,
  { line_items: wanted, currency: asked }: Creation,
  own: string | null,
  isTaxed: boolean,
): Promise<LineItemBody[]> {
  if (!wanted || wanted.length === 0) throw missingParameter('line_items');
  const currency = asked?.toLowerCase() ?? own;
  const items: LineItemBody[] = [];
  for (const [index, { price, quantity: asked }] of wanted.entries()) {
    const param = `line_items[${index}]`;
    const body = await subscribablePrice(tx, price, `${param}[price]`);
    rejectQuantity(body, asked, param);
    const quantity = isMetered(body) ? null : (asked ?? 1);
    if (quantity !== null && quantity < 1) {
      throw invalidRequest('Quantity must be at least 1.', { param: `${param}[quantity]` });
    }
    const charged = priceIn(body, currency ?? body.currency, 'currency');
    const behavior = await taxBehaviorOf(tx, body.id, charged.currency);
    const taxOf = (amountCents: number) => {
      const tax = isTaxed ? taxIn(amountCents, taxPercent, behavior) : 0;
      return { tax, added: behavior === 'exclusive' ? tax : 0 };
    };
    items.push(buildLineItem(body, charged, quantity, await productName(tx, body), taxOf));
  }
  return items;
}

async function payerOf({ tx }: Call, params: Creation) {
  if (!params.customer) {
    if (params.customer_update)
      throw invalidRequest('`customer_update` can only be used with `customer`.', {
        param: 'customer_update',
      });
    const customerEmail = params.customer_email || null;
    return { customer: null, customerEmail, ownCurrency: null, isLocated: false };
  }
  if (params.customer_email) {
    throw invalidRequest('You may only specify one of these parameters: customer, customer_email.');
  }
  const { body } = await tx.get(customers, params.customer, 'customer');
  const located = isLocated(body.address ?? null);
  requireCustomerUpdate(params, located);
  return {
    customer: body.id,
    customerEmail: body.email,
    ownCurrency: body.currency ?? null,
    isLocated: located,
  };
}

/** Of a customer that exists, nothing is changed unasked: not even what tax and tax ids need. */
function requireCustomerUpdate(
  { automatic_tax: tax, tax_id_collection: taxIds, customer_update: update }: Creation,
  located: boolean,
): void {
  if (tax?.enabled && !located && update?.address !== 'auto' && update?.shipping !== 'auto')
    throw invalidRequest(
      'Automatic tax calculation in Checkout requires a valid address on the Customer. Add a valid address to the ' +
        "Customer or set either `customer_update[address]` to 'auto' or `customer_update[shipping]` to 'auto' to " +
        'save the address entered in Checkout to the Customer.',
      { code: 'customer_tax_location_invalid' },
    );
  if (taxIds?.enabled && update?.name !== 'auto')
    throw invalidRequest(
      'Tax ID collection requires updating business name on the customer. To enable tax ID collection for an ' +
        'existing customer, please set `customer_update[name]` to `auto`.',
    );
}

function expiryOf({ expires_at: asked }: Creation, nowS: number): number {
  const expiresAtS = asked ?? nowS + DAY_S;
  if (expiresAtS < nowS + MIN_LIFE_S || expiresAtS > nowS + DAY_S) {
    throw invalidRequest('The `expires_at` timestamp must be between 30 minutes and 24 hours from now.', {
      param: 'expires_at',
    });
  }
  return expiresAtS;
}

async function subscriptionTerms({ tx, nowS }: Call, { subscription_data: data, automatic_tax }: Creation) {
  const days = data?.trial_period_days;
  if (days !== undefined && (days < 1 || days > 730)) {
    const param = 'subscription_data[trial_period_days]';
    throw invalidRequest('The number of trial days must be between 1 and 730.', { param });
  }
  if (data?.trial_end !== undefined && data.trial_end < nowS + 2 * DAY_S) {
    const param = 'subscription_data[trial_end]';
    throw invalidRequest('The `trial_end` must be at least 2 days in the future.', { param });
  }
  return {
    metadata: mergeMetadata({}, data?.metadata),
    description: data?.description ?? null,
    trialPeriodDays: days ?? null,
    trialEndS: data?.trial_end ?? null,
    missingPaymentMethod:
      data?.trial_settings?.end_behavior.missing_payment_method ?? ('create_invoice' as const),
    settings: await settingsFrom(tx, { automatic_tax, invoice_settings: data?.invoice_settings }),
  };
}

async function create(call: Call, params: Creation): Promise<StoredSession> {
  const { nowS } = call;
  if (params.mode !== 'subscription') {
    throw params.mode
      ? invalidRequest('The mock has Checkout Sessions with mode=subscription only.', { param: 'mode' })
      : missingParameter('mode');
  }
  if (params.discounts?.length && params.allow_promotion_codes !== undefined) {
    throw invalidRequest('You may only specify one of these parameters: allow_promotion_codes, discounts.');
  }
  if (!params.success_url) throw missingParameter('success_url');
  const { ownCurrency, isLocated: located, ...payer } = await payerOf(call, params);
  const isTaxed = params.automatic_tax?.enabled === true;
  const lineItems = await lineItemsFor(call, params, ownCurrency, isTaxed && located);
  const subscription = await subscriptionTerms(call, params);
  const onTrial = subscription.trialPeriodDays !== null || subscription.trialEndS !== null;
  // What is due today: nothing, where it begins with a trial.
  const due = onTrial ? [] : lineItems;
  const { enabled: asksTaxId = false, required = 'never' as const } = params.tax_id_collection ?? {};
  const id = mockId(checkoutSessions.prefix);
  const terms = {
    ...payer,
    clientReferenceId: params.client_reference_id ?? null,
    successUrl: params.success_url,
    cancelUrl: params.cancel_url ?? null,
    metadata: mergeMetadata({}, params.metadata),
    allowPromotionCodes: params.allow_promotion_codes ?? null,
    billingAddressCollection: params.billing_address_collection ?? null,
    taxStatus: isTaxed ? (located ? ('complete' as const) : ('requires_location_inputs' as const)) : null,
    taxIdCollection: params.tax_id_collection && { enabled: asksTaxId, required },
    paymentMethodCollection: params.payment_method_collection ?? ('always' as const),
    locale: params.locale ?? null,
    expiresAtS: expiryOf(params, nowS),
    currency: lineItems[0]?.currency ?? 'usd',
    subtotalCents: due.reduce((sum, { amount_subtotal: cents }) => sum + cents, 0),
    taxCents: due.reduce((sum, { amount_tax: cents }) => sum + cents, 0),
    totalCents: due.reduce((sum, { amount_total: cents }) => sum + cents, 0),
    url: call.pageUrl('checkout', id),
  };
  const body = buildSession(id, terms, nowS);
  return call.tx.insert(checkoutSessions, body.id, body, {
    lineItems,
    subscription,
    discounts: params.discounts ?? [],
    saves: {
      address: !payer.customer || params.customer_update?.address === 'auto',
      name: !payer.customer || params.customer_update?.name === 'auto',
    },
  });
}

/** `line_items` is left out unless it is asked for. */
const answer = (stored: StoredSession, paths: string[] | undefined) =>
  paths?.some((path) => path.startsWith('line_items')) ? withLineItems(stored) : stored.body;

export const checkoutSessionOperations = [
  operation('POST', '/v1/checkout/sessions', creation, async (call, params) =>
    answer(await create(call, params), params.expand),
  ),
  operation('GET', '/v1/checkout/sessions/:id', z.strictObject({ expand }), async ({ tx, id }, params) =>
    answer(await tx.get(checkoutSessions, id), params.expand),
  ),
  operation('GET', '/v1/checkout/sessions/:id/line_items', z.strictObject(page), async ({ tx, id }) =>
    lineItemList(await tx.get(checkoutSessions, id)),
  ),
  operation('POST', '/v1/checkout/sessions/:id/expire', z.strictObject({ expand }), async (call) => {
    const stored = await call.tx.get(checkoutSessions, call.id);
    if (stored.body.status !== 'open') {
      throw invalidRequest(
        'Only Checkout Sessions with a status in ["open"] can be expired. ' +
          `This Checkout Session has a status of "${stored.body.status}".`,
      );
    }
    await expireSession(call, stored);
    return stored.body;
  }),
  operation(
    'GET',
    '/v1/checkout/sessions',
    z.strictObject({
      ...page,
      created: range,
      customer: text.optional(),
      status: z.enum(['open', 'complete', 'expired']).optional(),
      subscription: text.optional(),
    }),
    (call, params) =>
      listObjects(call, checkoutSessions, params, [
        createdFilter(params.created),
        params.customer ? { 'refs.customer': params.customer } : {},
        params.status ? { 'refs.status': params.status } : {},
        params.subscription ? { 'refs.subscription': params.subscription } : {},
      ]),
  ),
];
