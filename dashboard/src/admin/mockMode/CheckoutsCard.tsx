import { Button, Card, formatMoney, LinkOut, Row, Stack } from '../../design/index.js';
import { RoleGate } from '../session.js';
import { answerCheckout, type MockCheckout } from './api.js';
import type { Actions } from './useActions.js';

/** Checkouts that wait for a person who pays. */
export function CheckoutsCard({
  checkouts,
  actions,
}: {
  checkouts: readonly MockCheckout[];
  actions: Actions;
}) {
  return (
    <Card title="Open checkouts" description="At Stripe a person would enter a card on Stripe’s page.">
      {checkouts.length === 0 ? (
        <p>No checkout is open.</p>
      ) : (
        <Stack>
          {checkouts.map((checkout) => (
            <Checkout key={checkout.id} checkout={checkout} actions={actions} />
          ))}
        </Stack>
      )}
    </Card>
  );
}

function Checkout({ checkout, actions: { pending, run } }: { checkout: MockCheckout; actions: Actions }) {
  const { tenant, title, amount, currency, trialDays, path } = checkout;
  const who = tenant?.name ?? 'Unknown tenant';
  const paying = `Paid ${title} for ${who}`;
  const declining = `Declined the checkout of ${who}`;
  return (
    <Stack tight>
      <div>
        <strong>{who}</strong>
        <div>
          {title}, {formatMoney(amount, currency)} today
          {trialDays ? `, after a trial of ${trialDays} days at full price` : ''}
        </div>
      </div>
      <Row>
        <RoleGate role="OWNER">
          <Button
            variant="primary"
            size="small"
            pending={pending === paying}
            onClick={() => run(paying, () => answerCheckout(path, 'complete'))}
            aria-label={`Pay the checkout of ${who}`}
          >
            Pay
          </Button>
          <Button
            size="small"
            pending={pending === declining}
            onClick={() => run(declining, () => answerCheckout(path, 'decline'))}
            aria-label={`Decline the checkout of ${who}`}
          >
            Decline
          </Button>
        </RoleGate>
        <LinkOut href={`${location.origin}${path}`}>Checkout page</LinkOut>
      </Row>
    </Stack>
  );
}
