import type { Tier, TierPrice } from '@continuum-billing/client';
import { useBillingContext } from '../BillingProvider.js';
import { Dialog } from '../parts/Dialog.js';
import { Terms } from '../parts/Terms.js';
import { useLoaded } from '../useLoaded.js';
import { useWords } from '../words.js';
import { ChangeTerms, TermsPending } from './ChangeTerms.js';
import type { PlanDialogProps } from './common.js';
import { SeatsField, useSeats } from './seats.js';

/** Asks for how many people a plan is bought, and says what they cost together. */
export function BuyDialog({
  tier,
  price,
  onBuy,
  onClose,
}: {
  tier: Tier;
  price: TierPrice;
  onBuy(seats: number): Promise<unknown>;
  onClose(): void;
}) {
  const { texts, formats } = useBillingContext();
  const words = useWords();
  const input = useSeats(price, 1);
  const { seats } = input;
  return (
    <Dialog
      onClose={onClose}
      title={texts.howManySeats(tier.displayName)}
      confirm={texts.toPayment}
      ready={seats !== null}
      fields={<SeatsField input={input} />}
      onConfirm={async () => {
        if (seats !== null) await onBuy(seats);
      }}
    >
      <p>{texts.seatsCost(tier.displayName, words.priceText(tier, price))}</p>
      <Terms
        items={[
          [
            texts.together,
            seats === null
              ? '—'
              : texts.priced(
                  formats.money(seats * price.unitAmount, price.currency),
                  texts.perTogether(price),
                ),
          ],
        ]}
      />
    </Dialog>
  );
}

/** Changes how many seats are paid for, after it is shown what that costs or brings. */
export function SeatsDialog({ account, onClose, say }: PlanDialogProps) {
  const { store, texts } = useBillingContext();
  const words = useWords();
  const { price, seats: present, tier } = account.subscription;
  const input = useSeats(price, present);
  const { settled } = input;
  const isOther = settled !== null && settled !== present;
  const wanted = { ...store.tenant, seats: settled ?? present };
  const loaded = useLoaded(isOther ? JSON.stringify(wanted) : null, () => store.client.previewSeats(wanted));
  const { data: preview, error } = loaded;
  const priceText = words.priceText(tier, price);
  return (
    <Dialog
      onClose={onClose}
      title={texts.changeSeatsOf(tier.displayName)}
      confirm={preview && preview.amountDueNowCents > 0 ? texts.payAndChange : texts.changeSeats}
      ready={preview !== undefined}
      fields={<SeatsField input={input} error={error} />}
      onConfirm={async () => {
        store.changed(await store.client.setSeats(wanted));
        say(texts.seatsNow(words.seats(wanted.seats)));
      }}
    >
      <p>{texts.presentSeats(words.seats(present), priceText)}</p>
      {preview ? (
        <ChangeTerms preview={preview} plan={texts.tierAtPrice(tier.displayName, priceText)} />
      ) : (
        isOther && <TermsPending loaded={loaded} />
      )}
    </Dialog>
  );
}
