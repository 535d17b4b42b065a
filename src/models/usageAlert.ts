import { Schema } from 'mongoose';
import type { OutboxSource } from './outbox.js';

export enum AlertKind {
  API_CALLS_PER_DAY = 'API_CALLS_PER_DAY',
  OVERAGE_PER_MONTH = 'OVERAGE_PER_MONTH',
  MEMORIES = 'MEMORIES',
  EMBEDDINGS = 'EMBEDDINGS',
  STORAGE_BYTES = 'STORAGE_BYTES',
}

/** Usage reached a level of a limit. Stored once for each window and level. */
export interface UsageAlertDoc extends OutboxSource {
  /** `<tenantId>:<window>:<kind>:<level>`, so that a tenant's newest alerts are at the end of its range. */
  _id: string;
  kind: AlertKind;
  /** Percentage of the limit. */
  level: number;
  /** The UTC day `YYYY-MM-DD`, or the month `YYYY-MM`. */
  window: string;
  /** When the alert was stored. */
  used: number;
  limit: number;
  at: Date;
  expiresAt: Date;
}

export const usageAlertSchema = new Schema<UsageAlertDoc>(
  {
    _id: String,
    kind: String,
    level: Number,
    window: String,
    used: Number,
    limit: Number,
    at: Date,
    expiresAt: Date,
    unannounced: Boolean,
    announceRetry: Schema.Types.Mixed,
  },
  { collection: 'usage_alerts', versionKey: false },
);
usageAlertSchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });
usageAlertSchema.index({ unannounced: 1 }, { sparse: true });
// Lists the tenants that have reached a level in a window.
usageAlertSchema.index({ level: 1, window: 1, _id: 1 });
