import { Schema } from 'mongoose';
import { markWritesPending, type OutboxSource } from './outbox.js';
import type { TierLimits } from './tierLimits.js';

/** Overrides of a contract. They take precedence over the subscription's tier and the tier's limits. */
export interface TenantContract {
  tier: string | null;
  /** MongoDB does not store an empty object. */
  limits?: Partial<TierLimits>;
  /** Why, who set them last, and when. Absent if they were set by an earlier version. */
  reason?: string | null;
  author?: string;
  setAt?: Date;
  /** When they stop being in force, without any further write. Absent or null: never. */
  until?: Date | null;
  /** The end is still to be published. */
  endUnannounced?: true;
}

const MAX_TERM_LENGTH = 100;

/** A text as searches compare it: capitals and forms of characters make no difference. */
export const searchTermOf = (text: string): string =>
  [...text.normalize('NFKC').toLowerCase()].slice(0, MAX_TERM_LENGTH).join('');

/** What a tenant is found by. Whatever changes one of these fields must store this with it. */
export const searchTermsOf = (tenant: {
  name: string;
  email: string | null;
  externalId?: string | null | undefined;
}): string[] => [
  ...new Set(
    [tenant.name, tenant.email, tenant.externalId].flatMap((text) => (text ? searchTermOf(text) : [])),
  ),
];

/** @returns the first in MongoDB's order of the terms that begin with the prefix */
export const firstMatchOf = (terms: readonly string[], prefix: string): string | undefined =>
  terms
    .filter((term) => term.startsWith(prefix))
    .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))[0];

/** A customer of the operator, with its keys, memories, usage and at most one subscription. */
export interface TenantDoc extends OutboxSource {
  _id: string;
  /** The operator's own id of the tenant. Unique; absent if it has none. */
  externalId?: string;
  name: string;
  email: string | null;
  contract: TenantContract;
  /** The overage that the tenant opted into, with its monthly cap. Absent or null: none. */
  overage?: { monthlyCapCents: number } | null;
  /** Present while the tenant is suspended, and always together with the reason. */
  suspendedAt?: Date;
  /** For operators only. */
  suspendedReason?: string | null;
  /** From `searchTermsOf`. Absent on documents of earlier versions until the next start. */
  searchTerms?: string[];
  createdAt: Date;
  /** Present once the tenant is to be erased. All personal fields are then gone from this document. */
  erasure?: Erasure;
}

/** How far the erasure of a tenant is. Its steps may be repeated at any time. */
export interface Erasure {
  startedAt: Date;
  /** When all steps were done once. They are done again when nothing can be running that began before the start. */
  doneOnceAt: Date | null;
  completedAt: Date | null;
  /** Absent once it is complete. */
  nextTryAt?: Date;
  /** Failures since the last success. */
  tries: number;
  /** Why it waits. */
  error: string | null;
  /** E-mail addresses to look for in events that do not name a customer. Absent once it is complete. */
  emails?: string[];
}

export const tenantSchema = new Schema<TenantDoc>(
  {
    _id: String,
    externalId: { type: String, default: undefined },
    name: { type: String, required: true },
    email: { type: String, default: null },
    contract: {
      type: new Schema(
        {
          tier: String,
          limits: Schema.Types.Mixed,
          reason: String,
          author: String,
          setAt: Date,
          until: Date,
          endUnannounced: Boolean,
        },
        { _id: false },
      ),
      required: true,
    },
    overage: { type: new Schema({ monthlyCapCents: Number }, { _id: false }), default: undefined },
    suspendedAt: { type: Date, default: undefined },
    suspendedReason: { type: String, default: undefined },
    searchTerms: { type: [String], default: undefined },
    createdAt: { type: Date, required: true },
    erasure: { type: Schema.Types.Mixed, default: undefined },
  },
  { collection: 'tenants', minimize: false, versionKey: false },
);
tenantSchema.index(
  { externalId: 1 },
  { unique: true, partialFilterExpression: { externalId: { $type: 'string' } } },
);
export const SEARCH_INDEX = 'search';
tenantSchema.index({ searchTerms: 1, _id: 1 }, { name: SEARCH_INDEX });
export const SUSPENDED_INDEX = 'suspended';
tenantSchema.index(
  { _id: 1, suspendedAt: 1 },
  { name: SUSPENDED_INDEX, partialFilterExpression: { suspendedAt: { $type: 'date' } } },
);
const WITH_TIER = { partialFilterExpression: { 'contract.tier': { $gt: '' } } };
// Finds the tiers that a catalogue must have, and counts their contracts.
tenantSchema.index({ 'contract.tier': 1, 'contract.until': 1 }, WITH_TIER);
// Lists the tenants of a tier.
tenantSchema.index({ 'contract.tier': 1, _id: 1 }, WITH_TIER);
// Finds overrides that end, which they do without a write.
tenantSchema.index({ 'contract.until': 1 }, { partialFilterExpression: { 'contract.endUnannounced': true } });
export const ERASED_INDEX = 'erased';
tenantSchema.index(
  { _id: 1, 'erasure.startedAt': 1 },
  { name: ERASED_INDEX, partialFilterExpression: { 'erasure.startedAt': { $type: 'date' } } },
);
// Contains only tenants that are being erased.
tenantSchema.index({ 'erasure.nextTryAt': 1 }, { sparse: true });
markWritesPending(tenantSchema);
