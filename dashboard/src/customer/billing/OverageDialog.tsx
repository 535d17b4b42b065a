import type { Overage } from '@continuum-billing/client';
import { useBilling } from '@continuum-billing/react';
import { useState } from 'react';
import {
  amountText,
  Button,
  FormDialog,
  formatCount,
  formatMoney,
  NumberField,
  parseMoney,
  toast,
} from '../../design/index.js';
import { overageText } from './overageText.js';

/** The API's. */
const MAX_CAP_CENTS = 100_000_000;

const exampleOf = (currency: string): string => amountText(2_500, currency);

export function OverageDialog({
  overage,
  onClose,
  onChanged,
}: {
  overage: Overage;
  onClose(): void;
  onChanged(): Promise<unknown>;
}) {
  const { monthlyCapCents, priceCents, perCalls, currency } = overage;
  const [text, setText] = useState(amountText(monthlyCapCents, currency));
  const { client, tenant } = useBilling();
  const [isSaving, setSaving] = useState(false);
  const { cents, problem } = parseMoney(text, currency, { min: 1, max: MAX_CAP_CENTS });
  const isSold = priceCents !== null && perCalls !== null;

  async function save(cap: number | null): Promise<void> {
    await client.setOverage({ ...tenant, monthlyCapCents: cap });
    await onChanged();
    toast({
      title:
        cap === null
          ? 'Calls beyond the daily limit are rejected now'
          : `Calls beyond the daily limit are allowed, for at most ${formatMoney(cap, currency)} a month`,
    });
  }

  return (
    <FormDialog
      open
      onClose={onClose}
      title="Calls beyond the daily limit"
      submit={monthlyCapCents === null ? 'Allow' : 'Change'}
      ready={cents !== null}
      onSubmit={() => save(cents)}
    >
      <p>
        {isSold && `They cost ${overageText({ priceCents, perCalls }, currency)}. `}
        They go on until they have cost what you allow here. Then calls are rejected until the next day, or
        the next month.
      </p>
      <NumberField
        label="At most in a month"
        unit={currency.toUpperCase()}
        value={text}
        onChange={setText}
        hint={
          cents === null
            ? problem === null && `The most that these calls may cost, such as ${exampleOf(currency)}.`
            : isSold &&
              `Enough for ${formatCount(Math.floor((cents * perCalls) / priceCents), 'call')} a month.`
        }
        error={problem}
      />
      {monthlyCapCents !== null && (
        <div>
          <Button
            variant="ghost"
            pending={isSaving}
            onClick={async () => {
              setSaving(true);
              try {
                await save(null);
                onClose();
              } finally {
                setSaving(false);
              }
            }}
          >
            Allow none any more
          </Button>
        </div>
      )}
    </FormDialog>
  );
}
