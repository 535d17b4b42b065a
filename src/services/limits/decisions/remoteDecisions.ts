import {
  type Charge,
  type EndedOperation,
  type RemoteDecision,
  type RemoteOperation,
  sumOf,
} from '@continuum-billing/limits/core';
import type { Clock } from '../../../common/clock.js';
import { BillingError, badInput, serviceUnavailable } from '../../../common/errors.js';
import type { Authenticator } from '../../accounts/authenticator.js';
import type { TenantDirectory } from '../../accounts/tenantDirectory.js';
import { isDatabaseUnavailable } from '../../infrastructure/databaseErrors.js';
import { tenantIdOf } from '../callerLimits.js';
import { type Admission } from '../ledger/admission.js';
import type { EndpointNames } from '../ledger/endpointNames.js';
import { dayOf, usageDayId } from '../ledger/windows.js';
import type { Storage } from '../storage/storage.js';
import { isRejection, type TenantLimits } from '../tenantLimits.js';
import type { Receipt, Receipts } from './receipts.js';

/** Decides operations for services without access to the database. They keep what they were granted as signed receipts. */
export interface RemoteDecisions {
  /**
   * Decides each operation on its own, and all at once, so that they share a batch. A rejection or a wrong key is a
   * decision, not an exception.
   * @param service the id of the service's key
   */
  decide(operations: readonly RemoteOperation[], service: string): Promise<RemoteDecision[]>;
  /**
   * Ends operations that `decide` allowed for the same service. Each ends once; ending it again changes nothing.
   * @throws BAD_USER_INPUT for a receipt that is another service's, forged or expired, and for more than it grants. No
   *   operation is ended then
   */
  end(operations: readonly EndedOperation[], service: string): Promise<void>;
}

export function createRemoteDecisions(deps: {
  authenticator: Authenticator;
  tenantDirectory: TenantDirectory;
  limits: TenantLimits;
  admission: Admission;
  storage: Storage;
  receipts: Receipts;
  endpointNames: EndpointNames;
  clock: Clock;
}): RemoteDecisions {
  const { limits, admission, storage, receipts, endpointNames, clock } = deps;

  async function decideOne({ cost, ...caller }: RemoteOperation, service: string): Promise<RemoteDecision> {
    try {
      const tenantId = await tenantIdOf(deps, caller);
      const { charges, countedAs } = await boundNames(tenantId, cost.charges);
      const outcome = await limits.take({ ...cost, charges, concurrent: false }, tenantId);
      if (isRejection(outcome)) return { allowed: false, ...outcome };
      const { tier, concurrentRequests, chargedAtMs, headers, reservations } = outcome;
      const reservationIds = new Map([...reservations].map(([rootField, { id }]) => [rootField, id]));
      const isFree = chargedAtMs === null && reservationIds.size === 0;
      const granted = {
        tenantId,
        service,
        chargedAtMs,
        charges: cost.charges,
        countedAs,
        reservationIds: [...reservationIds.values()],
      };
      const receipt = isFree ? null : receipts.issue(granted);
      return {
        allowed: true,
        tenantId,
        tier,
        concurrentRequests,
        chargedAtMs,
        reservationIds,
        receipt,
        headers,
      };
    } catch (thrown) {
      return { allowed: false, error: expected(thrown), headers: new Map() };
    }
  }

  /** A service's endpoint names are bounded like those of other usage: past a number a day they are counted together. */
  async function boundNames(
    tenantId: string,
    charges: readonly Charge[],
  ): Promise<{ charges: Charge[]; countedAs: Record<string, string> }> {
    if (charges.length === 0) return { charges: [], countedAs: {} };
    const names = new Set(charges.map(({ endpoint }) => endpoint));
    const nameFor = await endpointNames.admit(usageDayId(tenantId, dayOf(clock.now())), names);
    return {
      charges: charges.map(({ endpoint, calls }) => ({ endpoint: nameFor(endpoint), calls })),
      countedAs: Object.fromEntries(
        [...names].flatMap((name) => (nameFor(name) === name ? [] : [[name, nameFor(name)]])),
      ),
    };
  }

  /** @throws BAD_USER_INPUT */
  async function granted(ended: EndedOperation, i: number, service: string): Promise<Receipt> {
    const argument = `operations.${i}`;
    const receipt = await receipts.read(ended.receipt, service);
    if (receipt === 'EXPIRED') throw badInput(`${argument}.receipt`, 'has expired; its calls stay counted');
    if (receipt === 'INVALID')
      throw badInput(
        `${argument}.receipt`,
        'is not an unaltered receipt that decideOperations gave to this key',
      );
    checkEnd(ended, receipt, argument);
    return receipt;
  }

  async function endOne(ended: EndedOperation, receipt: Receipt): Promise<void> {
    const { tenantId, chargedAtMs, countedAs } = receipt;
    const { committedIds, releasedIds } = ended;
    const returned = ended.returned.map(({ endpoint, calls }) => ({
      endpoint: Object.hasOwn(countedAs, endpoint) ? (countedAs[endpoint] as string) : endpoint,
      calls,
    }));
    await Promise.all([
      chargedAtMs !== null &&
        returned.length > 0 &&
        admission.returnCalls(tenantId, returned, { atMs: chargedAtMs }),
      ...committedIds.map((id) => storage.commitExternal(tenantId, id)),
      ...releasedIds.map((id) => storage.release(tenantId, id)),
    ]);
  }

  return {
    decide: (operations, service) =>
      Promise.all(operations.map((operation) => decideOne(operation, service))),
    async end(operations, service) {
      const grants = await Promise.all(operations.map((ended, i) => granted(ended, i, service)));
      const endedBy = new Map(grants.map((receipt, i) => [receipt, operations[i] as EndedOperation]));
      // Receipts are marked as used first: a crash then leaves calls counted, and never returns them twice.
      const fresh = await receipts.redeem(grants);
      await Promise.all(fresh.map((receipt) => endOne(endedBy.get(receipt) as EndedOperation, receipt)));
    },
  };
}

/** @throws BAD_USER_INPUT for more than the receipt grants */
function checkEnd(
  { returned, committedIds, releasedIds }: EndedOperation,
  receipt: Receipt,
  argument: string,
) {
  const callsOf = (charges: readonly Charge[], endpoint: string) =>
    sumOf(charges.filter((charge) => charge.endpoint === endpoint));
  for (const endpoint of new Set(returned.map((charge) => charge.endpoint))) {
    const calls = callsOf(returned, endpoint);
    const charged = callsOf(receipt.charges, endpoint);
    if (calls > charged)
      throw badInput(
        `${argument}.unearned`,
        `has ${calls} calls of ${endpoint}, but ${charged} were charged`,
      );
  }
  const unknown = [...committedIds, ...releasedIds].find((id) => !receipt.reservationIds.includes(id));
  if (unknown !== undefined)
    throw badInput(argument, `names the hold ${unknown}, which is not in the receipt`);
}

function expected(thrown: unknown): BillingError {
  if (thrown instanceof BillingError) return thrown;
  if (isDatabaseUnavailable(thrown))
    return serviceUnavailable('The database does not answer; try again shortly');
  throw thrown;
}
