import type { OperationPlan } from '@continuum-billing/limits/core';
import { operationTooExpensive } from '../common/errors.js';
import { createGate } from '../services/infrastructure/gate.js';
import type { RequestSender } from '../services/limits/callerSlots.js';

/** Bounds the work of operations, one by one and of all that run at the same time. All endpoints of a process share it. */
export interface WorkBounds {
  /**
   * @param options.isMessage whether it is the work of each message of a subscription
   * @throws OPERATION_TOO_EXPENSIVE
   */
  check(work: NonNullable<OperationPlan['work']>, options: { isMessage: boolean }): void;
  /**
   * @param cost units of work
   * @returns waits for the turn of a large operation, and returns a function that ends it; null for one that need not wait
   */
  gateOf(cost: number, caller: RequestSender): (() => Promise<() => void>) | null;
}

/** Units of work. A larger operation waits until other large ones leave room for it. */
const LARGE_COST = 5_000;
/** The maximum of a subscription, whose messages each cost as much, perhaps every second. */
const MAX_SUBSCRIPTION_COST = 10_000;
/** Large operations of one caller that may wait. */
const MAX_WAITING = 500;
const MAX_WAIT_MS = 10_000;
/** The longest pause after an operation that kept the event loop busy. */
const MAX_PAUSE_MS = 200;

/** @param maxOperationCost the maximum cost of one operation, and of the large ones that run at the same time */
export function createWorkBounds(maxOperationCost: number): WorkBounds {
  const gate = createGate({
    maxUnits: maxOperationCost,
    maxWaiting: MAX_WAITING,
    maxWaitMs: MAX_WAIT_MS,
    maxPauseMs: MAX_PAUSE_MS,
    busyMessage: 'Too many large operations are under way; try again shortly, or ask for less at once',
  });
  return {
    check({ cost, heaviestField: field }, { isMessage }) {
      const limit = isMessage ? Math.min(MAX_SUBSCRIPTION_COST, maxOperationCost) : maxOperationCost;
      if (cost <= limit) return;
      const what = isMessage ? 'Each message costs' : 'It costs';
      const way = isMessage ? 'query it when a message says that it changed' : 'split the operation';
      const problem = `${what} ${cost} units of work, at most ${limit} are allowed: select less of ${field}, or ${way}`;
      throw operationTooExpensive(problem, { cost, limit, field });
    },
    gateOf: (cost, caller) => (cost <= LARGE_COST ? null : () => gate.enter(nameOf(caller), cost)),
  };
}

function nameOf({ principal, address }: RequestSender): string {
  if (!principal) return `address ${address}`;
  return principal.kind === 'tenant' ? `tenant ${principal.tenantId}` : principal.kind;
}
