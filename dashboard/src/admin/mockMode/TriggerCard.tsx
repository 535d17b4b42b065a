import { useState } from 'react';
import { Button, Card, Combobox, type ComboboxOption, Row, Stack } from '../../design/index.js';
import { type MockState, triggerEvent } from './api.js';
import type { Actions } from './useActions.js';

/** What people want to see first. */
const QUICK = [
  ['invoice.payment_failed', 'Payment fails'],
  ['invoice.payment_succeeded', 'Payment succeeds'],
  ['customer.subscription.deleted', 'Subscription ends'],
] as const;

/** Makes something happen to the tenant at Stripe. */
export function TriggerCard({
  triggers,
  tenant,
  actions: { pending, run },
}: {
  triggers: MockState['triggers'];
  /** null: none is chosen. */
  tenant: { id: string; name: string } | null;
  actions: Actions;
}) {
  const [chosen, setChosen] = useState<ComboboxOption | null>(null);
  const options = triggers.map(({ event, summary }) => ({ value: event, label: event, note: summary }));
  const titleOf = (event: string) => `Triggered ${event}${tenant ? ` for ${tenant.name}` : ''}`;
  const trigger = (event: string) => tenant && run(titleOf(event), () => triggerEvent(event, tenant.id));
  return (
    <Card
      title="Make an event happen"
      description="What leads to it is done at Stripe, so that other events come with it."
    >
      {tenant === null ? (
        <p>Choose a tenant first.</p>
      ) : (
        <Stack tight>
          <Row>
            {QUICK.map(([event, label]) => (
              <Button
                key={event}
                size="small"
                pending={pending === titleOf(event) && chosen?.value !== event}
                onClick={() => trigger(event)}
              >
                {label}
              </Button>
            ))}
          </Row>
          <Combobox
            label="Event"
            placeholder="Any of Stripe’s events"
            value={chosen}
            onChange={setChosen}
            options={options}
            hint={chosen?.note}
          />
          <Row>
            <Button
              size="small"
              aria-disabled={chosen === null}
              pending={chosen !== null && pending === titleOf(chosen.value)}
              onClick={() => chosen && trigger(chosen.value)}
            >
              Trigger
            </Button>
          </Row>
        </Stack>
      )}
    </Card>
  );
}
