import { maxSeatsAt, type SeatsInput, useSettled } from '@continuum-billing/react/core';
import { useState } from 'react';
import { seatsNeeded } from '../api/errors.js';
import { formatNumber, NumberField, parseWhole } from '../design/index.js';
import type { Price } from './prices.js';

/** @param price null: there is nothing to choose, because the tier is not sold by the seat */
export function useSeats(price: Price | null, initial: number): SeatsInput {
  const [text, setText] = useState(String(initial));
  const max = price?.perSeat ? maxSeatsAt(price) : 1;
  const seats = price?.perSeat ? (parseWhole(text, { min: 1, max }) ?? null) : null;
  const settled = useSettled(seats);
  const problem = price?.perSeat && seats === null ? `A whole number from 1 to ${formatNumber(max)}.` : null;
  return { text, setText, seats, settled, problem };
}

/** @param error what was answered to the number, such as that too much is stored for it */
export function SeatsField({ input, error }: { input: SeatsInput; error?: unknown }) {
  const needed = seatsNeeded(error);
  const tooFew =
    needed !== null && input.settled !== null && input.settled < needed
      ? `What is stored needs ${formatNumber(needed)} seats. Delete some of it to have fewer.`
      : null;
  return (
    <NumberField
      label="Seats"
      value={input.text}
      onChange={input.setText}
      inputMode="numeric"
      error={input.problem ?? tooFew}
    />
  );
}
