import type Stripe from 'stripe';
import { digest } from '../customers/customers.js';
import type { CustomerMatch } from './customerMatch.js';
import type { ImportOptions, MatchedBy } from './importOptions.js';
import { addressOf } from './pageFacts.js';

/**
 * Finds tenants that several customers would get. All customers are noted before the first is linked. It remembers about
 * a hundred bytes for each customer that is not linked yet.
 */
export interface TenantClaims {
  note(customer: Stripe.Customer, match: CustomerMatch): void;
  /** @returns why the match is not the only one for its tenant; null: it is */
  conflictOf(customer: Stripe.Customer, match: CustomerMatch): string | null;
}

/** What only one customer may have. */
interface Claim {
  what: string;
  /** A weaker claim, which conflicts only with others of its kind. */
  isWeak: boolean;
}

export function createTenantClaims({ match: methods }: ImportOptions): TenantClaims {
  /** By the digest of what is claimed: twice the rank of the strongest claim, and one more if there are several. */
  const claimed = new Map<string, number>();

  const order: readonly MatchedBy[] = ['csv', 'earlier import', ...methods, 'customer'];

  /** What finds tenants by address must not leave two of one address. */
  function claimsOf({ email }: Stripe.Customer, match: CustomerMatch): Claim[] {
    if (match.kind === 'link') return [{ what: match.tenantId, isWeak: false }];
    if (match.kind !== 'create') return [];
    const { id, externalId } = match.tenant;
    return [
      { what: id, isWeak: false },
      ...(externalId ? [{ what: `the external id ${externalId}`, isWeak: false }] : []),
      ...(email && methods.includes('email')
        ? [{ what: `the address ${addressOf(email)}`, isWeak: match.by !== 'customer' }]
        : []),
    ];
  }

  const rankOf = (match: CustomerMatch) => ('by' in match ? order.indexOf(match.by) : 0);

  return {
    note(customer, match) {
      const rank = rankOf(match) * 2;
      for (const { what } of claimsOf(customer, match)) {
        const key = digest(what);
        const strongest = claimed.get(key);
        if (strongest === undefined || rank < strongest - (strongest % 2)) claimed.set(key, rank);
        else if (rank === strongest) claimed.set(key, rank + 1);
      }
    },

    conflictOf(customer, match) {
      const rank = rankOf(match) * 2;
      for (const { what, isWeak } of claimsOf(customer, match)) {
        // What came to the account after the customers were noted has no rank.
        const strongest = claimed.get(digest(what)) ?? rank;
        if (isWeak || (strongest >= rank && strongest !== rank + 1)) continue;
        return strongest < rank
          ? `another customer leads to ${what}, by ${order[Math.floor(strongest / 2)]}`
          : `several customers lead to ${what}`;
      }
      return null;
    },
  };
}
