import { useEffect, useState } from 'react';

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

/** @returns the value once it has not changed for a moment; null until then */
export function useSettled<T>(value: T): T | null {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), SETTLED_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return value === settled ? settled : null;
}
