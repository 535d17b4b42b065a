import { Schema } from 'mongoose';
import { markWritesPending, type OutboxSource } from './outbox.js';
import type { TierLimits } from './tierLimits.js';

/** A customer of the operator, with its keys, memories, usage and at most one subscription. */
export interface TenantDoc extends OutboxSource {
  _id: string;
  /** The operator's own id of the tenant. Unique; absent if it has none. */
  externalId?: string;
  name: string;
  email: string | null;
  /** Overrides of a contract. They take precedence over the subscription's tier and the tier's limits. */
  contract: { tier: string | null; limits: Partial<TierLimits> };
  /** The overage that the tenant opted into, with its monthly cap. Absent or null: none. */
  overage?: { monthlyCapCents: number } | null;
  /** Present while the tenant is suspended, and always together with the reason. */
  suspendedAt?: Date;
  /** For operators only. */
  suspendedReason?: string | null;
  createdAt: Date;
}

export const tenantSchema = new Schema<TenantDoc>(
  {
    _id: String,
    externalId: { type: String, default: undefined },
    name: { type: String, required: true },
    email: { type: String, default: null },
    contract: {
      type: new Schema({ tier: String, limits: Schema.Types.Mixed }, { _id: false }),
      required: true,
    },
    overage: { type: new Schema({ monthlyCapCents: Number }, { _id: false }), default: undefined },
    suspendedAt: { type: Date, default: undefined },
    suspendedReason: { type: String, default: undefined },
    createdAt: { type: Date, required: true },
  },
  { collection: 'tenants', minimize: false, versionKey: false },
);
tenantSchema.index(
  { externalId: 1 },
  { unique: true, partialFilterExpression: { externalId: { $type: 'string' } } },
);
// Finds the tiers that a catalogue must have, and counts their contracts.
tenantSchema.index(
  { 'contract.tier': 1 },
  { name: 'contract_tier', partialFilterExpression: { 'contract.tier': { $gt: '' } } },
);
markWritesPending(tenantSchema);
