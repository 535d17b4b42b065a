import { useQuery } from '@apollo/client/react';
import type { ReactNode } from 'react';
import {
  Badge,
  Callout,
  formatCount,
  formatDay,
  formatInstant,
  Status,
  type Tone,
} from '../../design/index.js';
import type { TrialEndWithoutCard } from '../../generated/graphql.js';
import { priceText } from '../../prices/prices.js';
import { endWithoutCard } from '../../prices/trialEnd.js';
import { useBrand } from '../brand.js';
import type { Tier } from '../plans/tierTerms.js';
import { type Account, PAYMENT_METHODS, type Plan } from './documents.js';
import { PauseNotice } from './PauseNotice.js';
import { endOf, fixedReason, isPaid } from './planState.js';

const LABELS: Partial<Record<Plan['status'], readonly [label: string, tone: Tone]>> = {
  ACTIVE: ['Active', 'success'],
  TRIALING: ['Trial', 'accent'],
  PAST_DUE: ['Payment due', 'warning'],
  UNPAID: ['Unpaid', 'danger'],
  PAUSED: ['Paused', 'warning'],
};

export function PlanBadge({ plan }: { plan: Plan }) {
  if (!isPaid(plan)) return null;
  // A contract has an end from the beginning.
  if (endOf(plan) && plan.tier.checkout !== 'CONTACT_SALES')
    return <Badge tone="warning">Ends {formatDay(endOf(plan))}</Badge>;
  if (plan.paymentPause) return <Badge tone="accent">Payments paused</Badge>;
  const [label, tone] = LABELS[plan.status] ?? ['Active', 'success'];
  return <Status value={plan.status} label={label} tone={tone} />;
}

/** The state of the plan in one or two sentences. */
export function planSentence(account: Account, productName: string): string {
  const { subscription: plan, tiers } = account;
  const { tier, trialEnd, currentPeriodEnd, scheduledAt } = plan;
  const fixed = fixedReason(account);
  if (fixed === 'OVERRIDDEN') {
    const until = account.tenant.limitOverrides?.until;
    return `${productName} has set this plan for you${until ? ` until ${formatDay(until)}` : ''}.`;
  }
  if (!isPaid(plan)) return 'You pay nothing for it. Choose another plan below to get more.';
  const end = endOf(plan);
  if (fixed === 'CONTRACT')
    return `Your plan is agreed with ${productName}${end ? ` until ${formatDay(end)}` : ''}.`;
  const free = tiers.find(({ checkout }) => checkout === 'NONE');
  const scheduled = tiers.find(({ name }) => name === plan.scheduledTier);
  if (end) return `${tier.displayName} ends on ${formatDay(end)}. ${afterEnd(free)}`;
  if (scheduled?.name === tier.name)
    return `${tier.displayName} costs ${priceText(scheduled, plan.scheduledPrice)} from ${formatDay(scheduledAt)}.`;
  if (scheduled)
    return `${tier.displayName} changes to ${scheduled.displayName} on ${formatDay(scheduledAt)}, at ${priceText(scheduled, plan.scheduledPrice)}.`;
  if (plan.status === 'TRIALING')
    return `Your trial of ${tier.displayName} ends on ${formatDay(trialEnd)}. Then it costs ${priceText(tier, plan.price)}.`;
  if (plan.paymentPause) return `You have ${tier.displayName}, and pay nothing for it at present.`;
  if (plan.status === 'PAUSED') return `Your subscription to ${tier.displayName} is paused.`;
  const next =
    currentPeriodEnd && plan.status === 'ACTIVE' ? ` It renews on ${formatDay(currentPeriodEnd)}.` : '';
  const seats = plan.price?.perSeat ? `, for ${formatCount(plan.seats, 'seat')}` : '';
  return `You pay ${priceText(tier, plan.price)}${seats}.${next}`;
}

const afterEnd = (free: Tier | undefined): string =>
  free
    ? `After that you are on ${free.displayName}, and pay nothing more.`
    : 'After that you pay nothing more.';

/** What a person should do something about. */
export function PlanNotices({
  account,
  pay,
  onChanged,
}: {
  account: Account;
  pay: ReactNode;
  onChanged(): Promise<unknown>;
}) {
  const { productName } = useBrand();
  const { subscription: plan, tenant } = account;
  const { displayName } = plan.tier;
  return (
    <>
      {tenant.suspendedAt && (
        <Callout tone="danger" title="Your account is suspended">
          {productName} rejects its calls. You can still see and pay everything here.
        </Callout>
      )}
      <PauseNotice account={account} onChanged={onChanged} />
      {plan.status === 'TRIALING' && !endOf(plan) && !fixedReason(account) && (
        <TrialNotice tenantId={tenant.id} plan={plan} pay={pay} />
      )}
      {plan.status === 'PAST_DUE' && (
        <Callout tone="warning" title="Your last payment failed" actions={pay}>
          {plan.graceEndsAt
            ? `You keep ${displayName} until ${formatInstant(plan.graceEndsAt)}. Pay, or update your payment method, to keep it.`
            : 'Pay, or update your payment method, to keep your plan.'}
        </Callout>
      )}
      {plan.status === 'UNPAID' && (
        <Callout tone="danger" title="Your subscription is not paid" actions={pay}>
          Pay what is due to get your plan back.
        </Callout>
      )}
      {plan.status === 'INCOMPLETE' && (
        <Callout tone="warning" title="Your payment is not complete" actions={pay}>
          Your plan begins when the payment has succeeded.
        </Callout>
      )}
    </>
  );
}

const WITHOUT_CARD: Record<TrialEndWithoutCard, string> = {
  CANCEL: 'your plan ends',
  PAUSE: 'your plan is paused, until you add one and resume it,',
  INVOICE: 'your first payment is overdue',
};

/** Without a payment method, a trial ends otherwise than by the payment of which the page speaks. */
function TrialNotice({ tenantId, plan, pay }: { tenantId: string; plan: Plan; pay: ReactNode }) {
  const { data } = useQuery(PAYMENT_METHODS, { variables: { tenantId } });
  if (!data || data.paymentMethods.length > 0) return null;
  return (
    <Callout tone="warning" title="There is no payment method" actions={pay}>
      Without one, {WITHOUT_CARD[endWithoutCard(plan.tier)]} on {formatDay(plan.trialEnd)}.
    </Callout>
  );
}
