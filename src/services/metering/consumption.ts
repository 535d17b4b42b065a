import type { Clock } from '../../clock.js';
import type { Admission, CallLimits, Decision } from '../admission/admission.js';
import { dayOf, endOfDay, endOfMinute, usageDayId } from '../admission/windows.js';
import type { Entitlements } from '../tiers/entitlements.js';
import type { EndpointNames } from './endpointNames.js';
import { tooLargeExtraction } from './extractions.js';

export interface ConsumeAnswer {
  allowed: boolean;
  /** Calls left now: what is left of the window that has less. */
  remaining: number;
  /** When the window that refused, or that has less left, begins anew. */
  resetsAt: Date;
}

/** Asks and charges in one exact step, for services that are not GraphQL. */
export interface Consumption {
  /**
   * @param cost calls, at least 1
   * @throws SERVICE_UNAVAILABLE when the database is away; BAD_USER_INPUT for a larger extraction than the tier allows; a call limit is no error
   */
  consume(tenantId: string, endpoint: string, cost: number): Promise<ConsumeAnswer>;
}

export function createConsumption(deps: {
  admission: Admission;
  entitlements: Entitlements;
  endpointNames: EndpointNames;
  clock: Clock;
}): Consumption {
  const { admission, entitlements, endpointNames, clock } = deps;
  return {
    async consume(tenantId, endpoint, cost) {
      const entitlement = await entitlements.get(tenantId);
      const { callLimits } = entitlement;
      const tooLarge = tooLargeExtraction([{ endpoint, calls: cost }], entitlement, 'input.cost');
      if (tooLarge) throw tooLarge;
      const countedAs = await endpointNames.admit(usageDayId(tenantId, dayOf(clock.now())), [endpoint]);
      const charge = { endpoint: countedAs(endpoint), calls: cost };
      return answerOf(await admission.admit(tenantId, callLimits, [charge]), callLimits);
    },
  };
}

function answerOf(decision: Decision, limits: CallLimits): ConsumeAnswer {
  const { admitted, used } = decision;
  const day = Math.max(0, limits.apiCallsPerDay - used.day);
  const minute = Math.max(0, limits.apiCallsPerMinute - used.minute);
  const tighter = day === 0 || day < minute ? 'day' : 'minute';
  const window = admitted ? tighter : decision.window;
  return {
    allowed: admitted,
    remaining: Math.min(day, minute),
    resetsAt: window === 'day' ? endOfDay(used.atMs) : endOfMinute(used.atMs),
  };
}
