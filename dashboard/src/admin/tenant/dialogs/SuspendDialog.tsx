import { useState } from 'react';
import { ConfirmDialog, FormDialog, Textarea, toast } from '../../../design/index.js';
import { graphql } from '../../../generated/index.js';
import { type ActionDialogProps, useChange, useTenantPage } from '../tenantPage.js';

const SUSPEND = graphql(`
  mutation SuspendTenantNow($tenantId: ID!, $reason: String) {
    suspendTenant(tenantId: $tenantId, reason: $reason) {
      id
      suspendedAt
      suspendedReason
    }
  }
`);

const REINSTATE = graphql(`
  mutation ReinstateTenantNow($tenantId: ID!) {
    reinstateTenant(tenantId: $tenantId) {
      id
      suspendedAt
      suspendedReason
    }
  }
`);

export function SuspendDialog({ onClose }: ActionDialogProps) {
  const { tenantId, tenant } = useTenantPage();
  const suspend = useChange(SUSPEND);
  const [reason, setReason] = useState('');
  return (
    <FormDialog
      open
      onClose={onClose}
      title={`Suspend ${tenant.name}`}
      submit="Suspend"
      danger
      onSubmit={async () => {
        await suspend({ tenantId, reason: reason.trim() || null });
        toast({ title: 'The tenant is suspended', text: tenant.name });
      }}
    >
      <p>
        Its metered operations are rejected at once, on every instance. It can still read and pay. Its
        subscription goes on, and Stripe charges for it as before.
      </p>
      <Textarea
        label="Reason"
        hint="For operators: the tenant does not see it"
        value={reason}
        onChange={setReason}
        maxLength={500}
      />
    </FormDialog>
  );
}

export function ReinstateDialog({ onClose }: ActionDialogProps) {
  const { tenantId, tenant } = useTenantPage();
  const reinstate = useChange(REINSTATE);
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={`Reinstate ${tenant.name}?`}
      confirm="Reinstate"
      onConfirm={async () => {
        await reinstate({ tenantId });
        toast({ title: 'The tenant is reinstated', text: tenant.name });
      }}
    >
      <p>Its metered operations are accepted again, on every instance, within the limits of its tier.</p>
      {tenant.suspendedReason && <p>It was suspended because: {tenant.suspendedReason}</p>}
    </ConfirmDialog>
  );
}
