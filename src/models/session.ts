import { Schema } from 'mongoose';

/** A person in a browser: signed in to one of this server's pages, or holding a link that signs in once. */
export interface SessionDoc {
  /** SHA-256 of the cookie or of the link's token, which themselves are stored nowhere. */
  _id: string;
  kind: 'operator' | 'billing' | 'link';
  /** Whose it is, to bound how many there are: `operator:<key>` or `tenant:<tenant>`, links apart. */
  owner: string;
  tenantId: string | null;
  /** The stored key that signed in or that created the link, with which it ends; null: another credential did. */
  keyId: string | null;
  /**
   * For what began with ADMIN_API_KEY: proves which key that was, so that it ends when the key is replaced. During a rotation
   * a link may have begun with either key.
   */
  adminKeyProofs: string[];
  /** Nothing that began with it lasts longer: the end of the JWT that created the link. */
  latestEnd: Date | null;
  /** For operators. */
  role: string | null;
  /** For a tenant's page and links: where the page leads back to, and its language. */
  returnUrl: string | null;
  locale: string | null;
  createdAt: Date;
  expiresAt: Date;
  /** For a tenant's page: the link that the session began with. */
  linkId: string | null;
  /** For links: when it was exchanged for a session. */
  usedAt: Date | null;
}

const text = { type: String, default: null };

export const sessionSchema = new Schema<SessionDoc>(
  {
    _id: String,
    kind: String,
    owner: String,
    tenantId: text,
    keyId: text,
    adminKeyProofs: [String],
    latestEnd: { type: Date, default: null },
    role: text,
    returnUrl: text,
    locale: text,
    linkId: text,
    createdAt: Date,
    expiresAt: Date,
    usedAt: { type: Date, default: null },
  },
  { collection: 'sessions', versionKey: false },
);
sessionSchema.index({ owner: 1, createdAt: -1 });
sessionSchema.index({ tenantId: 1 }, { partialFilterExpression: { tenantId: { $type: 'string' } } });
sessionSchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });
