import { type ReactNode, useState } from 'react';
import { type BillingContext, useBillingContext } from './BillingProvider.js';
import { CancelDialog, KeepDialog } from './dialogs/EndDialogs.js';
import { useNotice } from './notice.js';
import { PlanNotices } from './PlanNotices.js';
import { Badge, type Tone } from './parts/Badge.js';
import { Button, ButtonAnchor } from './parts/Button.js';
import { Callout, ErrorCallout, ErrorState } from './parts/Callout.js';
import { cx } from './parts/cx.js';
import { Skeleton } from './parts/Skeleton.js';
import { type Account, endOf, fixedReason, isPaid } from './planState.js';
import { useProduct } from './product.js';
import { useAccount } from './useAccount.js';
import { type PaymentPage, useBilling, useDeparture } from './useBilling.js';
import { useWords, type Words } from './words.js';

export interface CurrentPlanProps {
  /** `plain`: without a frame, such as at the top of a page. Default: `card`. */
  variant?: 'card' | 'plain' | undefined;
  /** Of the plan's name. Default: `h2`. */
  heading?: 'h1' | 'h2' | 'h3' | undefined;
  /** Called by the button that changes the plan; without this and `changePlanHref` there is none. */
  onChangePlan?: (() => void) | undefined;
  changePlanHref?: string | undefined;
  /** Whether the plan can be canceled, or kept, here. Default: true. */
  canCancel?: boolean | undefined;
  /** Whether there is a button to the invoices and payment methods at Stripe. Default: true. */
  canManagePayment?: boolean | undefined;
  /** Where Stripe's page leads back to. Default: this page. */
  returnUrl?: string | undefined;
  /** Called with Stripe's page instead of going there. */
  onPortal?: ((page: PaymentPage) => unknown) | undefined;
  /** Instead of the placeholder while it is loading. */
  fallback?: ReactNode;
}

/** The plan that the tenant has, its state in a sentence, and what to do about it. */
export function CurrentPlan({ fallback, variant = 'card', ...props }: CurrentPlanProps) {
  const { account, error, refetch } = useAccount();
  const content = account ? (
    <Plan {...props} account={account} error={error} />
  ) : error ? (
    <ErrorState error={error} onRetry={refetch} />
  ) : (
    (fallback ?? <Skeleton lines={3} />)
  );
  return <div className={cx('cb', 'cb-plan', variant === 'card' && 'cb-plan-card')}>{content}</div>;
}

function Plan(props: Omit<CurrentPlanProps, 'variant'> & { account: Account; error: Error | null }) {
  const { account, error, heading: Heading = 'h2', returnUrl, onPortal } = props;
  const { canCancel = true, canManagePayment = true } = props;
  const context = useBillingContext();
  const { texts } = context;
  const words = useWords();
  const { name: product } = useProduct();
  const { createPortal } = useBilling();
  const { notice, say } = useNotice();
  const departure = useDeparture();
  const [dialog, setDialog] = useState<'cancel' | 'keep' | null>(null);
  const { subscription: plan } = account;
  const paid = isPaid(plan);
  const { displayName } = plan.tier;
  const isEnding = endOf(plan) !== null || plan.scheduledTier !== null;
  const canEnd = canCancel && paid && !fixedReason(account);
  const portal = (button: string) => () =>
    departure
      .leave(button, () => createPortal(returnUrl === undefined ? {} : { returnUrl }), onPortal)
      // It is shown below.
      .catch(() => undefined);
  const pay = (
    <Button pending={departure.leaving === 'pay'} onClick={portal('pay')}>
      {texts.payNow}
    </Button>
  );
  const close = () => setDialog(null);
  return (
    <>
      <div className="cb-plan-head">
        <div className="cb-plan-titles">
          <div className="cb-plan-title">
            <Heading tabIndex={-1}>{texts.planTitle(displayName)}</Heading>
            <PlanBadge account={account} />
          </div>
          <p className="cb-plan-sentence">{planSentence(account, product, { words, ...context })}</p>
        </div>
        <div className="cb-plan-actions">
          {canEnd && (
            <Button variant="ghost" onClick={() => setDialog(isEnding ? 'keep' : 'cancel')}>
              {isEnding ? texts.keep(displayName) : texts.cancel(displayName)}
            </Button>
          )}
          {canManagePayment && plan.stripeSubscriptionId !== null && (
            <Button pending={departure.leaving === 'portal'} onClick={portal('portal')}>
              {texts.managePayment}
            </Button>
          )}
          <ChangePlan {...props} isPaid={paid} />
        </div>
      </div>
      {departure.error !== null && <ErrorCallout error={departure.error} />}
      <p role="status" className="cb-notice">
        {notice}
      </p>
      <PlanNotices account={account} pay={pay} say={say} />
      {error && <Callout tone="warning">{texts.outdated}</Callout>}
      {dialog === 'cancel' && <CancelDialog account={account} say={say} onClose={close} />}
      {dialog === 'keep' && <KeepDialog account={account} say={say} onClose={close} />}
    </>
  );
}

