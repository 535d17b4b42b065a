import { Schema } from 'mongoose';

/** An API key without its secret: only a salted PBKDF2 hash of it is kept. */
export interface ApiKeyDoc {
  _id: string;
  /** null: the operator's. */
  tenantId: string | null;
  name: string;
  scopes: string[];
  salt: Buffer;
  hash: Buffer;
  /** A short keyed digest, by which a wrong secret is rejected before it is hashed. */
  tag: Buffer;
  createdAt: Date;
  expiresAt: Date | null;
  revokedAt: Date | null;
  /** To the minute: written when the key is verified again, not at every call. */
  lastUsedAt: Date | null;
  /** The key that takes this one's place. */
  rotatedTo: string | null;
}

export const apiKeySchema = new Schema<ApiKeyDoc>(
  {
    _id: String,
    tenantId: { type: String, default: null },
    name: { type: String, required: true },
    scopes: { type: [String], required: true },
    salt: { type: Buffer, required: true },
    hash: { type: Buffer, required: true },
    tag: { type: Buffer, required: true },
    createdAt: { type: Date, required: true },
    expiresAt: { type: Date, default: null },
    revokedAt: { type: Date, default: null },
    lastUsedAt: { type: Date, default: null },
    rotatedTo: { type: String, default: null },
  },
  { collection: 'api_keys', versionKey: false },
);
apiKeySchema.index({ tenantId: 1, createdAt: 1 });
// Keys that no longer work are listed for 90 days.
apiKeySchema.index({ revokedAt: 1 }, { expireAfterSeconds: 90 * 86_400 });
apiKeySchema.index({ expiresAt: 1 }, { expireAfterSeconds: 90 * 86_400 });
