import { useEffect, useState } from 'react';
import { seatsNeeded } from '../api/errors.js';
import { formatNumber, NumberField, parseWhole } from '../design/index.js';
import { maxSeatsAt, type Price } from './prices.js';

/** What a person types as the number of seats. */
export interface SeatsInput {
  text: string;
  setText(text: string): void;
  /** null: nothing was typed, or nothing that is possible. */
  seats: number | null;
  /** The seats once the person has stopped typing, so that not every digit asks Stripe. */
  settled: number | null;
  problem: string | null;
}

const SETTLED_MS = 400;

/** @param price null: there is nothing to choose, because the tier is not sold by the seat */
export function useSeats(price: Price | null, initial: number): SeatsInput {
  const [text, setText] = useState(String(initial));
  const max = price?.perSeat ? maxSeatsAt(price) : 1;
  const seats = price?.perSeat ? (parseWhole(text, { min: 1, max }) ?? null) : null;
  const [settled, setSettled] = useState(seats);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(seats), SETTLED_MS);
    return () => clearTimeout(timer);
  }, [seats]);
  const problem = price?.perSeat && seats === null ? `A whole number from 1 to ${formatNumber(max)}.` : null;
  return { text, setText, seats, settled: seats === settled ? settled : null, problem };
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
