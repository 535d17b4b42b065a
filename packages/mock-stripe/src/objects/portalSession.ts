import type { Kind, Stored } from '../storage/store.js';
import type { PortalSessionBody } from '../wire.js';

export type StoredPortalSession = Stored<PortalSessionBody>;

export const portalSessions: Kind<PortalSessionBody> = {
  object: 'billing_portal.session',
  prefix: 'bps',
  refs: ({ customer }) => ({ customer }),
};
