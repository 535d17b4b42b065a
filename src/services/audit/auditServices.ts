import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import type { Models } from '../../models/models.js';
import { createLease } from '../infrastructure/lease.js';
import { type AuditLog, createAuditLog } from './auditLog.js';
import { type AuditReader, createAuditReader } from './auditReader.js';
import { type AuditRetention, createAuditRetention } from './auditRetention.js';

/** Who changed what. */
export interface AuditServices {
  auditLog: AuditLog;
  auditReader: AuditReader;
  auditRetention: AuditRetention;
}

/** Longer than one page of chains takes. */
const RETENTION_LEASE_MS = 600_000;

export function createAuditServices(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  /** null: entries are kept forever. */
  auditRetentionDays: number | null;
}): AuditServices {
  const { models, auditRetentionDays: retentionDays } = deps;
  const lease = createLease({ models, name: 'audit retention', ttlMs: RETENTION_LEASE_MS, isPeriodic: true });
  return {
    auditLog: createAuditLog(deps),
    auditReader: createAuditReader(deps),
    auditRetention: createAuditRetention({ ...deps, lease, retentionDays }),
  };
}
