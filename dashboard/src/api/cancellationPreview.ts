import { useQuery } from '@apollo/client/react';
import type { PreviewCancellationQuery } from '../generated/graphql.js';
import { graphql } from '../generated/index.js';

/** What a cancellation would do and cost, for the dialogs of operators and of customers. */
export type CancellationPreview = PreviewCancellationQuery['previewCancellation'];

const PREVIEW = graphql(`
  query PreviewCancellation($tenantId: ID!, $atPeriodEnd: Boolean!) {
    previewCancellation(tenantId: $tenantId, atPeriodEnd: $atPeriodEnd) {
      atPeriodEnd
      alreadyScheduled
      endsAt
      summary
      tierAfterwards
      currency
      refundCents
      overageCents
      lastInvoiceAt
    }
  }
`);

/** @returns the preview, once it is the one for these variables; the action may only be offered with it */
export function useCancellationPreview(
  tenantId: string,
  atPeriodEnd: boolean,
): { preview: CancellationPreview | undefined; error: unknown; retry(): unknown } {
  const { data, loading, error, refetch } = useQuery(PREVIEW, {
    variables: { tenantId, atPeriodEnd },
    // Money that was computed a while ago is not what would be charged now.
    fetchPolicy: 'network-only',
  });
  return { preview: loading || error ? undefined : data?.previewCancellation, error, retry: refetch };
}
