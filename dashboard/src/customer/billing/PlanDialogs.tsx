import { useMutation, useQuery } from '@apollo/client/react';
import {
  ConfirmDialog,
  ErrorState,
  formatDay,
  formatMoney,
  KeyValue,
  Skeleton,
  toast,
} from '../../design/index.js';
import { amountsOf, priceText, type Tier } from '../plans/tierTerms.js';
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
  upgrade,
  onChanged,
  ...dialog
}: DialogProps & { tier: Tier; upgrade: boolean }) {
  const { data, error, refetch } = useQuery(PREVIEW, {
    variables: { tenantId, tier: tier.name },
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
        await change({ variables: { tenantId, tier: tier.name } });
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
              ['Plan', `${tier.displayName}, ${priceText(tier)}`],
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

export function CancelDialog({ tenantId, account, onChanged, ...dialog }: DialogProps) {
  const [cancel] = useMutation(CANCEL);
  const { tier, currentPeriodEnd, trialEnd, status } = account.subscription;
  const end = status === 'TRIALING' ? (trialEnd ?? currentPeriodEnd) : currentPeriodEnd;
  const free = account.tiers.find(({ checkout }) => checkout === 'NONE');
  return (
    <ConfirmDialog
      {...dialog}
      title={`Cancel ${tier.displayName}?`}
      confirm={`Cancel ${tier.displayName}`}
      dismiss={`Keep ${tier.displayName}`}
      danger
      onConfirm={async () => {
        await cancel({ variables: { tenantId } });
        await onChanged();
        toast({ title: `${tier.displayName} ends on ${formatDay(end)}` });
      }}
    >
      <p>
        You keep {tier.displayName} until {formatDay(end)}, and can change your mind until then. Nothing is
        paid back for that time.
      </p>
      <p>
        {free
          ? `After that you are on ${free.displayName}, with ${amountsOf(free)[0]}. Your data stays, but what is above a limit of ${free.displayName} cannot grow.`
          : 'After that you have no plan. Your data stays.'}
      </p>
    </ConfirmDialog>
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
        {displayName} goes on at {priceText(plan.tier)}; the next invoice is on{' '}
        {formatDay(plan.currentPeriodEnd)}. Nothing is paid now.
      </p>
    </ConfirmDialog>
  );
}
