import { Schema } from 'mongoose';

/** An API key without its secret, of which only a salted PBKDF2 hash is stored. */
export interface ApiKeyDoc {
  _id: string;
  /** null for the operator's keys. */
  tenantId: string | null;
  /** What an operator's key may do. null for the keys of tenants, and of services that enforce limits. */
  role: string | null;
  name: string;
  scopes: string[];
  salt: Buffer;
  hash: Buffer;
  /** A short keyed digest that rejects wrong secrets before they are hashed. */
  tag: Buffer;
  createdAt: Date;
  expiresAt: Date | null;
  revokedAt: Date | null;
  /** Accurate to the minute: written when the key is verified again, not at every call. */
  lastUsedAt: Date | null;
  /** Who created it, as the audit log names them. Absent from keys of earlier versions; null: the server's first start. */
  createdBy?: string | null;
  /** The key that replaces this one. */
  rotatedTo: string | null;
}

export const apiKeySchema = new Schema<ApiKeyDoc>(
  {
    _id: String,
    tenantId: { type: String, default: null },
    role: { type: String, default: null },
    name: { type: String, required: true },
    scopes: { type: [String], required: true },
    salt: { type: Buffer, required: true },
    hash: { type: Buffer, required: true },
    tag: { type: Buffer, required: true },
    createdAt: { type: Date, required: true },
    createdBy: String,
    expiresAt: { type: Date, default: null },
    revokedAt: { type: Date, default: null },
    lastUsedAt: { type: Date, default: null },
    rotatedTo: { type: String, default: null },
  },
  { collection: 'api_keys', versionKey: false },
);
apiKeySchema.index({ tenantId: 1, createdAt: 1 });
// Revoked and expired keys are listed for 90 days.
apiKeySchema.index({ revokedAt: 1 }, { expireAfterSeconds: 90 * 86_400 });
apiKeySchema.index({ expiresAt: 1 }, { expireAfterSeconds: 90 * 86_400 });
