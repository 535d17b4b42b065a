import { useState } from 'react';
import { FormDialog, InstantField, instantText, parseInstant, Time, toast } from '../../../design/index.js';
import { graphql } from '../../../generated/index.js';
import { type ActionDialogProps, useChange, useTenantPage } from '../tenantPage.js';

const EXTEND = graphql(`
  mutation ExtendTrialOfTenant($input: ExtendTrialInput!) {
    extendTrial(input: $input) {
      ...SubscriptionFacts
    }
  }
`);

export function ExtendTrialDialog({ onClose }: ActionDialogProps) {
  const { tenantId, tenant } = useTenantPage();
  const extend = useChange(EXTEND);
  const { trialEnd, tier } = tenant.subscription;
  const [text, setText] = useState(instantText(trialEnd));
  const until = parseInstant(text);
  const isLater = typeof until === 'string' && trialEnd !== null && Date.parse(until) > Date.parse(trialEnd);
  return (
    <FormDialog
      open
      onClose={onClose}
      title={`Extend the trial of ${tenant.name}`}
      submit="Extend trial"
      ready={isLater}
      onSubmit={async () => {
        if (until) await extend({ input: { tenantId, until } });
        toast({ title: 'The trial is longer', text: tenant.name });
      }}
    >
      <p>
        The trial of {tier.name} ends on <Time at={trialEnd} />. It may last 730 days in all. The first
        payment is due when it ends.
      </p>
      <InstantField
        label="New end"
        value={text}
        onChange={setText}
        error={!isLater && text !== instantText(trialEnd) && 'It must be later than the present end'}
      />
    </FormDialog>
  );
}
