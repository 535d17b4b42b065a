import { useCallback, useEffect, useRef, useState } from 'react';
import { useBillingContext } from './BillingProvider.js';

/** What was read for one question. Money that was computed a while ago is not what would be charged now, so nothing is kept. */
export interface Loaded<T> {
  data: T | undefined;
  error: unknown;
  retry(): void;
}

/** @param question what is asked, as text; null: nothing yet */
export function useLoaded<T>(question: string | null, load: () => Promise<T>): Loaded<T> {
  const [answer, setAnswer] = useState<{ question: string; data?: T; error: unknown } | null>(null);
  const [attempt, setAttempt] = useState(0);
  const { onError } = useBillingContext();
  const latest = useRef(load);
  useEffect(() => {
    latest.current = load;
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: each attempt asks again
  useEffect(() => {
    if (question === null) return;
    let isWanted = true;
    const answered = (result: { data?: T; error: unknown }) => {
      if (isWanted) setAnswer({ question, ...result });
    };
    latest.current().then(
      (data) => answered({ data, error: null }),
      (error) => {
        answered({ error });
        onError(error);
      },
    );
    return () => {
      isWanted = false;
    };
  }, [question, attempt, onError]);
  const own = answer !== null && answer.question === question ? answer : null;
  const retry = useCallback(() => {
    setAnswer(null);
    setAttempt((count) => count + 1);
  }, []);
  return { data: own?.data, error: own?.error ?? null, retry };
}