function ChangePlan({
  onChangePlan,
  changePlanHref,
  isPaid: paid,
}: Pick<CurrentPlanProps, 'onChangePlan' | 'changePlanHref'> & { isPaid: boolean }) {
  const { texts } = useBillingContext();
  const text = paid ? texts.changePlan : texts.choosePlan;
  const variant = paid ? 'secondary' : 'primary';
  if (onChangePlan)
    return (
      <Button variant={variant} onClick={() => onChangePlan()}>
        {text}
      </Button>
    );
  if (changePlanHref === undefined) return null;
  return (
    <ButtonAnchor variant={variant} href={changePlanHref}>
      {text}
    </ButtonAnchor>
  );
}

const TONES: Partial<Record<Account['subscription']['status'], Tone>> = {
  TRIALING: 'accent',
  PAST_DUE: 'warning',
  UNPAID: 'danger',
  PAUSED: 'warning',
};

function PlanBadge({ account }: { account: Account }) {
  const { texts, formats } = useBillingContext();
  const { subscription: plan } = account;
  if (!isPaid(plan)) return null;
  const end = endOf(plan);
  // A contract has an end from the beginning.
  if (end && plan.tier.checkout !== 'CONTACT_SALES')
    return <Badge tone="warning">{texts.ends(formats.day(end))}</Badge>;
  if (plan.paymentPause) return <Badge tone="accent">{texts.paymentsPaused}</Badge>;
  const labels: Partial<Record<typeof plan.status, string>> = {
    TRIALING: texts.trialing,
    PAST_DUE: texts.pastDue,
    UNPAID: texts.unpaid,
    PAUSED: texts.paused,
  };
  return (
    <Badge tone={TONES[plan.status] ?? 'success'} dot>
      {labels[plan.status] ?? texts.active}
    </Badge>
  );
}

/** The state of the plan in one or two sentences. */
function planSentence(
  account: Account,
  product: string,
  { texts, formats, words }: Pick<BillingContext, 'texts' | 'formats'> & { words: Words },
): string {
  const { subscription: plan, tiers, tenant } = account;
  const { tier, trialEnd, currentPeriodEnd } = plan;
  const name = tier.displayName;
  const day = (at: string | null | undefined) => (at ? formats.day(at) : null);
  const fixed = fixedReason(account);
  if (fixed === 'OVERRIDDEN') return texts.setForYou(product, day(tenant.limitOverrides?.until));
  if (!isPaid(plan)) return texts.paysNothing;
  const end = day(endOf(plan));
  if (fixed === 'CONTRACT') return texts.agreed(product, end);
  if (end) {
    const free = tiers.find(({ checkout }) => checkout === 'NONE');
    return texts.endsOn(name, end, free?.displayName ?? null);
  }
  const scheduled = tiers.find((one) => one.name === plan.scheduledTier);
  if (scheduled) {
    const [price, at] = [words.priceText(scheduled, plan.scheduledPrice), day(plan.scheduledAt) ?? ''];
    if (scheduled.name === tier.name) return texts.costsFrom(name, price, at);
    return texts.changesTo(name, scheduled.displayName, at, price);
  }
  const price = words.priceText(tier, plan.price);
  if (plan.status === 'TRIALING') return texts.trialEnds(name, day(trialEnd) ?? '', price);
  if (plan.paymentPause) return texts.hasWithoutPaying(name);
  if (plan.status === 'PAUSED') return texts.isPaused(name);
  return texts.youPay(
    price,
    plan.price?.perSeat ? words.seats(plan.seats) : null,
    plan.status === 'ACTIVE' ? day(currentPeriodEnd) : null,
  );
}
