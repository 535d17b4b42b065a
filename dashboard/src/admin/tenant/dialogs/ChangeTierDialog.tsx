import { useQuery } from '@apollo/client/react';
import { useState } from 'react';
import {
  Callout,
  Checkbox,
  ErrorState,
  FormDialog,
  formatMoney,
  KeyValue,
  Select,
  Skeleton,
  Time,
  toast,
} from '../../../design/index.js';
import type { PreviewTenantTierQuery, TierName } from '../../../generated/graphql.js';
import { graphql } from '../../../generated/index.js';
import { type ActionDialogProps, useChange, useTenantPage } from '../tenantPage.js';
import { price } from '../words.js';

const TIERS = graphql(`
  query TiersToChoose {
    tiers {
      name
      version
      currency
      monthlyPriceCents
      trialDays
    }
  }
`);

const PREVIEW = graphql(`
  query PreviewTenantTier($tenantId: ID!, $tier: TierName!, $immediately: Boolean!) {
    previewTierChange(tenantId: $tenantId, tier: $tier, immediately: $immediately) {
      tier
      immediately
      effectiveAt
      currency
      prorationCents
      amountDueNowCents
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

export function useTiers() {
  return useQuery(TIERS).data?.tiers;
}

export function ChangeTierDialog({ onClose }: ActionDialogProps) {
  const { tenantId, tenant } = useTenantPage();
  const tiers = useTiers();
  const change = useChange(CHANGE);
  const [tier, setTier] = useState<TierName | ''>('');
  const [immediately, setImmediately] = useState(false);
  const preview = useQuery(PREVIEW, {
    variables: { tenantId, tier: tier || 'FREE', immediately },
    skip: tier === '',
    // Money that was computed a while ago is not what would be charged now.
    fetchPolicy: 'network-only',
  });
  const shown =
    tier !== '' && !preview.loading && !preview.error ? preview.data?.previewTierChange : undefined;
  const current = tenant.subscription.tier.name;
  const options = (tiers ?? [])
    .filter(({ name, monthlyPriceCents }) => name !== current && monthlyPriceCents !== null)
    .map((option) => ({ value: option.name, label: `${option.name}: ${price(option)}` }));
  return (
    <FormDialog
      open
      onClose={onClose}
      title={`Change the tier of ${tenant.name}`}
      submit={tier === '' ? 'Change tier' : `Change to ${tier}`}
      ready={shown !== undefined}
      onSubmit={async () => {
        if (tier === '') return;
        const { changeTier } = await change({ tenantId, input: { tier, immediately } });
        toast(
          changeTier?.scheduledTier
            ? {
                title: 'The change is scheduled',
                text: `${tenant.name} moves to ${tier} at the end of the period.`,
              }
            : { title: 'The tier has changed', text: `${tenant.name} has ${changeTier?.tier.name ?? tier}.` },
        );
      }}
    >
      <p>
        {tenant.name} pays for {current}. An upgrade takes effect at once; a downgrade at the end of the
        period, unless you say otherwise.
      </p>
      <Select
        label="New tier"
        value={tier}
        onChange={(value) => setTier(value as TierName)}
        options={tier === '' ? [{ value: '', label: 'Choose a tier' }, ...options] : options}
      />
      <Checkbox
        label="Downgrade at once"
        hint="With a credit for the rest of the period. Nothing changes for an upgrade."
        checked={immediately}
        onChange={setImmediately}
      />
      {tier !== '' &&
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

function Preview({ preview }: { preview: PreviewTenantTierQuery['previewTierChange'] }) {
  const { currency, immediately, effectiveAt, amountDueNowCents, prorationCents } = preview;
  const { nextInvoiceCents, nextInvoiceAt } = preview;
  return (
    <Callout title={immediately ? 'It happens at once' : 'It happens at the end of the period'}>
      <KeyValue
        items={[
          ['Takes effect', <Time at={effectiveAt} />],
          ['Charged now', <strong>{formatMoney(amountDueNowCents, currency)}</strong>],
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
