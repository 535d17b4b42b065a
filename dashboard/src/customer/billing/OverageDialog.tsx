import { useMutation } from '@apollo/client/react';
import { useState } from 'react';
import {
  Button,
  FormDialog,
  formatCount,
  formatMoney,
  fractionDigits,
  NumberField,
  toast,
} from '../../design/index.js';
import { overageText } from '../plans/tierTerms.js';
import { SET_OVERAGE, type Usage } from './documents.js';

const MAX_CAP_CENTS = 100_000_000;

export function OverageDialog({
  tenantId,
  overage,
  onClose,
  onChanged,
}: {
  tenantId: string;
  overage: Usage['overage'];
  onClose(): void;
  onChanged(): Promise<unknown>;
}) {
  const { monthlyCapCents, priceCents, perCalls, currency } = overage;
  const [text, setText] = useState(monthlyCapCents === null ? '' : amountText(monthlyCapCents, currency));
  const [tried, setTried] = useState(false);
  const [setOverage, { loading }] = useMutation(SET_OVERAGE);
  const cents = parseAmount(text, currency);
  const isGood = cents !== null && cents > 0 && cents <= MAX_CAP_CENTS;
  const isSold = priceCents !== null && perCalls !== null;

  async function save(cap: number | null): Promise<void> {
    await setOverage({ variables: { tenantId, monthlyCapCents: cap } });
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
      onSubmit={async () => {
        setTried(true);
        if (!isGood) throw new InvalidAmount(`Enter an amount up to ${formatMoney(MAX_CAP_CENTS, currency)}`);
        await save(cents);
      }}
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
          isGood &&
          isSold &&
          `Enough for ${formatCount(Math.floor((cents * perCalls) / priceCents), 'call')} a month.`
        }
        error={tried && !isGood && 'Enter an amount such as 25 or 25.50.'}
      />
      {monthlyCapCents !== null && (
        <div>
          <Button
            variant="ghost"
            pending={loading}
            onClick={async () => {
              await save(null);
              onClose();
            }}
          >
            Allow none any more
          </Button>
        </div>
      )}
    </FormDialog>
  );
}

class InvalidAmount extends Error {}

const amountText = (cents: number, currency: string): string => {
  const digits = fractionDigits(currency);
  const amount = cents / 10 ** digits;
  return Number.isInteger(amount) ? String(amount) : amount.toFixed(digits);
};

/** @returns the amount in the currency's smallest unit; null for anything that is not one */
export function parseAmount(text: string, currency: string): number | null {
  const digits = fractionDigits(currency);
  const match = /^\s*(\d{1,9})(?:[.,](\d+))?\s*$/.exec(text);
  if (!match) return null;
  const [, whole = '', fraction = ''] = match;
  if (fraction.length > digits) return null;
  return Number(whole) * 10 ** digits + Number(fraction.padEnd(digits, '0') || '0');
}
