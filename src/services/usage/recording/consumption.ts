import { callsLeft } from '../../../catalogue/unlimited.js';
import type { Clock } from '../../../common/clock.js';
import { BillingError, ErrorCode, tenantSuspended } from '../../../common/errors.js';
import type { IdempotencyKeys, RequestLease } from '../../idempotency/idempotencyKeys.js';
import type { DecisionMeter } from '../../limits/decisionMeter.js';
import type { Admission, Decision } from '../../limits/ledger/admission.js';
import type { EndpointNames } from '../../limits/ledger/endpointNames.js';
import { tooLargeExtraction } from '../../limits/ledger/extractions.js';
import { dayOf, endOfDay, endOfMinute, usageDayId } from '../../limits/ledger/windows.js';
import type { CallLimits, Entitlement, Entitlements } from '../../tiers/entitlements.js';

export interface ConsumeAnswer {
  allowed: boolean;
  /** Calls left in the tighter of the two windows. */
  remaining: number;
  /** When the window that rejected, or the tighter one, resets. */
  resetsAt: Date;
}

export interface Consumed {
  endpoint: string;
  /** Calls, at least 1. */
  cost: number;
  idempotencyKey?: string | null;
}

/** Checks the limits and charges in one exact step, for services that are not GraphQL. */
export interface Consumption {
  /**
   * A call limit is an answer, not an error.
   * @throws TENANT_SUSPENDED; SERVICE_UNAVAILABLE when the database is down; BAD_USER_INPUT for a larger extraction than the tier allows
   */
  consume(tenantId: string, consumed: Consumed): Promise<ConsumeAnswer>;
}

export function createConsumption(deps: {
  admission: Admission;
  entitlements: Entitlements;
  endpointNames: EndpointNames;
  idempotencyKeys: IdempotencyKeys;
  clock: Clock;
  decisionMeter: DecisionMeter;
}): Consumption {
  const { admission, entitlements, endpointNames, idempotencyKeys, clock, decisionMeter } = deps;

  async function charge(
    { tenantId, callLimits, limits, tier }: Entitlement,
    { endpoint, cost }: Consumed,
    mark?: string,
  ) {
    const startedAtMs = performance.now();
    const countedAs = await endpointNames.admit(usageDayId(tenantId, dayOf(clock.now())), [endpoint]);
    const charges = [{ endpoint: countedAs(endpoint), calls: cost, ...(mark !== undefined && { mark }) }];
    const decision = await admission
      .admit(tenantId, { calls: callLimits, storage: limits }, { charges })
      .catch((error: unknown) => {
        decisionMeter.failed(startedAtMs, tier);
        throw error;
      });
    if (decision.admitted) decisionMeter.accepted(startedAtMs, tier);
    else {
      const window = windowOf(decision);
      decisionMeter.rejected(
        startedAtMs,
        tenantId,
        { code: ErrorCode.RATE_LIMITED, details: { window } },
        tier,
      );
    }
    return { charges, used: decision.used, answer: answerOf(decision, callLimits) };
  }

  /** Charges and records the answer. If another attempt has taken over meanwhile, only its charge counts. */
  async function chargeOnce(
    entitlement: Entitlement,
    consumed: Consumed,
    lease: RequestLease,
  ): Promise<ConsumeAnswer> {
    const { charges, used, answer } = await charge(entitlement, consumed, lease.attempt);
    if (!answer.allowed) {
      await idempotencyKeys.release(lease);
      return answer;
    }
    try {
      await idempotencyKeys.complete(lease, { ...answer });
    } catch (error) {
      const isOvertaken = error instanceof BillingError;
      if (isOvertaken && (await idempotencyKeys.mayReturnCalls(lease)))
        await admission.returnCalls(entitlement.tenantId, charges, used);
      throw error;
    }
    idempotencyKeys.completed(lease);
    return answer;
  }

  /** A crash came between the charge and the recording of its answer. */
  async function answerCharged(
    { tenantId, callLimits }: Entitlement,
    lease: RequestLease,
  ): Promise<ConsumeAnswer> {
    const answer = answerOf({ admitted: true, used: await admission.look(tenantId) }, callLimits);
    await idempotencyKeys.complete(lease, { ...answer });
    idempotencyKeys.completed(lease);
    return answer;
  }

  return {
    async consume(tenantId, consumed) {
      const { endpoint, cost, idempotencyKey: key } = consumed;
      const charges = [{ endpoint, calls: cost }];
      const startedAtMs = performance.now();
      const entitlement = await entitlements.get(tenantId);
      const rejection = entitlement.suspendedAt
        ? tenantSuspended(entitlement.suspendedAt)
        : tooLargeExtraction(charges, entitlement, 'input.cost');
      if (rejection) {
        decisionMeter.rejected(startedAtMs, tenantId, rejection, entitlement.tier);
        throw rejection;
      }
      if (key == null) return (await charge(entitlement, consumed)).answer;
      const argument = 'input.idempotencyKey';
      const request = { tenantId, field: 'consume', key, argument, content: [endpoint, cost] };
      const acquired = await idempotencyKeys.acquire(request);
      if (acquired.kind === 'ANSWERED') return acquired.answer as unknown as ConsumeAnswer;
      if (acquired.isCharged) return answerCharged(entitlement, acquired);
      return chargeOnce(entitlement, consumed, acquired);
    },
  };
}

function answerOf(decision: Decision, limits: CallLimits): ConsumeAnswer {
  const { admitted, used } = decision;
  const { day, minute } = callsLeft(limits, used);
  const tighter = day === 0 || day < minute ? 'day' : 'minute';
  const window = admitted ? tighter : windowOf(decision);
  return {
    allowed: admitted,
    remaining: Math.min(day, minute),
    resetsAt: window === 'day' ? endOfDay(used.atMs) : endOfMinute(used.atMs),
  };
}

/** What rejected calls alone, which take no storage. */
const windowOf = (decision: Decision & { admitted: false }): 'minute' | 'day' =>
  'window' in decision ? decision.window : 'day';
