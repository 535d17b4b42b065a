import { MAX_RECEIPT_LENGTH } from '@continuum-billing/limits/core';
import type { Logger } from 'pino';
import type { Clock } from '../../../common/clock.js';
import type { Models } from '../../../models/models.js';
import type { Authenticator } from '../../accounts/authenticator.js';
import type { TenantDirectory } from '../../accounts/tenantDirectory.js';
import { createSigner } from '../../infrastructure/signer.js';
import type { LimitServices } from '../limitServices.js';
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
  tenantDirectory: TenantDirectory;
  limitServices: LimitServices;
}): DecisionServices {
  const { models, clock, log, authenticator, tenantDirectory, limitServices } = deps;
  const signer = createSigner({
    connection: models.connection,
    clock,
    log,
    purpose: 'receiptKeys',
    maxLength: MAX_RECEIPT_LENGTH,
  });
  const receipts = createReceipts({ models, clock, signer });
  return {
    remoteDecisions: createRemoteDecisions({
      ...limitServices,
      authenticator,
      tenantDirectory,
      receipts,
      clock,
    }),
    start: signer.start,
    stop: signer.stop,
  };
}
