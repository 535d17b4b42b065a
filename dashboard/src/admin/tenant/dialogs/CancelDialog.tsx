import { useState } from 'react';
import { Callout, ConfirmDialog, FormDialog, Select, Time, toast } from '../../../design/index.js';
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
  const { tier, currentPeriodEnd } = tenant.subscription;
  return (
    <FormDialog
      open
      onClose={onClose}
      title={`Cancel the subscription of ${tenant.name}`}
      submit="Cancel subscription"
      dismiss="Keep it"
      danger
      onSubmit={async () => {
        await cancel({ tenantId, atPeriodEnd: when === 'end' });
        toast({
          title: when === 'end' ? 'The subscription ends with its period' : 'The subscription has ended',
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
      <Callout tone={when === 'now' ? 'warning' : 'info'}>
        {when === 'end' ? (
          <>
            {tenant.name} keeps {tier.name} until <Time at={currentPeriodEnd} />, and then has the default
            tier, or that of an override. Until then it can be resumed.
          </>
        ) : (
          <>
            {tenant.name} loses {tier.name} now. The rest of the period is neither refunded nor credited, and
            it cannot be resumed: the tenant has to buy again.
          </>
        )}
      </Callout>
    </FormDialog>
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
