import type { TierChangePreview } from '@continuum-billing/client';
import { useBillingContext } from '../BillingProvider.js';
import { seatsNeeded } from '../explanation.js';
import { ErrorState } from '../parts/Callout.js';
import { Skeleton } from '../parts/Skeleton.js';
import { Terms } from '../parts/Terms.js';
import type { Loaded } from '../useLoaded.js';
import { useWords } from '../words.js';

/** What a change costs now and later. */
export function ChangeTerms({ preview, plan }: { preview: TierChangePreview; plan: string }) {
  const { texts, formats } = useBillingContext();
  const { immediately, effectiveAt, currency, seats, prorationCents, amountDueNowCents } = preview;
  const { taxCents, nextInvoiceCents, nextInvoiceAt } = preview;
  const words = useWords();
  const money = (cents: number) => formats.money(cents, currency);
  return (
    <Terms
      items={[
        [texts.plan, seats > 1 ? texts.planForSeats(plan, words.seats(seats)) : plan],
        [texts.begins, immediately ? texts.now : formats.day(effectiveAt)],
        immediately && [texts.restOfPeriod, money(prorationCents)],
        taxCents !== 0 && [texts.taxOnIt, money(taxCents)],
        [texts.youPayNow, money(Math.max(amountDueNowCents, 0))],
        immediately &&
          amountDueNowCents <= 0 &&
          prorationCents < 0 && [texts.takenOff, money(-prorationCents)],
        nextInvoiceAt !== null &&
          nextInvoiceCents !== null && [
            texts.nextInvoice,
            texts.amountOn(money(nextInvoiceCents), formats.day(nextInvoiceAt)),
          ],
      ]}
    />
  );
}

/** In place of the terms, while they are not known. That too few seats were chosen stands beside their field. */
export function TermsPending({ loaded }: { loaded: Loaded<unknown> }) {
  if (!loaded.error) return <Skeleton lines={4} />;
  if (seatsNeeded(loaded.error) !== null) return null;
  return <ErrorState error={loaded.error} onRetry={loaded.retry} />;
}
