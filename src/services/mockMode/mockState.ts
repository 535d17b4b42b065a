import type { MockCheckout, MockEvent, MockStripe, MockSubscription } from '@continuum-billing/mock-stripe';
import { ofCustomers } from '../../models/billingCustomer.js';
import type { Models } from '../../models/models.js';
import type { Tenants } from '../accounts/tenants.js';
import type { ConditionSwitch, Conditions } from './conditions.js';

interface NamedTenant {
  id: string;
  name: string;
}

type OfTenant<T> = Omit<T, 'customer'> & { tenant: NamedTenant | null };

/** What the dashboard's page for mock mode shows. Lists are bounded, and newest first. */
export interface MockModeState {
  /** The mock's clock. */
  now: Date;
  /** How far it is ahead of the machine's. */
  aheadSeconds: number;
  /** Whether changes that are due have not happened yet. */
  isCatchingUp: boolean;
  /** Open ones. `path` is the page of this server where a person pays. */
  checkouts: (OfTenant<Omit<MockCheckout, 'url' | 'metadata'>> & { path: string })[];
  subscriptions: OfTenant<Omit<MockSubscription, 'metadata'>>[];
  events: OfTenant<MockEvent>[];
  triggers: { event: string; summary: string }[];
  conditions: Conditions;
}

/**
 * @param tenantId only what is of this tenant
 * @throws NOT_FOUND for an unknown tenant
 */
export type ReadMockMode = (tenantId: string | null) => Promise<MockModeState>;

/** No customer of Stripe's has this id. */
const NO_CUSTOMER = 'none';

export function createMockModeReader(deps: {
  mock: Pick<MockStripe, 'state' | 'trigger'>;
  models: Models;
  tenants: Tenants;
  conditions: ConditionSwitch;
}): ReadMockMode {
  const { mock, models, tenants, conditions } = deps;
  const triggers = mock.trigger.events.map((event) => ({
    event,
    summary: mock.trigger.summaries[event] ?? '',
  }));

  async function customerOf(tenantId: string): Promise<string> {
    const { _id } = await tenants.get(tenantId);
    const customer = await models.billingCustomers.findById(_id, { stripeCustomerId: 1 }).lean();
    return customer?.stripeCustomerId ?? NO_CUSTOMER;
  }

  /** @returns a finder of the tenant that a customer is linked to */
  async function tenantsOf(
    customers: readonly (string | null)[],
  ): Promise<(customer: string | null) => NamedTenant | null> {
    const ids = [...new Set(customers)].filter((id) => id !== null);
    const linked = await models.billingCustomers
      .find(ofCustomers(...ids), { stripeCustomerId: 1 })
      .lean<{ _id: string; stripeCustomerId: string }[]>();
    const named = await tenants.findMany(linked.map(({ _id }) => _id));
    const byCustomer = new Map(
      linked.map(({ _id, stripeCustomerId }, index): [string, NamedTenant] => [
        stripeCustomerId,
        { id: _id, name: named[index]?.name ?? '' },
      ]),
    );
    return (customer) => (customer === null ? null : (byCustomer.get(customer) ?? null));
  }

  return async (tenantId) => {
    const state = await mock.state(tenantId === null ? null : await customerOf(tenantId));
    const { checkouts, subscriptions, events } = state;
    const tenantOf = await tenantsOf(
      [...checkouts, ...subscriptions, ...events].map(({ customer }) => customer),
    );
    const ofTenant = <T extends { customer: string | null }>({ customer, ...rest }: T) => ({
      ...rest,
      tenant: tenantOf(customer),
    });
    return {
      now: state.now,
      aheadSeconds: Math.round(state.aheadMs / 1000),
      isCatchingUp: state.isCatchingUp,
      checkouts: checkouts.map(({ url: _url, metadata: _metadata, ...checkout }) => ({
        ...ofTenant(checkout),
        path: `/mock/checkout/${checkout.id}`,
      })),
      subscriptions: subscriptions.map(({ metadata: _metadata, ...subscription }) => ofTenant(subscription)),
      events: events.map(ofTenant),
      triggers,
      conditions: conditions.current(),
    };
  };
}
