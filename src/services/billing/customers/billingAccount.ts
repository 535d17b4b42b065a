import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import { badInput, serviceUnavailable } from '../../../common/errors.js';
import type { Models } from '../../../models/models.js';
import type { AuditLog } from '../../audit/auditLog.js';
import type { Author } from '../../audit/author.js';
import { callingStripe } from '../stripe/stripeErrors.js';
import { idOf } from '../stripe/stripeObjects.js';
import type { CurrentSubscriptions } from '../subscriptions/currentSubscriptions.js';
import { type Customer, type Customers, digest } from './customers.js';

export interface PortalSession {
  id: string;
  url: string;
}

export interface InvoicePage {
  /** Newest first. */
  invoices: Stripe.Invoice[];
  hasNextPage: boolean;
}

export interface PaymentMethod {
  method: Stripe.PaymentMethod;
  /** Whether it pays the next invoice. */
  isDefault: boolean;
}

/** A tenant's account at Stripe. It is read from Stripe each time and not stored here. */
export interface BillingAccount {
  /**
   * A page at Stripe where a person manages the subscription.
   * @throws BAD_USER_INPUT for a tenant that has no customer at Stripe
   */
  portal(tenantId: string, returnUrl: string, author: Author): Promise<PortalSession>;
  /** @param after the id of the last invoice seen */
  invoices(tenantId: string, page: { first: number; after: string | null }): Promise<InvoicePage>;
  /** The newest 100, and the default one, however old it is. */
  paymentMethods(tenantId: string): Promise<PaymentMethod[]>;
  /** Makes the tenant's e-mail address that of its customer, if it has both. Repeating it changes nothing. */
  pushEmail(tenantId: string): Promise<void>;
}

const MAX_METHODS = 100;
/** Each time another request changed the address meanwhile. */
const MAX_EMAIL_TRIES = 5;
/** Stripe's portal sessions expire soon, so only requests within this time share one. */
const SESSION_SHARED_MS = 60_000;

export function createBillingAccount(deps: {
  models: Models;
  stripe: Stripe;
  customers: Customers;
  currentSubscriptions: CurrentSubscriptions;
  /** null: the default configuration in Stripe's dashboard. */
  portalConfiguration: string | null;
  auditLog: AuditLog;
  clock: Clock;
  log: Logger;
}): BillingAccount {
  const { models, stripe, customers, currentSubscriptions, portalConfiguration, auditLog, clock, log } = deps;

  const call = <T>(tenantId: string, request: () => Promise<T>): Promise<T> =>
    callingStripe(log, tenantId, () => currentSubscriptions.retryAfterSync(tenantId, request));

  /** The method that pays the next invoice: the subscription's own, else the customer's. */
  async function defaultMethodOf(tenantId: string, customerId: string): Promise<MethodRef> {
    const subscription = await currentSubscriptions.stored(tenantId);
    if (!subscription) {
      return defaultOf(
        await stripe.customers.retrieve(customerId, { expand: ['invoice_settings.default_payment_method'] }),
      );
    }
    const { customer, default_payment_method: own } = await stripe.subscriptions.retrieve(
      subscription.stripeSubscriptionId,
      { expand: ['default_payment_method', 'customer.invoice_settings.default_payment_method'] },
    );
    return own ?? (typeof customer === 'string' ? null : defaultOf(customer));
  }

  return {
    portal(tenantId, returnUrl, author) {
      return call(tenantId, async () => {
        const customer = await customers.find(tenantId);
        const stripeCustomerId = customer?.stripeCustomerId;
        if (!customer || !stripeCustomerId) {
          throw badInput(
            'subscription',
            'the tenant has no customer at Stripe yet; start a subscription with createCheckoutSession first',
          );
        }
        const params: Stripe.BillingPortal.SessionCreateParams = {
          customer: stripeCustomerId,
          return_url: returnUrl,
          ...(portalConfiguration && { configuration: portalConfiguration }),
          // The tenant may not end a contract with the operator.
          ...((await currentSubscriptions.stored(tenantId))?.contract && {
            flow_data: { type: 'payment_method_update' },
          }),
        };
        const minute = Math.floor(clock.now() / SESSION_SHARED_MS);
        const { id, url } = await customers.attempt(customer, (attemptKey) =>
          stripe.billingPortal.sessions.create(params, {
            idempotencyKey: `portal:${attemptKey}:${minute}:${digest(params)}`,
          }),
        );
        await auditLog.change(author, async (_session, note) =>
          note({ tenantId, action: 'portal_session.created', before: null, after: { sessionId: id } }),
        );
        return { id, url };
      });
    },

    invoices(tenantId, { first, after }) {
      return call(tenantId, async () => {
        const customer = (await customers.find(tenantId))?.stripeCustomerId;
        if (!customer) return { invoices: [], hasNextPage: false };
        const page = await stripe.invoices.list({
          customer,
          limit: first,
          ...(after && { starting_after: after }),
        });
        return { invoices: page.data, hasNextPage: page.has_more };
      });
    },

    paymentMethods(tenantId) {
      return call(tenantId, async () => {
        const customerId = (await customers.find(tenantId))?.stripeCustomerId;
        if (!customerId) return [];
        const [{ data }, pays] = await Promise.all([
          stripe.customers.listPaymentMethods(customerId, { limit: MAX_METHODS }),
          defaultMethodOf(tenantId, customerId),
        ]);
        const isUnlisted = typeof pays === 'object' && pays && !data.some(({ id }) => id === pays.id);
        const methods = isUnlisted ? [...data, pays] : data;
        return methods.map((method) => ({ method, isDefault: method.id === idOf(pays) }));
      });
    },

    pushEmail(tenantId) {
      return call(tenantId, async () => {
        for (let tries = 0; tries < MAX_EMAIL_TRIES; tries++) {
          const [tenant, customer] = await Promise.all([
            models.tenants.findById(tenantId, { email: 1 }).lean<{ email: string | null }>(),
            customers.find(tenantId),
          ]);
          const email = tenant?.email;
          if (!email || !customer?.stripeCustomerId) return;
          // After the first try, the stored email may not be the one that Stripe has.
          if (tries === 0 && customer.email === email) return;
          if (await customers.setEmail(customer as Customer, email)) return;
        }
        throw serviceUnavailable('Other requests changed the customer at the same time; try again');
      });
    },
  };
}

type MethodRef = string | Stripe.PaymentMethod | null;

const defaultOf = (customer: Stripe.Customer | Stripe.DeletedCustomer): MethodRef =>
  customer.deleted ? null : customer.invoice_settings.default_payment_method;
