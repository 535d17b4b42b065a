import { errorList } from '../errors.js';
import { parseKey } from '../keyFormat.js';

export interface RemoteLimitsOptions {
  /** The address of the billing server, e.g. `http://127.0.0.1:4000`. */
  url: string;
  /** A key with the scope ENFORCE, which an operator creates. */
  serviceKey: string;
  /**
   * What happens while the billing server is away: `refuse` rejects operations with SERVICE_UNAVAILABLE; `allow` runs them
   * without counting.
   */
  whenAway: 'refuse' | 'allow';
  /** How long a decision may take before the server counts as away. Default: 2000. */
  timeoutMs?: number;
  /** Called while the server is away, at most once a second. Default: a process warning. */
  onAway?: (error: Error) => void;
}

export const DEFAULT_TIMEOUT_MS = 2_000;
const MAX_TIMEOUT_MS = 600_000;

/** @throws an Error that lists every invalid option */
export function checkOptions({
  url,
  serviceKey,
  whenAway,
  timeoutMs = DEFAULT_TIMEOUT_MS,
}: RemoteLimitsOptions): void {
  const errors: string[] = [];
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    errors.push('url must be that of a billing server, such as http://127.0.0.1:4000');
  if (typeof serviceKey !== 'string' || !parseKey(serviceKey))
    errors.push('serviceKey must be a key that createApiKey made: check that it was copied whole');
  if (whenAway !== 'refuse' && whenAway !== 'allow') errors.push("whenAway must be 'refuse' or 'allow'");
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_TIMEOUT_MS)
    errors.push(`timeoutMs must be a whole number from 1 to ${MAX_TIMEOUT_MS}`);
  if (errors.length > 0) throw new Error(errorList('remoteLimits has', errors));
}
