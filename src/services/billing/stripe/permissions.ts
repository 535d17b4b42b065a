/**
 * The endpoints of Stripe's API that are used, and the permissions that a restricted key needs for them.
 * docs/stripe.md lists the same; a test compares both with the requests that are made.
 */
interface Resource {
  /** The name in Stripe's dashboard, on the page for restricted keys. */
  label: string;
  /** The name in Stripe's API and error messages, where `_read` or `_write` follows it. */
  name: string;
  /** Used by the server, `continuum-billing stripe reconcile` and `continuum-billing stripe import` included. */
  server?: readonly string[];
  /** Used by `continuum-billing stripe setup`, and by `continuum-billing stripe import --tier`. */
  setup?: readonly string[];
}

export const RESOURCES: readonly Resource[] = [
  {
    label: 'Charges and refunds',
    name: 'charge',
    server: ['GET /v1/charges/:id'],
  },
  {
    label: 'Customers',
    name: 'customer',
    server: [
      'GET /v1/customers',
      'GET /v1/customers/:id',
      'POST /v1/customers',
      'POST /v1/customers/:id',
      'DELETE /v1/customers/:id',
    ],
  },
  { label: 'Disputes', name: 'dispute', server: ['GET /v1/disputes/:id'] },
  { label: 'Events', name: 'event', server: ['GET /v1/events', 'GET /v2/core/events/:id'] },
  {
    label: 'Payment methods',
    name: 'payment_method',
    server: ['GET /v1/payment_methods/:id', 'GET /v1/customers/:id/payment_methods'],
  },
  {
    label: 'Products',
    name: 'product',
    server: ['GET /v1/products/:id'],
    setup: ['GET /v1/products/:id', 'POST /v1/products', 'POST /v1/products/:id'],
  },
  {
    label: 'Checkout sessions',
    name: 'checkout_session',
    server: [
      'GET /v1/checkout/sessions/:id',
      'POST /v1/checkout/sessions',
      'POST /v1/checkout/sessions/:id/expire',
    ],
  },
  {
    label: 'Customer portal',
    name: 'customer_portal',
    server: ['POST /v1/billing_portal/sessions'],
    setup: [
      'GET /v1/billing_portal/configurations',
      'POST /v1/billing_portal/configurations',
      'POST /v1/billing_portal/configurations/:id',
    ],
  },
  {
    label: 'Invoices',
    name: 'invoice',
    server: ['GET /v1/invoices', 'GET /v1/invoices/:id', 'POST /v1/invoices/create_preview'],
  },
  {
    label: 'Meters',
    name: 'billing_meter',
    server: ['GET /v1/billing/meters', 'GET /v1/billing/meters/:id/event_summaries'],
    setup: ['GET /v1/billing/meters', 'POST /v1/billing/meters'],
  },
  {
    label: 'Meter events',
    name: 'billing_meter_event',
    server: ['POST /v1/billing/meter_events', 'POST /v1/billing/meter_event_adjustments'],
  },
  {
    label: 'Plans and prices',
    name: 'plan',
    server: ['GET /v1/prices/:id'],
    setup: ['GET /v1/prices', 'GET /v1/prices/:id', 'POST /v1/prices', 'POST /v1/prices/:id'],
  },
  {
    label: 'Subscriptions',
    name: 'subscription',
    server: [
      'GET /v1/subscriptions',
      'GET /v1/subscriptions/:id',
      'POST /v1/subscriptions',
      'POST /v1/subscriptions/:id',
      'DELETE /v1/subscriptions/:id',
      'POST /v1/subscriptions/:id/resume',
      'GET /v1/subscription_schedules/:id',
      'POST /v1/subscription_schedules',
      'POST /v1/subscription_schedules/:id',
      'POST /v1/subscription_schedules/:id/release',
    ],
  },
  {
    label: 'Webhook endpoints',
    name: 'webhook',
    setup: ['GET /v1/webhook_endpoints', 'POST /v1/webhook_endpoints', 'POST /v1/webhook_endpoints/:id'],
  },
];

const PERMISSIONS = RESOURCES.flatMap(({ label, name, server = [], setup = [] }) =>
  [...server, ...setup].map((endpoint) => {
    const access = accessOf(endpoint);
    return {
      pattern: new RegExp(`^${endpoint.replaceAll(':id', '[^/]+')}$`),
      permission: `${label}: ${access} (${name}_${access})`,
    };
  }),
);

/** Write permission includes read. */
export function accessOf(endpoint: string): 'read' | 'write' {
  return endpoint.startsWith('GET ') ? 'read' : 'write';
}

/**
 * @param endpoint method and path
 * @returns for example `Customers: write (customer_write)`; null for an endpoint that is not used here
 */
export const permissionFor = (endpoint: string): string | null =>
  PERMISSIONS.find(({ pattern }) => pattern.test(endpoint))?.permission ?? null;
