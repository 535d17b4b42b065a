import { useQuery } from '@apollo/client/react';
import { termsOf } from '@continuum-billing/react/core';
import { useState } from 'react';
import {
  Callout,
  Checkbox,
  ErrorState,
  FormDialog,
  formatCount,
  formatMoney,
  formatNumber,
  KeyValue,
  Skeleton,
  Time,
  toast,
} from '../../../design/index.js';
import type { ChangeTenantTierMutation, PreviewTenantTierQuery } from '../../../generated/graphql.js';
import { graphql } from '../../../generated/index.js';
import { priceText } from '../../../prices/prices.js';
import { type ActionDialogProps, useChange, useTenantPage } from '../tenantPage.js';
import { PriceFields, usePriceChoice, useTiers } from './PriceFields.js';

const PREVIEW = graphql(`
  query PreviewTenantTier(
    $tenantId: ID!
    $tier: TierName!
    $immediately: Boolean!
    $interval: PriceInterval
    $intervalCount: Int
    $seats: Int
  ) {
    previewTierChange(
      tenantId: $tenantId
      tier: $tier
      immediately: $immediately
      interval: $interval
      intervalCount: $intervalCount
      seats: $seats
    ) {
      tier
      seats
      immediately
      effectiveAt
      currency
      prorationCents
      amountDueNowCents
      taxCents
      nextInvoiceCents
      nextInvoiceAt
    }
  }
`);

const CHANGE = graphql(`
  mutation ChangeTenantTier($tenantId: ID!, $input: ChangeTierInput!) {
    changeTier(tenantId: $tenantId, input: $input) {
      ...SubscriptionFacts
    }
  }
`);

export function ChangeTierDialog({ onClose }: ActionDialogProps) {
  const { tenantId, tenant } = useTenantPage();
  const { tier: current, price: paid, scheduledTier, seats } = tenant.subscription;
  const currency = paid?.currency ?? null;
  const tiers = (useTiers() ?? []).filter(({ checkout }) => checkout !== 'CONTACT_SALES');
  const choice = usePriceChoice(tiers, currency);
  const change = useChange(CHANGE);
  const [immediately, setImmediately] = useState(false);
  const wanted = { tier: choice.tier?.name ?? 'FREE', ...termsOf(choice.price, choice.seats.settled) };
  const preview = useQuery(PREVIEW, {
    variables: { tenantId, immediately, ...wanted },
    skip: !choice.ready,
    // Money that was computed a while ago is not what would be charged now.
    fetchPolicy: 'network-only',
  });
  const shown =
    choice.ready && !preview.loading && !preview.error ? preview.data?.previewTierChange : undefined;
  const pays = `${current.name}, ${priceText(current, paid)}${paid?.perSeat ? `, for ${formatCount(seats, 'seat')}` : ''}`;
  return (
    <FormDialog
      open
      onClose={onClose}
      title={`Change the tier of ${tenant.name}`}
      submit={choice.tier ? `Change to ${choice.tier.name}` : 'Change tier'}
      ready={shown !== undefined}
      onSubmit={async () => {
        const { changeTier } = await change({ tenantId, input: { ...wanted, immediately } });
        toast(outcomeOf(tenant.name, changeTier ?? null));
      }}
    >
      <p>
        {tenant.name} pays for {pays}. An upgrade takes effect at once; a downgrade at the end of the period,
        unless you say otherwise.
        {scheduledTier && ` ${scheduledTier} is scheduled, which another change replaces.`}
      </p>
      <PriceFields
        label="New tier"
        tiers={tiers}
        choice={choice}
        currency={currency}
        error={choice.ready ? preview.error : null}
      />
      <Checkbox
        label="Downgrade at once"
        hint="With a credit for the rest of the period. Nothing changes for an upgrade."
        checked={immediately}
        onChange={setImmediately}
      />
      {choice.ready &&
        (shown ? (
          <Preview preview={shown} />
        ) : preview.error ? (
          <ErrorState error={preview.error} onRetry={() => preview.refetch()} />
        ) : (
          <Skeleton lines={4} />
        ))}
    </FormDialog>
  );
}

type Changed = ChangeTenantTierMutation['changeTier'];

function outcomeOf(tenant: string, changed: Changed) {
  if (!changed) return { title: 'The tier has changed' };
  const { tier, price, seats, scheduledTier } = changed;
  if (scheduledTier)
    return {
      title: 'The change is scheduled',
      text: `${tenant} moves to ${scheduledTier} at the end of the period.`,
    };
  const forSeats = price?.perSeat ? `, for ${formatCount(seats, 'seat')}` : '';
  return {
    title: 'The tier has changed',
    text: `${tenant} has ${tier.name}, ${priceText(tier, price)}${forSeats}.`,
  };
}

function Preview({ preview }: { preview: PreviewTenantTierQuery['previewTierChange'] }) {
  const { currency, immediately, effectiveAt, amountDueNowCents, prorationCents } = preview;
  const { taxCents, nextInvoiceCents, nextInvoiceAt, seats } = preview;
  return (
    <Callout title={immediately ? 'It happens at once' : 'It happens at the end of the period'}>
      <KeyValue
        items={[
          ['Takes effect', <Time at={effectiveAt} />],
          seats > 1 && ['Seats', formatNumber(seats)],
          ['Charged now', <strong>{formatMoney(amountDueNowCents, currency)}</strong>],
          taxCents !== 0 && ['Of which tax', formatMoney(taxCents, currency)],
          prorationCents !== 0 && [
            prorationCents < 0 ? 'Credit for the rest of the period' : 'For the rest of the period',
            formatMoney(prorationCents, currency),
          ],
          [
            'Next invoice',
            nextInvoiceAt ? (
              <>
                {formatMoney(nextInvoiceCents, currency)} on <Time at={nextInvoiceAt} />
              </>
            ) : (
              'none'
            ),
          ],
        ]}
      />
    </Callout>
  );
}
