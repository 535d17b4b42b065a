import { useMutation } from '@apollo/client/react';
import { useState } from 'react';
import { Button, Callout, ConfirmDialog, formatDay, toast } from '../../design/index.js';
import { useBrand } from '../brand.js';
import { type Account, RESUME_PAYMENTS } from './documents.js';
import { isPaid } from './planState.js';

/** Until when nothing is paid, and how to pay again: only then the plan can be changed. */
export function PauseNotice({ account, onChanged }: { account: Account; onChanged(): Promise<unknown> }) {
  const { productName } = useBrand();
  const { subscription: plan, tenant } = account;
  const [isAsking, setAsking] = useState(false);
  const [resume] = useMutation(RESUME_PAYMENTS);
  if (!plan.paymentPause || !isPaid(plan)) return null;
  const { resumesAt } = plan.paymentPause;
  return (
    <>
      <Callout
        title="Your payments are paused"
        actions={
          <Button size="small" onClick={() => setAsking(true)}>
            Pay again now
          </Button>
        }
      >
        {productName} has paused them{resumesAt ? ` until ${formatDay(resumesAt)}` : ''}. You keep your plan,
        and can change it once you pay again.
      </Callout>
      <ConfirmDialog
        open={isAsking}
        onClose={() => setAsking(false)}
        title="Pay again now?"
        confirm="Pay again"
        dismiss="Keep the pause"
        onConfirm={async () => {
          await resume({ variables: { tenantId: tenant.id } });
          await onChanged();
          toast({ title: 'Your payments are no longer paused' });
        }}
      >
        <p>
          Nothing is paid now. The next invoice is on {formatDay(plan.currentPeriodEnd)}. Only {productName}{' '}
          can pause your payments again.
        </p>
      </ConfirmDialog>
    </>
  );
}
