import type { BillingClient } from '@continuum-billing/client';
import { useBillingContext } from '../BillingProvider.js';
import { Dialog } from '../parts/Dialog.js';
import { Terms } from '../parts/Terms.js';
import { type Account, endOf } from '../planState.js';
import { useProduct } from '../product.js';
import { useLoaded } from '../useLoaded.js';
import { useWords } from '../words.js';
import { TermsPending } from './ChangeTerms.js';
import type { PlanDialogProps } from './common.js';

type CancellationPreview = Awaited<ReturnType<BillingClient['previewCancellation']>>;

/** Shows when the plan ends, and what is still invoiced then. */
export function CancelDialog({ account, onClose, say }: PlanDialogProps) {
  const { store, texts, formats } = useBillingContext();
  const loaded = useLoaded('', () => store.client.previewCancellation(store.tenant));
  const { data: preview } = loaded;
  const { displayName } = account.subscription.tier;
  return (
    <Dialog
      onClose={onClose}
      title={texts.question(texts.cancel(displayName))}
      confirm={texts.cancel(displayName)}
      dismiss={texts.keep(displayName)}
      danger
      ready={preview !== undefined && !preview.alreadyScheduled}
      onConfirm={async () => {
        store.changed(await store.client.cancelSubscription({ ...store.tenant, atPeriodEnd: true }));
        if (preview) say(texts.endsDone(displayName, formats.day(preview.endsAt)));
      }}
    >
      {preview ? <CancellationTerms preview={preview} account={account} /> : <TermsPending loaded={loaded} />}
    </Dialog>
  );
}

function CancellationTerms({ preview, account }: { preview: CancellationPreview; account: Account }) {
  const { texts, formats } = useBillingContext();
  const words = useWords();
  const { alreadyScheduled, endsAt, tierAfterwards, currency } = preview;
  const { refundCents, overageCents, lastInvoiceAt } = preview;
  const { tier, status } = account.subscription;
  const after = account.tiers.find(({ name }) => name === tierAfterwards);
  const afterText =
    after &&
    (after.monthlyPriceCents === 0
      ? after.displayName
      : texts.tierAtPrice(after.displayName, words.priceText(after)));
  const when = alreadyScheduled ? texts.alreadyEnds : texts.keepsAfterCancel;
  return (
    <>
      <p>
        {when(tier.displayName, formats.day(endsAt))} {status === 'TRIALING' && texts.onTrial}
      </p>
      <Terms
        items={[
          [texts.endsLabel, formats.day(endsAt)],
          afterText ? [texts.planAfterwards, afterText] : null,
          [texts.paidBack, formats.money(refundCents, currency)],
          (overageCents > 0 || lastInvoiceAt !== null) && [
            texts.moreCallsDue,
            formats.money(overageCents, currency),
          ],
          [texts.lastInvoice, lastInvoiceAt === null ? texts.noInvoiceLeft : formats.day(lastInvoiceAt)],
        ]}
      />
      <p>
        {after ? texts.afterwards(after.displayName, words.amountsOf(after)[0] ?? '') : texts.dataStaysAll}{' '}
        {status === 'PAST_DUE' && texts.openInvoices}
      </p>
    </>
  );
}

/** Undoes a cancellation or a change that is scheduled. */
export function KeepDialog({ account, onClose, say }: PlanDialogProps) {
  const { store, texts, formats } = useBillingContext();
  const words = useWords();
  const { subscription: plan, tiers } = account;
  const { displayName } = plan.tier;
  const scheduled = tiers.find(({ name }) => name === plan.scheduledTier);
  const end = endOf(plan);
  const undone = end
    ? texts.cancellationUndone(formats.day(end))
    : texts.changeUndone(
        scheduled?.displayName ?? null,
        plan.scheduledAt ? formats.day(plan.scheduledAt) : '',
      );
  const next = plan.currentPeriodEnd ? formats.day(plan.currentPeriodEnd) : null;
  return (
    <Dialog
      onClose={onClose}
      title={texts.question(texts.keep(displayName))}
      confirm={texts.keep(displayName)}
      dismiss={texts.close}
      onConfirm={async () => {
        store.changed(await store.client.resumeSubscription(store.tenant));
        say(texts.kept(displayName));
      }}
    >
      <p>
        {undone} {texts.goesOn(displayName, words.priceText(plan.tier, plan.price), next)}
      </p>
    </Dialog>
  );
}

/** Ends a pause of the whole subscription, which a trial without a card may end in. */
export function ResumePlanDialog({ account, onClose, say }: PlanDialogProps) {
  const { store, texts } = useBillingContext();
  const words = useWords();
  const { tier, price } = account.subscription;
  const name = texts.resumePlan(tier.displayName);
  return (
    <Dialog
      onClose={onClose}
      title={texts.question(name)}
      confirm={name}
      onConfirm={async () => {
        store.changed(await store.client.resumeSubscription(store.tenant));
        say(texts.kept(tier.displayName));
      }}
    >
      <p>{texts.resumeTerms(tier.displayName, words.priceText(tier, price))}</p>
    </Dialog>
  );
}

/** Ends a pause of payments, in which the plan goes on. */
export function ResumePaymentsDialog({ account, onClose, say }: PlanDialogProps) {
  const { store, texts, formats } = useBillingContext();
  const { name } = useProduct();
  const { currentPeriodEnd } = account.subscription;
  return (
    <Dialog
      onClose={onClose}
      title={texts.payAgainQuestion}
      confirm={texts.payAgainConfirm}
      dismiss={texts.keepPause}
      onConfirm={async () => {
        store.changed(await store.client.resumePayments(store.tenant));
        say(texts.paymentsResumed);
      }}
    >
      <p>{texts.payAgainTerms(name, currentPeriodEnd ? formats.day(currentPeriodEnd) : '')}</p>
    </Dialog>
  );
}
