import type { Logger } from 'pino';
import type { Clock } from '../../../common/clock.js';
import type { Models } from '../../../models/models.js';
import type { Authenticator } from '../../accounts/authenticator.js';
import type { LimitServices } from '../limitServices.js';
import { createReceiptKeys } from './receiptKeys.js';
import { createReceipts } from './receipts.js';
import { createRemoteDecisions, type RemoteDecisions } from './remoteDecisions.js';

/** Decides for services that have no database of ours. */
export interface DecisionServices {
  remoteDecisions: RemoteDecisions;
  start(): Promise<void>;
  stop(): void;
}

export function createDecisionServices(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  authenticator: Authenticator;
  limitServices: LimitServices;
}): DecisionServices {
  const { models, clock, log, authenticator, limitServices } = deps;
  const keys = createReceiptKeys({ connection: models.connection, clock, log });
  const receipts = createReceipts({ models, clock, keys });
  return {
    remoteDecisions: createRemoteDecisions({ ...limitServices, authenticator, receipts, clock }),
    start: keys.start,
    stop: keys.stop,
  };
}
