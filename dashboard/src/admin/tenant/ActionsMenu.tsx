import { ChevronDown } from 'lucide-react';
import { Button, Menu, type MenuItem } from '../../design/index.js';
import { RoleGate } from '../session.js';
import { type Action, isContract, isEnding, isOwn, isSubscribed, useTenantPage } from './tenantPage.js';

/** What an OWNER can do with a tenant, as far as its state allows. */
export function ActionsMenu() {
  const { tenant, act } = useTenantPage();
  const { subscription } = tenant;
  const own = isOwn(subscription);
  const ending = isEnding(subscription);
  const item = (action: Action, label: string, danger?: boolean): MenuItem => ({
    label,
    danger,
    onSelect: () => act(action),
  });
  return (
    <RoleGate role="OWNER">
      <Menu
        trigger={
          <Button variant="primary">
            Actions <ChevronDown size={15} aria-hidden="true" />
          </Button>
        }
        items={[
          // What a change costs would not be paid while payments are paused: the server rejects it.
          own && subscription.paymentPause === null && item('changeTier', 'Change tier…'),
          item('checkout', 'Create a checkout link…'),
          !isContract(subscription) && item('contract', 'Begin a contract…'),
          item('customerPage', 'Open the customer’s page…'),
          own &&
            (ending || subscription.scheduledTier !== null || subscription.status === 'PAUSED') &&
            item('resume', 'Resume subscription…'),
          subscription.status === 'TRIALING' && item('extendTrial', 'Extend the trial…'),
          isSubscribed(subscription) &&
            subscription.paymentPause === null &&
            subscription.status === 'ACTIVE' &&
            item('pausePayments', 'Pause payments…'),
          isSubscribed(subscription) &&
            subscription.paymentPause !== null &&
            item('resumePayments', 'Resume payments…'),
          item('overage', 'Set overage cap…'),
          item('limits', 'Override limits…'),
          item('details', 'Edit details…'),
          'separator',
          own && !ending && item('cancel', 'Cancel subscription…', true),
          tenant.suspendedAt ? item('reinstate', 'Reinstate…') : item('suspend', 'Suspend…', true),
        ]}
      />
    </RoleGate>
  );
}
