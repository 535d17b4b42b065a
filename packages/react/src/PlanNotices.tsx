import type { Subscription } from '@continuum-billing/client';
import { type ReactNode, useState } from 'react';
import { useBillingContext } from './BillingProvider.js';
import { ResumePaymentsDialog, ResumePlanDialog } from './dialogs/EndDialogs.js';
import { usePaymentMethods } from './hooks.js';
import { Button } from './parts/Button.js';
import { Callout } from './parts/Callout.js';
import { type Account, endOf, endWithoutCard, fixedReason, isPaid } from './planState.js';
import { useProduct } from './product.js';

interface NoticeProps {
  account: Account;
  /** The button that leads to the payment. */
  pay: ReactNode;
  say(text: string): void;
}

/** What a person should do something about. */
export function PlanNotices({ account, pay, say }: NoticeProps) {
  const { texts } = useBillingContext();
  const { name: product } = useProduct();
  const { subscription: plan, tenant } = account;
  const isTrial = plan.status === 'TRIALING' && !endOf(plan) && !fixedReason(account);
  return (
    <>
      {tenant.suspendedAt && (
        <Callout tone="danger" title={texts.suspended}>
          {texts.suspendedAdvice(product)}
        </Callout>
      )}
      {plan.paymentPause && isPaid(plan) && <PausedPayments account={account} say={say} />}
      {isTrial && <TrialNotice plan={plan} pay={pay} />}
      <PaymentNotice account={account} pay={pay} say={say} />
    </>
  );
}

function PaymentNotice({ account, pay, say }: NoticeProps) {
  const { texts, formats } = useBillingContext();
  const [isAsking, setAsking] = useState(false);
  const { subscription: plan } = account;
  const { displayName } = plan.tier;
  switch (plan.status) {
    case 'PAST_DUE':
      return (
        <Callout tone="warning" title={texts.paymentFailed} actions={pay}>
          {texts.paymentFailedAdvice(
            displayName,
            plan.graceEndsAt === null ? null : formats.instant(plan.graceEndsAt),
          )}
        </Callout>
      );
    case 'UNPAID':
      return (
        <Callout tone="danger" title={texts.notPaid} actions={pay}>
          {texts.notPaidAdvice}
        </Callout>
      );
    case 'INCOMPLETE':
      return (
        <Callout tone="warning" title={texts.incomplete} actions={pay}>
          {texts.incompleteAdvice}
        </Callout>
      );
    case 'PAUSED':
      return (
        <>
          <Callout
            tone="warning"
            title={texts.planPaused}
            actions={
              <>
                {pay}
                <Button onClick={() => setAsking(true)}>{texts.resumePlan(displayName)}</Button>
              </>
            }
          >
            {texts.isPausedAdvice}
          </Callout>
          {isAsking && <ResumePlanDialog account={account} say={say} onClose={() => setAsking(false)} />}
        </>
      );
    default:
      return null;
  }
}

/** Without a payment method, a trial ends otherwise than by the payment of which the plan's sentence speaks. */
function TrialNotice({ plan, pay }: { plan: Subscription; pay: ReactNode }) {
  const { texts, formats } = useBillingContext();
  const { data: methods } = usePaymentMethods();
  if (!methods || methods.length > 0 || plan.trialEnd === null) return null;
  return (
    <Callout tone="warning" title={texts.noPaymentMethod} actions={pay}>
      {texts.noPaymentMethodAdvice(endWithoutCard(plan.tier), formats.day(plan.trialEnd))}
    </Callout>
  );
}

/** Until when nothing is paid, and how to pay again: only then the plan can be changed. */
function PausedPayments({ account, say }: Omit<NoticeProps, 'pay'>) {
  const { texts, formats } = useBillingContext();
  const { name: product } = useProduct();
  const [isAsking, setAsking] = useState(false);
  const resumesAt = account.subscription.paymentPause?.resumesAt ?? null;
  return (
    <>
      <Callout
        title={texts.pauseNotice}
        actions={<Button onClick={() => setAsking(true)}>{texts.payAgain}</Button>}
      >
        {texts.pauseAdvice(product, resumesAt === null ? null : formats.day(resumesAt))}
      </Callout>
      {isAsking && <ResumePaymentsDialog account={account} say={say} onClose={() => setAsking(false)} />}
    </>
  );
}
