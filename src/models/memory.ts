import { Schema } from 'mongoose';

/** A stored memory, which counts towards the storage quota. */
export interface MemoryDoc {
  /** `<tenantId>:<memory id>`. Memory ids increase with time, so the order of ids is the order of storing. */
  _id: string;
  tenantId: string;
  content: string;
  /** Little-endian float64s. */
  embedding: Buffer | null;
  /** JSON text, because MongoDB would not accept every key. */
  metadata: string | null;
  /** The bytes that it counts towards the storage quota. */
  bytes: number;
  sharedAt: Date | null;
  createdAt: Date;
}

export const memorySchema = new Schema<MemoryDoc>(
  {
    _id: String,
    tenantId: { type: String, required: true },
    content: { type: String, required: true },
    embedding: { type: Buffer, default: null },
    metadata: { type: String, default: null },
    bytes: { type: Number, required: true },
    sharedAt: { type: Date, default: null },
    createdAt: { type: Date, required: true },
  },
  { collection: 'memories', minimize: false, versionKey: false },
);
memorySchema.index(
  { tenantId: 1, content: 'text' },
  { default_language: 'none', language_override: '_language' },
);
