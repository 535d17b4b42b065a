import { count, instant, listOf, object, optionalInstant, optionalText, ref, text, texts } from './types.js';

// The named schemas of what the REST routes return.

const counts = (description: string) => ({
  type: 'object',
  additionalProperties: { ...count, nullable: true },
  description: `${description}; null: unlimited`,
});
const optionalCount = (description: string) => ({ ...count, nullable: true, description });

export const schemas = [
  {
    $id: 'Subscription',
    ...object(
      {
        tenant_id: text,
        tier: text,
        status: { ...text, description: "Stripe's status" },
        current_period_end: optionalInstant,
        cancel_at_period_end: { type: 'boolean' },
        seats: { ...count, description: 'Only for a tier that is sold by the seat' },
        payment_pause: {
          ...object({ resumes_at: optionalInstant }),
          description: 'Only while payments are paused: when they resume by themselves, or null',
        },
        grace_ends_at: {
          ...instant,
          description: 'Only with the status past_due: when the tenant loses the tier',
        },
      },
      ['seats', 'payment_pause', 'grace_ends_at'],
    ),
  },
  {
    $id: 'CheckoutSession',
    ...object({
      session_id: text,
      url: { ...text, description: 'The page at Stripe where a person pays' },
      local_url: { ...optionalText, description: "In mock mode, this server's page in place of Stripe's" },
    }),
  },
  {
    $id: 'PortalSession',
    ...object({
      session_id: text,
      url: { ...text, description: 'The page at Stripe where a person manages the subscription' },
      local_url: { ...optionalText, description: "In mock mode, this server's page in place of Stripe's" },
    }),
  },
  {
    $id: 'TierChangePreview',
    ...object({
      tier: text,
      seats: { ...count, description: 'Afterwards; 1 for a tier that is not sold by the seat' },
      immediately: {
        type: 'boolean',
        description: 'false: the change takes effect at the end of the period',
      },
      effective_at: instant,
      currency: text,
      amount_due_now_cents: { ...count, description: 'Charged immediately' },
      tax_cents: { ...count, description: 'The tax in `amount_due_now_cents`' },
      proration_cents: {
        ...count,
        description: 'Below 0: a credit for the next invoices. Without added tax',
      },
      next_invoice_cents: optionalCount('null: there will be none'),
      next_invoice_at: optionalInstant,
    }),
  },
  {
    $id: 'Price',
    ...object({
      id: { ...text, description: 'For instance `pro_yearly_usd`' },
      interval: { ...text, enum: ['month', 'year'] },
      interval_count: count,
      currency: text,
      unit_amount: { ...count, description: 'In the smallest unit of the currency' },
      per_seat: { type: 'boolean' },
      per: { ...text, description: 'For people: `a month`, `per seat every 3 months`' },
    }),
  },
  {
    $id: 'Tier',
    ...object({
      name: text,
      display_name: text,
      description: text,
      version: count,
      monthly_price_cents: optionalCount('null: it is priced by contract, or has no monthly price'),
      currency: text,
      prices: listOf('Price'),
      checkout: { ...text, enum: ['none', 'self_service', 'contact_sales'] },
      trial_days: count,
      features: texts,
      limits: counts('Calls, concurrent requests and bytes'),
      stored: counts('The other resources in the catalogue'),
      limits_per_seat: texts,
    }),
  },
  {
    $id: 'Entitlement',
    ...object({
      name: text,
      display_name: text,
      kind: { ...text, enum: ['feature', 'limit', 'stored', 'setting'] },
      limit: optionalCount('null: unlimited, or not a number'),
      used: optionalCount('null: it is not counted'),
      remaining: optionalCount('null: unlimited, or not counted'),
      window: { ...optionalText, enum: ['minute', 'day', 'month', null] },
      resets_at: optionalInstant,
      value: { description: 'Only of a setting: a number, a string or a boolean; otherwise null' },
      source: { ...text, enum: ['tier', 'tier_version', 'override'] },
    }),
  },
  {
    $id: 'EndpointUsage',
    ...object({ endpoint: text, calls: count }),
  },
  {
    $id: 'Usage',
    ...object(
      {
        tenant_id: text,
        period: { ...text, enum: ['minute', 'hour', 'day', 'month'] },
        from: instant,
        to: { ...instant, description: 'Not included' },
        calls: count,
        limit: optionalCount('null: this period has no limit'),
        remaining: optionalCount('null: this period has no limit'),
        resets_at: instant,
        overage_calls: { ...count, description: 'Paid calls beyond the daily quota, which `calls` includes' },
        overage_cost_cents: { type: 'number' },
        by_endpoint: {
          ...listOf('EndpointUsage'),
          description: 'The 100 endpoints with the most calls, highest first. Not in a history',
        },
      },
      ['by_endpoint'],
    ),
  },
  {
    $id: 'ConsumeResult',
    ...object({
      allowed: { type: 'boolean', description: 'false: the cost exceeds a limit, and nothing was charged' },
      remaining: optionalCount('Calls left in the minute or the day, whichever is lower; null: unlimited'),
      resets_at: { ...instant, description: 'When the window that has fewer calls left resets' },
    }),
  },
  {
    $id: 'UsageEvent',
    ...object(
      {
        id: {
          ...text,
          pattern: '^[\\x21-\\x7e]{1,100}$',
          description: 'Idempotency id: the same id within 32 days is not counted again',
        },
        endpoint: { ...text, minLength: 1, maxLength: 100 },
        quantity: { ...count, minimum: 1, maximum: 1_000_000_000 },
        at: {
          ...optionalInstant,
          description: 'When it happened: at most 31 days ago and 5 minutes ahead. Default: now',
        },
      },
      ['at'],
    ),
    additionalProperties: false,
  },
  {
    $id: 'UsageEventResult',
    ...object({
      id: text,
      status: { ...text, enum: ['accepted', 'duplicate', 'conflict', 'rejected'] },
      reason: { ...optionalText, description: 'null if the event was accepted' },
    }),
  },
  {
    $id: 'UsageReport',
    ...object({
      status: {
        ...text,
        enum: ['success', 'pending'],
        description: '`pending`: stored, and sent to Stripe in the background; do not report it again',
      },
      quantity: count,
      tenant_id: text,
    }),
  },
  {
    $id: 'Tenant',
    ...object({
      id: text,
      external_id: { ...optionalText, description: 'Your own id of the tenant' },
      name: text,
      email: optionalText,
      tier: text,
      created_at: instant,
      suspended_at: { ...optionalInstant, description: 'null: it is not suspended' },
    }),
  },
  {
    $id: 'NewTenant',
    ...object({
      tenant: ref('Tenant'),
      api_key: {
        ...object({ id: text, secret: { ...text, description: 'The complete key. It is shown only once' } }),
        nullable: true,
        description: 'null: the tenant existed already',
      },
    }),
  },
];
