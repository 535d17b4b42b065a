import { Schema } from 'mongoose';

/** What one batch charged to one usage day. */
export interface JournalEntry {
  /** The id of the usage day. */
  id: string;
  /** Negative if calls were returned. */
  calls: number;
  /** The minute that was charged, counted from the Unix epoch. */
  minute: number;
  /** Calls by path of the usage day: `endpoints.<name>`, `hours.<hour>`. */
  paths: [string, number][];
}

/**
 * A batch of the single-writer ledger. The sequence has no gaps, so that only one instance can insert the next number: the
 * current writer, or an instance that takes over and inserts a fence.
 */
export interface AdmissionJournalDoc {
  /** `<epoch>:<sequence>`, both padded, so that the order of ids is the order of writing. */
  _id: string;
  /** The writer. After a lost response, an instance recognizes its own insert by it. */
  instance: string;
  entries: JournalEntry[];
  /** Set on a fence, which is kept for longer than any process can be paused. */
  sealedAt?: Date;
}

export const admissionJournalSchema = new Schema<AdmissionJournalDoc>(
  { _id: String, instance: String, entries: Schema.Types.Mixed, sealedAt: Date },
  { collection: 'admission_journal', versionKey: false },
);
admissionJournalSchema.index({ sealedAt: 1 }, { expireAfterSeconds: 32 * 86_400 });
