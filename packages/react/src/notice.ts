import { useCallback, useState } from 'react';
import { useBillingContext } from './BillingProvider.js';

/** Says what was done: to the provider's `onNotice`, or in the part itself. */
export function useNotice(): { notice: string | null; say(text: string): void } {
  const { onNotice } = useBillingContext();
  const [notice, setNotice] = useState<string | null>(null);
  const say = useCallback((text: string) => (onNotice ? onNotice(text) : setNotice(text)), [onNotice]);
  return { notice, say };
}
