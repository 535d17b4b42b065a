import { useCallback, useEffect, useRef, useState } from 'react';
import { codeOf } from '../../api/errors.js';
import { useSession } from '../session.js';
import { type MockState, readMockState } from './api.js';

export const POLL_MS = 2_000;
/** Below this, the clocks of browser and server count as the same. */
const MIN_SKEW_MS = 2_000;

/** Reads the state again every two seconds while the page is seen. */
export function useMockState(tenantId: string) {
  const { expired } = useSession();
  const [state, setState] = useState<MockState | null>(null);
  const [error, setError] = useState<unknown>(null);
  const skewMs = useRef(0);
  const wanted = useRef(tenantId);

  const refresh = useCallback(async () => {
    try {
      const read = await readMockState(tenantId);
      // Another tenant was chosen meanwhile.
      if (wanted.current !== tenantId) return;
      const skew = Date.parse(read.now) - read.aheadSeconds * 1_000 - Date.now();
      skewMs.current = Math.abs(skew) < MIN_SKEW_MS ? 0 : skew;
      setState(read);
      setError(null);
    } catch (cause) {
      if (codeOf(cause) === 'UNAUTHENTICATED') expired();
      else if (wanted.current === tenantId) setError(cause);
    }
  }, [tenantId, expired]);

  useEffect(() => {
    wanted.current = tenantId;
    void refresh();
    const timer = setInterval(() => document.visibilityState === 'visible' && void refresh(), POLL_MS);
    return () => clearInterval(timer);
  }, [tenantId, refresh]);

  /** What time it is for the server, which dates all that happens. */
  const serverNow = useCallback(() => Date.now() + skewMs.current, []);
  return { state, error, refresh, serverNow };
}
