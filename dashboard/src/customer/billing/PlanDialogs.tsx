import { useMutation, useQuery } from '@apollo/client/react';
import { type CancellationPreview, useCancellationPreview } from '../../api/cancellationPreview.js';
import { seatsNeeded } from '../../api/errors.js';
import {
  ConfirmDialog,
  ErrorState,
  formatCount,
  formatDay,
  formatMoney,
  KeyValue,
  Skeleton,
  toast,
} from '../../design/index.js';
import type { ChangePreviewFragment } from '../../generated/graphql.js';
import { cycleLabel, type Price, priceText, termsOf } from '../../prices/prices.js';
import { SeatsField, useSeats } from '../../prices/SeatsField.js';
import { amountsOf, type Tier } from '../plans/tierTerms.js';
import { type Account, CANCEL, CHANGE_TIER, PREVIEW, RESUME } from './documents.js';
import { endOf } from './planState.js';

export interface DialogProps {
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
  const { tier: old, price: paid, seats: present } = account.subscription;
  // Another interval of the plan that one has keeps its seats.
  const isBySeat = price?.perSeat === true && tier.name !== old.name;
  const input = useSeats(isBySeat ? price : null, paid?.perSeat ? present : 1);
  const wanted = { tier: tier.name, ...termsOf(price, input.settled) };
  const isChosen = !isBySeat || input.settled !== null;
  const { data, error, refetch, loading } = useQuery(PREVIEW, {
    variables: { tenantId, ...wanted },
    skip: !isChosen,
    fetchPolicy: 'network-only',
  });
  const [change] = useMutation(CHANGE_TIER);
  const preview = isChosen && !loading && !error ? data?.previewTierChange : undefined;
  // Whether it is larger depends on how many seats are chosen.
  const verb = isBySeat ? 'Change' : upgrade ? 'Upgrade' : 'Downgrade';
  const often = price && tier.name === old.name ? cycleLabel(price).toLowerCase() : null;
  const name = often ? `Pay ${often}` : `${verb} to ${tier.displayName}`;
  return (
    <ConfirmDialog
      {...dialog}
      title={`${name}?`}
      confirm={preview?.immediately && preview.amountDueNowCents > 0 ? 'Pay and change' : name}
      ready={preview !== undefined}
      fields={isBySeat && <SeatsField input={input} error={error} />}
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
      {isChosen && error ? (
        seatsNeeded(error) === null && <ErrorState error={error} onRetry={refetch} />
      ) : preview ? (
        <>
          <p>{whenText(preview, old.displayName, tier.displayName, often)}</p>
          <ChangeTerms preview={preview} plan={`${tier.displayName}, ${priceText(tier, price)}`} />
          {!often && !preview.immediately && (
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

/** @param often how a plan that stays will be paid; null: the plan changes */
function whenText(
  { immediately, effectiveAt }: ChangePreviewFragment,
  old: string,
  next: string,
  often: string | null,
): string {
  const day = formatDay(effectiveAt);
  if (!immediately)
    return often
      ? `Nothing changes until ${day}, which is paid. Then you pay ${often}.`
      : `You keep ${old} until ${day}, which is paid. Then ${next} begins.`;
  const begins = often ? `You pay ${often} from now on.` : `${next} begins at once and replaces ${old}.`;
  return `${begins} What you have paid for the rest of this period is taken off.`;
}

/** What a change costs now and later. */
export function ChangeTerms({ preview, plan }: { preview: ChangePreviewFragment; plan: string }) {
  const { immediately, effectiveAt, currency, seats, prorationCents, amountDueNowCents } = preview;
  const { taxCents, nextInvoiceCents, nextInvoiceAt } = preview;
  return (
    <KeyValue
      items={[
        ['Plan', seats > 1 ? `${plan}, for ${formatCount(seats, 'seat')}` : plan],
        ['Begins', immediately ? 'Now' : formatDay(effectiveAt)],
        immediately && ['For the rest of this period', formatMoney(prorationCents, currency)],
        taxCents !== 0 && ['Tax on it', formatMoney(taxCents, currency)],
        ['You pay now', formatMoney(Math.max(amountDueNowCents, 0), currency)],
        immediately &&
          amountDueNowCents <= 0 &&
          prorationCents < 0 && ['Taken off your next invoices', formatMoney(-prorationCents, currency)],
        nextInvoiceAt !== null && [
          'Next invoice',
          `${formatMoney(nextInvoiceCents, currency)} on ${formatDay(nextInvoiceAt)}`,
        ],
      ]}
    />
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
