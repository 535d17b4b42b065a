/** Who makes a change, as the audit log names it. */
export interface Author {
  /**
   * `operator:ADMIN_API_KEY`, `operator:<key id>`, `key:<key id>`, `token:<token id>`, `jwt:<tenant id>`,
   * `service:<key id>`, `stripe:<event id>` or `system:<what>`.
   */
  actor: string;
  /** The request that made the change; null if none did. */
  requestId: string | null;
}

/** The author of what the server does by itself. @param what for example `reconcile` */
export const systemAuthor = (what: string): Author => ({ actor: `system:${what}`, requestId: null });

/** The author of what follows from an event of Stripe's. */
export const stripeAuthor = (eventId: string): Author => ({ actor: `stripe:${eventId}`, requestId: null });
