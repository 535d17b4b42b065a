import type { TierPrice } from '@continuum-billing/client';
import { useId, useState } from 'react';
import { useBillingContext } from '../BillingProvider.js';
import { seatsNeeded } from '../explanation.js';
import { maxSeatsAt } from '../prices.js';
import { type SeatsInput, useSettled } from './seatsInput.js';

/** @param price null: there is nothing to choose, because the tier is not sold by the seat */
export function useSeats(price: TierPrice | null, initial: number): SeatsInput {
  const { texts, formats } = useBillingContext();
  const [text, setText] = useState(String(initial));
  const max = price?.perSeat ? maxSeatsAt(price) : 1;
  const typed = /^\s*\d{1,7}\s*$/.test(text) ? Number(text) : 0;
  const seats = price?.perSeat && typed >= 1 && typed <= max ? typed : null;
  const settled = useSettled(seats);
  const problem = price?.perSeat && seats === null ? texts.seatsProblem(formats.number(max)) : null;
  return { text, setText, seats, settled, problem };
}

/** @param props.error what was answered to the number, such as that too much is stored for it */
export function SeatsField({ input, error }: { input: SeatsInput; error?: unknown }) {
  const { texts, formats } = useBillingContext();
  const id = useId();
  const needed = seatsNeeded(error);
  const tooFew =
    needed !== null && input.settled !== null && input.settled < needed
      ? texts.seatsTooFew(needed, formats.number(needed))
      : null;
  const problem = input.problem ?? tooFew;
  return (
    <div className="cb-field">
      <label htmlFor={id}>{texts.seatsField}</label>
      <input
        id={id}
        type="text"
        inputMode="numeric"
        autoComplete="off"
        value={input.text}
        onChange={(event) => input.setText(event.target.value)}
        aria-invalid={problem !== null}
        aria-describedby={`${id}-problem`}
      />
      <p id={`${id}-problem`} className="cb-field-problem" role="alert">
        {problem}
      </p>
    </div>
  );
}
