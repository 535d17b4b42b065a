import { ConfirmDialog, KeyValue, toast } from '../../../design/index.js';
import { graphql } from '../../../generated/index.js';
import { type ActionDialogProps, useChange, useTenantPage } from '../tenantPage.js';

const ERASE = graphql(`
  mutation EraseTenantForGood($tenantId: ID!) {
    eraseTenant(tenantId: $tenantId) {
      tenantId
      status
      startedAt
      completedAt
      error
      nextTryAt
    }
  }
`);

export function EraseDialog({ onClose }: ActionDialogProps) {
  const { tenantId, tenant } = useTenantPage();
  const erase = useChange(ERASE);
  const again = tenant.erasure !== null && tenant.erasure !== undefined;
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={again ? 'Try the erasure again?' : `Erase ${tenant.name}?`}
      confirm={again ? 'Try again' : 'Erase for good'}
      danger
      typed={again ? undefined : tenant.name}
      onConfirm={async () => {
        await erase({ tenantId });
        toast({ title: again ? 'The erasure is tried again' : 'The erasure has begun' });
      }}
    >
      <p>This cannot be undone.</p>
      <KeyValue
        items={[
          ['At once', 'All keys and tokens stop working.'],
          [
            'Within minutes',
            'The subscription is canceled without a refund, and the customer is deleted at Stripe with its payment methods. Everything stored for the tenant is deleted here, twice, about three minutes apart.',
          ],
          [
            'What stays',
            'Invoices at Stripe, usage that was billed, and the audit log with ids, numbers and times, but without personal values. The id is never used again.',
          ],
        ]}
      />
    </ConfirmDialog>
  );
}
