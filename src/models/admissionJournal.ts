import { Schema } from 'mongoose';

/** What one batch charged to one usage day. */
export interface JournalEntry {
  /** Of the usage day. */
  id: string;
  /** Negative: given back. */
  calls: number;
  /** The minute charged, since the epoch of Unix. */
  minute: number;
  /** Calls by path of the usage day: `endpoints.<name>`, `hours.<hour>`. */
  paths: [string, number][];
}

/**
 * A batch of the instance that works alone. The sequence has no gaps, so whoever inserts the next number first has
 * it: the instance, or one that takes over and puts a seal there.
 */
export interface AdmissionJournalDoc {
  /** `<epoch>:<sequence>`, both padded: in order of writing. */
  _id: string;
  /** Who wrote it: tells an insert whose answer was lost from another's. */
  instance: string;
  entries: JournalEntry[];
  /** Set on a seal. It stays for longer than any process can be paused. */
  sealedAt?: Date;
}

export const admissionJournalSchema = new Schema<AdmissionJournalDoc>(
  { _id: String, instance: String, entries: Schema.Types.Mixed, sealedAt: Date },
  { collection: 'admission_journal', versionKey: false },
);
admissionJournalSchema.index({ sealedAt: 1 }, { expireAfterSeconds: 32 * 86_400 });
