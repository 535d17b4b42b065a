import { errorList } from '../errorList.js';
import { parseKey } from '../keyFormat.js';

export interface RemoteLimitsOptions {
  /** Of the billing server, e.g. `http://127.0.0.1:4000`. */
  url: string;
  /** A key with the scope ENFORCE, which the operator makes. */
  serviceKey: string;
  /**
   * What is answered while the billing server is away: `refuse` (SERVICE_UNAVAILABLE), or `allow`, in which case the
   * calls are counted nowhere.
   */
  whenAway: 'refuse' | 'allow';
  /** How long a decision may take before the server counts as away. Default: 2000. */
  timeoutMs?: number;
  /** Told when the server is away, at most once a second. Default: a line on the standard error. */
  onAway?: (error: Error) => void;
}

export const DEFAULT_TIMEOUT_MS = 2_000;
const MAX_TIMEOUT_MS = 600_000;

/** @throws an Error that lists every fault */
export function checkOptions({
  url,
  serviceKey,
  whenAway,
  timeoutMs = DEFAULT_TIMEOUT_MS,
}: RemoteLimitsOptions): void {
  const faults: string[] = [];
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    faults.push('url must be that of a billing server, such as http://127.0.0.1:4000');
  if (typeof serviceKey !== 'string' || !parseKey(serviceKey))
    faults.push('serviceKey must be a key that createApiKey made: check that it was copied whole');
  if (whenAway !== 'refuse' && whenAway !== 'allow') faults.push("whenAway must be 'refuse' or 'allow'");
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_TIMEOUT_MS)
    faults.push(`timeoutMs must be a whole number from 1 to ${MAX_TIMEOUT_MS}`);
  if (faults.length > 0) throw new Error(errorList('remoteLimits has', faults));
}
