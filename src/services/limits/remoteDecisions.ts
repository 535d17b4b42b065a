import { BillingError, serviceUnavailable } from '../../errors.js';
import type { Admission, Charge } from '../admission/admission.js';
import { isDatabaseAway } from '../databaseErrors.js';
import type { Authenticator } from '../identity/authenticator.js';
import type { Storage } from '../storage/storage.js';
import { tenantOfCaller } from './callerLimits.js';
import type { Caller } from './limits.js';
import { type Demand, isRefusal, type TenantLimits } from './tenantLimits.js';

/** An operation of another service, to be decided here. */
export interface RemoteOperation extends Caller {
  /** Its service counts concurrent requests by itself. */
  demand: Omit<Demand, 'concurrent'>;
}

export type RemoteDecision =
  | {
      allowed: true;
      tenantId: string;
      tier: string;
      concurrentRequests: number;
      chargedAtMs: number | null;
      /** Of the storage that is held, by the name of the root field that stores. */
      holdIds: ReadonlyMap<string, string>;
      headers: ReadonlyMap<string, string>;
    }
  | { allowed: false; error: BillingError; headers: ReadonlyMap<string, string> };

/** What an operation of another service leaves to be settled. */
export interface EndedOperation {
  tenantId: string;
  /** null: its calls stay counted. */
  chargedAtMs: number | null;
  unearned: readonly Charge[];
  /** What was held and is stored now. */
  keptHoldIds: readonly string[];
  releasedHoldIds: readonly string[];
}

/** Decides for services that have no database of ours: what is granted is remembered by them alone. */
export interface RemoteDecisions {
  /** Each on its own; all at once, so that they share a batch. A refusal or a wrong key is no error. */
  decide(operations: readonly RemoteOperation[]): Promise<RemoteDecision[]>;
  end(operations: readonly EndedOperation[]): Promise<void>;
}

export function createRemoteDecisions(deps: {
  authenticator: Authenticator;
  limits: TenantLimits;
  admission: Admission;
  storage: Storage;
}): RemoteDecisions {
  const { authenticator, limits, admission, storage } = deps;

  async function decideOne({ demand, ...caller }: RemoteOperation): Promise<RemoteDecision> {
    try {
      const tenantId = await tenantOfCaller(authenticator, caller);
      const outcome = await limits.take({ ...demand, concurrent: false }, tenantId);
      if (isRefusal(outcome)) return { allowed: false, ...outcome };
      const { tier, concurrentRequests, chargedAtMs, headers, holds } = outcome;
      const holdIds = new Map([...holds].map(([rootField, { id }]) => [rootField, id]));
      return { allowed: true, tenantId, tier, concurrentRequests, chargedAtMs, holdIds, headers };
    } catch (thrown) {
      return { allowed: false, error: expected(thrown), headers: new Map() };
    }
  }

  return {
    decide: (operations) => Promise.all(operations.map(decideOne)),
    async end(operations) {
      await Promise.all(
        operations.flatMap(({ tenantId, chargedAtMs, unearned, keptHoldIds, releasedHoldIds }) => [
          chargedAtMs !== null &&
            unearned.length > 0 &&
            admission.giveBack(tenantId, unearned, { atMs: chargedAtMs }),
          ...keptHoldIds.map((id) => storage.keep(tenantId, id)),
          ...releasedHoldIds.map((id) => storage.release(tenantId, id)),
        ]),
      );
    },
  };
}

function expected(thrown: unknown): BillingError {
  if (thrown instanceof BillingError) return thrown;
  if (isDatabaseAway(thrown)) return serviceUnavailable('The database does not answer; try again shortly');
  throw thrown;
}
