import { ApiKeyScope } from './apiKeyScope.js';
import { BillingError, unauthenticated } from './errors.js';
import type { CallerIdentity, Limits, OperationCost, Outcome } from './limits.js';

/** A request that was accepted, in GraphQL or without it. */
export interface Admitted {
  /** null if no limit applies to the request and its tenant is not known. */
  tenantId: string | null;
  tier: string | null;
  /** Rate limit headers to send with the response. */
  headers: ReadonlyMap<string, string>;
  /** Must be called once it has ended, whatever happened; only the first call has an effect. */
  end(outcome: Outcome): Promise<void>;
}

interface Asked {
  /** null if it is not known. */
  caller: CallerIdentity | null;
  /** The client's address; null if unknown. */
  address: string | null;
  scope: ApiKeyScope;
  /** null: no limit applies. */
  cost: OperationCost | null;
  /** The message if a limit applies and there is no caller. */
  callerNeeded: string;
}

const NO_COST: OperationCost = {
  charges: [],
  features: [],
  fieldLimits: [],
  stores: new Map(),
  concurrent: false,
};
const NOTHING_RETURNED: Outcome = { failed: false, notStored: new Set(), returned: [] };
const FREE: Admitted = { tenantId: null, tier: null, headers: new Map(), end: async () => {} };

/** @throws a BillingError with a code, a status and headers if the request is rejected */
export async function admit(limits: Limits, asked: Asked): Promise<Admitted> {
  const { caller, address, scope, cost, callerNeeded } = asked;
  if (!cost) return admitFree(limits, caller);
  if (caller === null) throw unauthenticated(callerNeeded);
  const taken = await limits.take({ ...caller, address, scope }, cost);
  if (taken.kind === 'refused') throw withHeaders(taken.error, taken.headers);
  const { tenantId, tier, headers } = taken;
  let ended = false;
  return {
    tenantId,
    tier,
    headers,
    async end(outcome) {
      if (ended) return;
      ended = true;
      // The result is final: calls that cannot be returned stay counted.
      await taken.end(outcome).catch(() => undefined);
    },
  };
}

/** No limit applies to the request, so it runs even if its tenant cannot be found. Limits remember tenants. */
async function admitFree(limits: Limits, caller: CallerIdentity | null): Promise<Admitted> {
  if (caller === null || 'apiKey' in caller) return FREE;
  const asked = { ...caller, address: null, scope: ApiKeyScope.READ };
  const taken = await limits.take(asked, NO_COST).catch(() => null);
  if (taken?.kind !== 'granted') return FREE;
  await taken.end(NOTHING_RETURNED);
  return { ...FREE, tenantId: taken.tenantId, tier: taken.tier };
}

function withHeaders(error: BillingError, headers: ReadonlyMap<string, string>): BillingError {
  const { code, message, details } = error;
  return new BillingError(code, message, details, { ...Object.fromEntries(headers), ...error.headers });
}
