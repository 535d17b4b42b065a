import { useEffect, useRef } from 'react';

const POLL_MS = 15_000;

/** Keeps the page up to date while it is open. */
export function useBilling(handlers: {
  tenantId: string;
  onUsage(): unknown;
  onPlan(): unknown;
  onAlert(): unknown;
  onPoll(): unknown;
}): void {
  const latest = useRef(handlers);
  useEffect(() => {
    latest.current = handlers;
  });
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') void latest.current.onPoll();
    }, POLL_MS);
    return () => clearInterval(timer);
  }, []);
}
