import { BillingClientError } from '@continuum-billing/client';
import { callRoute } from '../../api/routes.js';

/** What `GET /mock/state` answers. */
export interface MockState {
  /** The clock of the mock Stripe. */
  now: string;
  /** How far it is ahead of the machine's. */
  aheadSeconds: number;
  isCatchingUp: boolean;
  checkouts: MockCheckout[];
  subscriptions: MockSubscription[];
  events: MockEvent[];
  triggers: { event: string; summary: string }[];
  conditions: Conditions;
}

interface NamedTenant {
  id: string;
  name: string;
}

export interface MockCheckout {
  id: string;
  tenant: NamedTenant | null;
  title: string;
  /** Cents, due today. */
  amount: number;
  currency: string;
  trialDays: number | null;
  createdAt: string;
  expiresAt: string;
  path: string;
}

export interface MockSubscription {
  id: string;
  tenant: NamedTenant | null;
  status: string;
  upcoming: Upcoming[];
}

export interface Upcoming {
  what: 'trial_will_end' | 'trial_end' | 'renewal' | 'payment_retry' | 'payments_resume' | 'cancellation';
  at: string;
}

export interface MockEvent {
  id: string;
  type: string;
  tenant: NamedTenant | null;
  objectId: string | null;
  /** By the mock's clock. */
  createdAt: string;
  /** By the machine's clock. */
  writtenAt: string;
  delivery: { state: 'pending' | 'delivered' | 'failed'; attempts: number; lastError: string | null };
}

export interface Conditions {
  webhooks: 'NORMAL' | 'DISORDERLY' | 'LOST';
  stripe: 'NORMAL' | 'SLOW' | 'FAILING' | 'UNREACHABLE';
}

export const readMockState = (tenantId: string) =>
  callRoute<MockState>(
    'GET',
    tenantId ? `/mock/state?tenantId=${encodeURIComponent(tenantId)}` : '/mock/state',
  );

export const moveClock = (advanceSeconds: number) => callRoute('POST', '/mock/clock', { advanceSeconds });

export const triggerEvent = (event: string, tenantId: string) =>
  callRoute('POST', '/mock/trigger', { event, tenantId });

export const setConditions = (conditions: Partial<Conditions>) =>
  callRoute<Conditions>('POST', '/mock/conditions', conditions);

/**
 * Presses a button of a checkout's page. It answers with a redirect to the address that the checkout names, which may be
 * on another site: this page does not go there.
 * @throws BillingClientError if the checkout is not open any more
 */
export async function answerCheckout(path: string, button: 'complete' | 'decline'): Promise<void> {
  const response = await fetch(`${path}/${button}`, {
    method: 'POST',
    redirect: 'manual',
    credentials: 'same-origin',
  });
  if (response.type === 'opaqueredirect') return;
  const gone = response.status === 404 || response.status === 409;
  throw new BillingClientError(
    gone ? 'NOT_FOUND' : 'INTERNAL_SERVER_ERROR',
    gone ? 'This checkout is not open any more' : `The server answered with status ${response.status}`,
    { status: response.status },
  );
}
