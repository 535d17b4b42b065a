import { useMutation, useQuery } from '@apollo/client/react';
import { type CancellationPreview, useCancellationPreview } from '../../api/cancellationPreview.js';
import {
  ConfirmDialog,
  ErrorState,
  formatDay,
  formatMoney,
  KeyValue,
  Skeleton,
  toast,
} from '../../design/index.js';
import { amountsOf, type Price, priceText, type Tier } from '../plans/tierTerms.js';
import { type Account, CANCEL, CHANGE_TIER, PREVIEW, RESUME } from './documents.js';
import { endOf } from './planState.js';

interface DialogProps {
  open: boolean;
  onClose(): void;
  tenantId: string;
  account: Account;
  onChanged(): Promise<unknown>;
}

/** Shows what a change costs before it is made. */
export function ChangeDialog({
  tenantId,
  account,
  tier,
  price,
  upgrade,
  onChanged,
  ...dialog
}: DialogProps & { tier: Tier; price: Price | null; upgrade: boolean }) {
  const wanted = {
    tier: tier.name,
    ...(price && { interval: price.interval, intervalCount: price.intervalCount }),
  };
  const { data, error, refetch } = useQuery(PREVIEW, {
    variables: { tenantId, ...wanted },
    fetchPolicy: 'network-only',
  });
  const [change] = useMutation(CHANGE_TIER);
  const preview = data?.previewTierChange;
  const { displayName: old } = account.subscription.tier;
  const verb = upgrade ? 'Upgrade' : 'Downgrade';
  return (
    <ConfirmDialog
      {...dialog}
      title={`${verb} to ${tier.displayName}?`}
      confirm={
        preview?.immediately && preview.amountDueNowCents > 0
          ? 'Pay and change'
          : `${verb} to ${tier.displayName}`
      }
      ready={preview !== undefined}
      onConfirm={async () => {
        await change({ variables: { tenantId, input: wanted } });
        await onChanged();
        toast({
          title: preview?.immediately
            ? `You are on ${tier.displayName} now`
            : `You change to ${tier.displayName} on ${formatDay(preview?.effectiveAt)}`,
        });
      }}
    >
      {error ? (
        <ErrorState error={error} onRetry={refetch} />
      ) : preview ? (
        <>
          <p>
            {preview.immediately
              ? `${tier.displayName} begins at once and replaces ${old}. What you have paid for the rest of this period is taken off.`
              : `You keep ${old} until ${formatDay(preview.effectiveAt)}, which is paid. Then ${tier.displayName} begins.`}
          </p>
          <KeyValue
            items={[
              ['Plan', `${tier.displayName}, ${priceText(tier, price)}`],
              ['Begins', preview.immediately ? 'Now' : formatDay(preview.effectiveAt)],
              preview.immediately && [
                'For the rest of this period',
                formatMoney(preview.prorationCents, preview.currency),
              ],
              ['You pay now', formatMoney(Math.max(preview.amountDueNowCents, 0), preview.currency)],
              preview.nextInvoiceAt !== null && [
                'Next invoice',
                `${formatMoney(preview.nextInvoiceCents, preview.currency)} on ${formatDay(preview.nextInvoiceAt)}`,
              ],
            ]}
          />
          {!upgrade && (
            <p>
              Your data stays. What is above a limit of {tier.displayName} cannot grow until you delete some.
            </p>
          )}
        </>
      ) : (
        <Skeleton lines={4} />
      )}
    </ConfirmDialog>
  );
}

/** Shows when the plan ends, and what is still invoiced then. */
export function CancelDialog({ tenantId, account, onChanged, ...dialog }: DialogProps) {
  const { preview, error, retry } = useCancellationPreview(tenantId, true);
  const [cancel] = useMutation(CANCEL);
  const { tier } = account.subscription;
  return (
    <ConfirmDialog
      {...dialog}
      title={`Cancel ${tier.displayName}?`}
      confirm={`Cancel ${tier.displayName}`}
      dismiss={`Keep ${tier.displayName}`}
      danger
      ready={preview !== undefined && !preview.alreadyScheduled}
      onConfirm={async () => {
        await cancel({ variables: { tenantId } });
        await onChanged();
        toast({ title: `${tier.displayName} ends on ${formatDay(preview?.endsAt)}` });
      }}
    >
      {error ? (
        <ErrorState error={error} onRetry={retry} />
      ) : preview ? (
        <CancellationTerms preview={preview} account={account} />
      ) : (
        <Skeleton lines={4} />
      )}
    </ConfirmDialog>
  );
}

const planText = (tier: Tier): string =>
  tier.monthlyPriceCents === 0 ? tier.displayName : `${tier.displayName}, ${priceText(tier)}`;

function CancellationTerms({ preview, account }: { preview: CancellationPreview; account: Account }) {
  const { alreadyScheduled, endsAt, tierAfterwards, currency } = preview;
  const { refundCents, overageCents, lastInvoiceAt } = preview;
  const { tier, status } = account.subscription;
  const after = account.tiers.find(({ name }) => name === tierAfterwards);
  return (
    <>
      <p>
        {alreadyScheduled
          ? `${tier.displayName} ends on ${formatDay(endsAt)} already. There is nothing more to cancel.`
          : `You keep ${tier.displayName} until ${formatDay(endsAt)}, and can change your mind until then.`}{' '}
        {status === 'TRIALING' && 'It is on trial, so you have paid nothing for it.'}
      </p>
      <KeyValue
        items={[
          ['Ends', formatDay(endsAt)],
          after && ['Plan afterwards', planText(after)],
          ['Paid back', formatMoney(refundCents, currency)],
          (overageCents > 0 || lastInvoiceAt !== null) && [
            'More calls, not invoiced yet',
            formatMoney(overageCents, currency),
          ],
          ['Last invoice', lastInvoiceAt === null ? 'None is left' : formatDay(lastInvoiceAt)],
        ]}
      />
      <p>
        {after
          ? `On ${after.displayName} you have ${amountsOf(after)[0]}. Your data stays, but what is above a limit of ${after.displayName} cannot grow.`
          : 'Your data stays.'}
        {status === 'PAST_DUE' && ' Open invoices stay due.'}
      </p>
    </>
  );
}

/** Undoes a cancellation or a change that is scheduled. */
export function KeepDialog({ tenantId, account, onChanged, ...dialog }: DialogProps) {
  const [resume] = useMutation(RESUME);
  const { subscription: plan, tiers } = account;
  const { displayName } = plan.tier;
  const scheduled = tiers.find(({ name }) => name === plan.scheduledTier);
  return (
    <ConfirmDialog
      {...dialog}
      title={`Keep ${displayName}?`}
      confirm={`Keep ${displayName}`}
      dismiss="Close"
      onConfirm={async () => {
        await resume({ variables: { tenantId } });
        await onChanged();
        toast({ title: `You keep ${displayName}` });
      }}
    >
      <p>
        {endOf(plan)
          ? `The cancellation on ${formatDay(endOf(plan))} is undone.`
          : `The change to ${scheduled?.displayName ?? 'the other plan'} on ${formatDay(plan.scheduledAt)} is undone.`}{' '}
        {displayName} goes on at {priceText(plan.tier, plan.price)}; the next invoice is on{' '}
        {formatDay(plan.currentPeriodEnd)}. Nothing is paid now.
      </p>
    </ConfirmDialog>
  );
}
