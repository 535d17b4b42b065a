import {
  type CallerIdentity,
  MAX_NAME_LENGTH,
  MAX_OPERATIONS,
  parseWindow,
  type RemoteDecision,
  type RemoteOperation,
} from '@continuum-billing/limits/core';
import { badInput } from '../common/errors.js';
import type {
  EndedOperationInput,
  OperationDecision,
  OperationInput,
  StoredAmountInput,
} from '../schema/decision.js';
import type { ChargeInput } from '../schema/metering.js';
import type { Principal } from '../services/accounts/principal.js';
import type { Services } from '../services/services.js';
import { needOnce, needResources } from './resources.js';

// What the fields decideOperations and endOperations do, and the REST routes that are the same without GraphQL.

/** @throws BAD_USER_INPUT for an unknown resource */
export async function decideOperations(
  services: Pick<Services, 'remoteDecisions' | 'tiers'>,
  operations: readonly OperationInput[],
  principal: Principal | null,
): Promise<OperationDecision[]> {
  const known = resourcesIn(services);
  for (const [i, { stores }] of operations.entries()) {
    for (const [j, { amounts }] of stores.entries())
      needResources(`operations.${i}.stores.${j}.amounts`, amounts, known);
  }
  const decisions = await services.remoteDecisions.decide(operations.map(operationOf), serviceOf(principal));
  return decisions.map((decision) => toDecision(decision, services.tiers));
}

/** @throws BAD_USER_INPUT like `RemoteDecisions.end` */
export async function endOperations(
  services: Pick<Services, 'remoteDecisions'>,
  operations: readonly EndedOperationInput[],
  principal: Principal | null,
): Promise<void> {
  const ended = operations.map(({ receipt, unearned, keptHolds, releasedHolds }) => ({
    receipt,
    returned: chargesOf(unearned),
    committedIds: keptHolds,
    releasedIds: releasedHolds,
  }));
  await services.remoteDecisions.end(ended, serviceOf(principal));
}

/** @throws BAD_USER_INPUT */
function checkLength(argument: string, items: readonly unknown[]): void {
  if (items.length > MAX_OPERATIONS)
    throw badInput(
      argument,
      `has ${items.length} items, at most ${MAX_OPERATIONS} are allowed; split the request`,
    );
}

export const amountsOf = (amounts: readonly StoredAmountInput[]): Record<string, number> =>
  Object.fromEntries(amounts.map(({ resource, amount }) => [resource, amount]));

/** The resources that other services may store. */
export const resourcesIn = ({ tiers }: Pick<Services, 'tiers'>): string[] => [
  'bytes',
  ...tiers.catalogue.resources,
];

/** @throws BAD_USER_INPUT */
export function checkOperations({ operations }: { operations: OperationInput[] }): void {
  checkLength('operations', operations);
  for (const [i, { apiKey, tenantId, externalId, fieldLimits, stores }] of operations.entries()) {
    if ([apiKey, tenantId, externalId].filter((name) => name != null).length !== 1)
      throw badInput(`operations.${i}`, 'name the caller by one of apiKey, tenantId and externalId');
    needOnce(
      `operations.${i}.stores`,
      stores.map(({ rootField }) => rootField),
    );
    const wrong = fieldLimits.find(({ window }) => parseWindow(window) === null);
    if (wrong)
      throw badInput(
        `operations.${i}.fieldLimits`,
        `must have windows from 1ms to 31d, such as 10s; not ${wrong.window}`,
      );
  }
}

/** @throws BAD_USER_INPUT */
export const checkEnded = ({ operations }: { operations: EndedOperationInput[] }): void =>
  checkLength('operations', operations);

/** A receipt is valid only for the key that received it. */
const serviceOf = (principal: Principal | null): string =>
  principal?.kind === 'service' ? principal.keyId : 'operator';

const chargesOf = (charges: readonly ChargeInput[]) =>
  charges.map(({ endpoint, cost }) => ({ endpoint, calls: cost }));

function callerOf({ apiKey, tenantId, externalId }: OperationInput): CallerIdentity {
  if (apiKey != null) return { apiKey };
  return tenantId != null ? { tenantId } : { externalId: externalId as string };
}

function operationOf(input: OperationInput): RemoteOperation {
  const { address, scope, stores, features, fieldLimits, charges } = input;
  return {
    ...callerOf(input),
    address: address?.slice(0, MAX_NAME_LENGTH) ?? null,
    scope,
    cost: {
      charges: chargesOf(charges),
      features,
      fieldLimits,
      stores: new Map(
        stores.map(({ rootField, amounts }) => [rootField, { amounts: amountsOf(amounts), external: true }]),
      ),
    },
  };
}

function toDecision(decision: RemoteDecision, tiers: Services['tiers']): OperationDecision {
  const headers = Object.fromEntries(decision.headers);
  if (!decision.allowed) {
    const { code, message, details, headers: ownHeaders } = decision.error;
    const error = { code, message, details, headers: ownHeaders };
    const nothing = {
      tenantId: null,
      tier: null,
      concurrentRequests: null,
      chargedAt: null,
      holds: [],
      receipt: null,
    };
    return { allowed: false, error, headers, ...nothing };
  }
  const { tenantId, tier, concurrentRequests, chargedAtMs, reservationIds, receipt } = decision;
  return {
    allowed: true,
    error: null,
    tenantId,
    tier: tiers.publicNameOf(tier),
    concurrentRequests,
    chargedAt: chargedAtMs === null ? null : new Date(chargedAtMs),
    holds: [...reservationIds].map(([rootField, id]) => ({ rootField, id })),
    receipt,
    headers,
  };
}
