import { Card, Select, Stack } from '../../design/index.js';
import { type Conditions, setConditions } from './api.js';
import type { Actions } from './useActions.js';

const WEBHOOKS = [
  { value: 'NORMAL', label: 'Arrive at once' },
  { value: 'DISORDERLY', label: 'Late, twice, out of order' },
  { value: 'LOST', label: 'Get lost' },
] as const;
const STRIPE = [
  { value: 'NORMAL', label: 'Answers' },
  { value: 'SLOW', label: 'Answers after 3 seconds' },
  { value: 'FAILING', label: 'Fails with status 500' },
  { value: 'UNREACHABLE', label: 'Cannot be reached' },
] as const;

/** What goes wrong, until it is set back. */
export function ConditionsCard({ conditions, actions }: { conditions: Conditions; actions: Actions }) {
  const set = (changes: Partial<Conditions>, title: string) =>
    void actions.run(title, () => setConditions(changes));
  return (
    <Card title="What goes wrong" description="Until it is set back, or the server restarts.">
      <Stack tight>
        <Select
          label="Webhooks"
          value={conditions.webhooks}
          options={WEBHOOKS}
          onChange={(webhooks) =>
            set({ webhooks: webhooks as Conditions['webhooks'] }, `Webhooks: ${wordsOf(WEBHOOKS, webhooks)}`)
          }
        />
        <Select
          label="Stripe"
          value={conditions.stripe}
          options={STRIPE}
          onChange={(stripe) =>
            set({ stripe: stripe as Conditions['stripe'] }, `Stripe: ${wordsOf(STRIPE, stripe)}`)
          }
        />
      </Stack>
    </Card>
  );
}

const wordsOf = (options: readonly { value: string; label: string }[], value: string): string =>
  options.find((option) => option.value === value)?.label.toLowerCase() ?? value;
