import { ApiKeyScope } from '@continuum-billing/limits/core';
import { forbidden } from '../../common/errors.js';
import type { Author } from '../audit/author.js';
import type { Principal } from './principal.js';
import type { Sessions } from './sessions.js';

/** Links to the page where a person of a tenant sees what it uses, and pays. */
export interface BillingPages {
  /**
   * @param creator the link, and the session that it begins, end with its key
   * @throws FORBIDDEN for a tenant's credential that does not have all scopes of the page, or that is short-lived itself
   */
  link(
    tenantId: string,
    page: { returnUrl: string; locale: string | null },
    creator: Principal,
    author: Author,
  ): Promise<{ url: string; expiresAt: Date }>;
}

const BILLING_PAGE_PATH = '/billing';

export function createBillingPages(deps: { sessions: Sessions; publicUrl: () => string }): BillingPages {
  const { sessions, publicUrl } = deps;
  return {
    async link(tenantId, page, creator, author) {
      rejectLesser(creator);
      const { token, expiresAt } = await sessions.createLink({ tenantId, ...page }, creator, author);
      // What follows # is not sent to any server, so no log, no proxy and no `Referer` has it.
      return { url: `${publicUrl()}${BILLING_PAGE_PATH}#link=${token}`, expiresAt };
    },
  };
}

/** What is stolen from a browser must not lead to something that lives longer. */
function rejectLesser(creator: Principal): void {
  if (creator.kind !== 'tenant') return;
  if (creator.credential === 'token' || creator.credential === 'session')
    throw forbidden(
      `A ${creator.credential} cannot create a link to the billing page; use a key of the tenant`,
    );
  if (!creator.scopes.has(ApiKeyScope.READ))
    throw forbidden(`This key lacks the scope ${ApiKeyScope.READ}, which the billing page needs`);
}
