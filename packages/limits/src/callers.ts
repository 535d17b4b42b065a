import type { CallerIdentity } from './limits.js';
import { type AnyHeaders, apiKeyOfHeaders } from './request.js';

/** Exactly one of them; none is a caller that is not known, such as a visitor who has not signed in. */
export interface IdentifiedCaller {
  apiKey?: string | null | undefined;
  tenantId?: string | null | undefined;
  externalId?: string | null | undefined;
}

/** Who sent a request, as a server says. `T` is what it is asked about: a request, or the context of an operation. */
export interface CallerOptions<T> {
  /** Returns the caller's key. */
  apiKey?(source: T): string | null;
  /**
   * Returns the tenant that your server has identified, by its id or by your own id of it, or a key; null: nobody. Then keys
   * in the request count for nothing.
   */
  identify?(source: T): IdentifiedCaller | null | Promise<IdentifiedCaller | null>;
}

const KEY_NEEDED = 'An API key is needed: send it as the header x-api-key, or Authorization: Bearer <key>';
const CALLER_NEEDED = 'This operation is limited by tenant, and the request names none';
const IDENTITIES = ['apiKey', 'tenantId', 'externalId'] as const;

/** @throws an Error for anything else than one identity or none */
function checkedIdentity(returned: IdentifiedCaller | null): CallerIdentity | null {
  const [name, ...others] = IDENTITIES.filter((identity) => returned?.[identity] != null);
  if (name === undefined) return null;
  const value: unknown = returned?.[name];
  if (others.length > 0 || typeof value !== 'string' || value === '')
    throw new Error(`identify must return null or one text of ${IDENTITIES.join(', ')}`);
  return { [name]: value } as CallerIdentity;
}

/**
 * @param usualKeyOf where a key is by default
 * @param taker the function that has the options, for errors
 * @throws an Error for both `apiKey` and `identify`
 */
export function createCallerReader<T>(
  { apiKey, identify }: CallerOptions<T>,
  usualKeyOf: (source: T) => string | null,
  taker: string,
) {
  if (identify && apiKey)
    throw new Error(`${taker} takes apiKey or identify, not both: identify may return { apiKey }`);
  return {
    /** The message for a request that needs a caller and has none. */
    needed: identify ? CALLER_NEEDED : KEY_NEEDED,
    /** @param headers of the request, if the server knows them */
    async callerOf(source: T, headers?: AnyHeaders): Promise<CallerIdentity | null> {
      if (identify) return checkedIdentity(await identify(source));
      const key = (apiKey ?? usualKeyOf)(source) ?? (headers ? apiKeyOfHeaders(headers) : null);
      return key === null ? null : { apiKey: key };
    },
  };
}
