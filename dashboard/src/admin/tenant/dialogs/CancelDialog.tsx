import { useState } from 'react';
import { type CancellationPreview, useCancellationPreview } from '../../../api/cancellationPreview.js';
import {
  Callout,
  ConfirmDialog,
  ErrorState,
  FormDialog,
  formatMoney,
  KeyValue,
  readableInstants,
  Select,
  Skeleton,
  Stack,
  Time,
  toast,
} from '../../../design/index.js';
import { graphql } from '../../../generated/index.js';
import { type ActionDialogProps, useChange, useTenantPage } from '../tenantPage.js';

const CANCEL = graphql(`
  mutation CancelTenantSubscription($tenantId: ID!, $atPeriodEnd: Boolean!) {
    cancelSubscription(tenantId: $tenantId, input: { atPeriodEnd: $atPeriodEnd }) {
      ...SubscriptionFacts
    }
  }
`);

const RESUME = graphql(`
  mutation ResumeTenantSubscription($tenantId: ID!) {
    resumeSubscription(tenantId: $tenantId) {
      ...SubscriptionFacts
    }
  }
`);

export function CancelDialog({ onClose }: ActionDialogProps) {
  const { tenantId, tenant } = useTenantPage();
  const cancel = useChange(CANCEL);
  const [when, setWhen] = useState('end');
  const atPeriodEnd = when === 'end';
  const { preview, error, retry } = useCancellationPreview(tenantId, atPeriodEnd);
  return (
    <FormDialog
      open
      onClose={onClose}
      title={`Cancel the subscription of ${tenant.name}`}
      submit="Cancel subscription"
      dismiss="Keep it"
      danger
      ready={preview !== undefined && !preview.alreadyScheduled}
      onSubmit={async () => {
        await cancel({ tenantId, atPeriodEnd });
        toast({
          title: atPeriodEnd ? 'The subscription ends with its period' : 'The subscription has ended',
          text: tenant.name,
        });
      }}
    >
      <Select
        label="When"
        value={when}
        onChange={setWhen}
        options={[
          { value: 'end', label: 'At the end of the period' },
          { value: 'now', label: 'Immediately' },
        ]}
      />
      {preview ? (
        <Preview preview={preview} />
      ) : error ? (
        <ErrorState error={error} onRetry={retry} />
      ) : (
        <Skeleton lines={4} />
      )}
    </FormDialog>
  );
}

function Preview({ preview }: { preview: CancellationPreview }) {
  const { atPeriodEnd, summary, tierAfterwards, endsAt, currency, refundCents, overageCents } = preview;
  return (
    <Callout
      tone={atPeriodEnd ? 'info' : 'warning'}
      title={atPeriodEnd ? 'It ends with its period' : 'It ends at once'}
    >
      <Stack tight>
        <p>{readableInstants(summary)}</p>
        <KeyValue
          items={[
            ['Ends', <Time at={endsAt} />],
            ['Tier afterwards', tierAfterwards],
            ['Refund', formatMoney(refundCents, currency)],
            ['Overage not invoiced yet', formatMoney(overageCents, currency)],
            ['Last invoice', preview.lastInvoiceAt ? <Time at={preview.lastInvoiceAt} /> : 'none'],
            ['Can be undone', atPeriodEnd ? 'until it ends, by resuming' : 'no: the tenant has to buy again'],
          ]}
        />
      </Stack>
    </Callout>
  );
}

export function ResumeDialog({ onClose }: ActionDialogProps) {
  const { tenantId, tenant } = useTenantPage();
  const resume = useChange(RESUME);
  const { scheduledTier, scheduledAt, status, tier, cancelAt, currentPeriodEnd } = tenant.subscription;
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title="Resume the subscription?"
      confirm="Resume subscription"
      onConfirm={async () => {
        await resume({ tenantId });
        toast({ title: 'The subscription goes on', text: `${tenant.name} keeps ${tier.name}.` });
      }}
    >
      <p>
        {status === 'PAUSED' ? (
          <>The subscription is paused. It goes on at once, and Stripe charges for it again.</>
        ) : scheduledTier ? (
          <>
            The change to {scheduledTier} on <Time at={scheduledAt} /> is undone. {tenant.name} keeps{' '}
            {tier.name}.
          </>
        ) : (
          <>
            The cancellation on <Time at={cancelAt ?? currentPeriodEnd} /> is undone. {tenant.name} keeps{' '}
            {tier.name} and goes on paying for it. Nothing is charged now.
          </>
        )}
      </p>
    </ConfirmDialog>
  );
}
