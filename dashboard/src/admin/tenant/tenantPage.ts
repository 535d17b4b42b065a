import type { OperationVariables, TypedDocumentNode } from '@apollo/client';
import { useApolloClient } from '@apollo/client/react';
import { createContext, useCallback, useContext } from 'react';
import type { SubscriptionFactsFragment, TenantQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';

/** The head of the page. Each section reads everything else that it shows when it is opened. */
export const TENANT = graphql(`
  query Tenant($tenantId: ID!) {
    tenant(id: $tenantId) {
      id
      name
      email
      externalId
      createdAt
      suspendedAt
      suspendedReason
      erasure {
        tenantId
        status
        startedAt
        completedAt
        error
        nextTryAt
      }
      tier {
        name
        version
        currency
        monthlyPriceCents
      }
      subscription {
        ...SubscriptionFacts
      }
    }
  }
`);

export const SUBSCRIPTION_FACTS = graphql(`
  fragment SubscriptionFacts on Subscription {
    id
    tenantId
    status
    stripeSubscriptionId
    currentPeriodStart
    currentPeriodEnd
    cancelAtPeriodEnd
    cancelAt
    trialEnd
    paymentPause {
      resumesAt
      invoices
    }
    graceEndsAt
    seats
    price {
      ...PriceTerms
    }
    scheduledTier
    scheduledPrice {
      ...PriceTerms
    }
    scheduledAt
    outsideCatalogue
    isContract
    tier {
      name
      version
      trialDays
      trialRequiresCard
      trialEndWithoutCard
      ...TierPrices
    }
  }
`);

/** Whether there is a subscription at Stripe that can be changed: one that has ended cannot. */
export function isSubscribed({ stripeSubscriptionId, status }: SubscriptionFactsFragment): boolean {
  return stripeSubscriptionId !== null && status !== 'CANCELED' && status !== 'INCOMPLETE_EXPIRED';
}

/** Whether it was canceled, and ends by itself. */
export function isEnding(subscription: SubscriptionFactsFragment): boolean {
  return isOwn(subscription) && (subscription.cancelAtPeriodEnd || subscription.cancelAt !== null);
}

/** Whether it runs by terms that were agreed. It has an end from the beginning. */
export function isContract(subscription: SubscriptionFactsFragment): boolean {
  return isSubscribed(subscription) && subscription.isContract;
}

/** Whether the tenant bought it itself: a contract is changed and ended at Stripe. */
export function isOwn(subscription: SubscriptionFactsFragment): boolean {
  return isSubscribed(subscription) && !subscription.isContract;
}

export type TenantHead = TenantQuery['tenant'];

/** What the page can do with its tenant. Each is a dialog, see dialogs/Dialogs.tsx. */
export type Action =
  | 'changeTier'
  | 'cancel'
  | 'resume'
  | 'extendTrial'
  | 'pausePayments'
  | 'resumePayments'
  | 'overage'
  | 'checkout'
  | 'contract'
  | 'customerPage'
  | 'limits'
  | 'details'
  | 'suspend'
  | 'reinstate'
  | 'export'
  | 'erase';

export interface ActionDialogProps {
  onClose(): void;
}

export interface TenantPage {
  tenantId: string;
  tenant: TenantHead;
  /** Opens the dialog of an action. */
  act(action: Action): void;
}

export const TenantPageContext = createContext<TenantPage | null>(null);

export function useTenantPage(): TenantPage {
  const page = useContext(TenantPageContext);
  if (!page) throw new Error('useTenantPage is for the sections of the tenant page');
  return page;
}

/**
 * Runs a mutation, and afterwards reads again what the page shows: also after an error, since the reason may be that
 * another operator, or Stripe, changed it meanwhile.
 * @param options.secret the answer has a secret, which must not stay in the cache
 * @throws what the mutation threw, for the dialog to show
 */
export function useChange<Data, Variables extends OperationVariables>(
  mutation: TypedDocumentNode<Data, Variables>,
  { secret = false }: { secret?: boolean } = {},
): (variables: Variables) => Promise<Data> {
  const client = useApolloClient();
  return useCallback(
    async (variables) => {
      try {
        const { data } = await client.mutate<Data, OperationVariables>({
          mutation,
          variables,
          ...(secret ? { fetchPolicy: 'no-cache' } : {}),
        });
        if (!data) throw new Error('The server did not say what it did');
        return data as Data;
      } finally {
        client
          .refetchQueries({
            include: 'active',
            // The preview of what was just done is no longer true, and its dialog is closing.
            onQueryUpdated: ({ queryName }) => !queryName?.startsWith('Preview'),
          })
          // Each query of the page shows its own error.
          .catch(() => undefined);
      }
    },
    [client, mutation, secret],
  );
}
