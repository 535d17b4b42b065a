import { Schema } from 'mongoose';

/**
 * One change. Each entry's hash covers the entry and the hash before it, so that nobody can change, remove or reorder
 * entries unnoticed.
 */
export interface AuditEntryDoc {
  /** `<chain>:<sequence>`, padded so that ids are in order. */
  _id: string;
  /** The tenant's id, or `operators`. */
  chain: string;
  /** Never before the entry ahead of it, even if clocks differ. */
  at: Date;
  actor: string;
  action: string;
  /** JSON text, because the hash covers its exact characters. Personal fields are salted digests. */
  before: string | null;
  after: string | null;
  requestId: string | null;
  /** SHA-256 in hex. */
  hash: string;
}

export const auditEntrySchema = new Schema<AuditEntryDoc>(
  {
    _id: String,
    chain: { type: String, required: true },
    at: { type: Date, required: true },
    actor: { type: String, required: true },
    action: { type: String, required: true },
    before: { type: String, default: null },
    after: { type: String, default: null },
    requestId: { type: String, default: null },
    hash: { type: String, required: true },
  },
  { collection: 'audit_entries', versionKey: false },
);
auditEntrySchema.index({ chain: 1, at: 1, _id: 1 });
auditEntrySchema.index({ chain: 1, action: 1, _id: 1 });

/** The end of a chain, which the next entry continues. */
export interface AuditChainDoc {
  /** The tenant's id, or `operators`. */
  _id: string;
  /** The number, hash and time of the last entry. */
  sequence: number;
  hash: string;
  at: Date;
  /** When the oldest entry was made that is kept. */
  oldestAt: Date;
  /** The last entry that retention deleted. The oldest entry that is kept continues its hash. */
  checkpoint: { sequence: number; hash: string } | null;
}

export const auditChainSchema = new Schema<AuditChainDoc>(
  {
    _id: String,
    sequence: { type: Number, required: true },
    hash: { type: String, required: true },
    at: { type: Date, required: true },
    oldestAt: { type: Date, required: true },
    checkpoint: {
      type: new Schema({ sequence: Number, hash: String }, { _id: false }),
      default: null,
    },
  },
  { collection: 'audit_chains', versionKey: false },
);
// Finds chains with entries that are old enough to delete.
auditChainSchema.index({ oldestAt: 1 });

/** The values of an entry's personal fields. Erasing them leaves the chain intact, because it covers only their digests. */
export interface AuditPersonalValuesDoc {
  /** The entry's id. */
  _id: string;
  values: PersonalValue[];
}

export interface PersonalValue {
  /** `before` or `after`, and the field's name in it. */
  side: 'before' | 'after';
  field: string;
  /** The key of the digest. Without it, nobody can guess the value by its digest. */
  salt: string;
  /** JSON text. */
  value: string;
}

export const auditPersonalValuesSchema = new Schema<AuditPersonalValuesDoc>(
  { _id: String, values: { type: Schema.Types.Mixed, required: true } },
  { collection: 'audit_personal_values', versionKey: false },
);
