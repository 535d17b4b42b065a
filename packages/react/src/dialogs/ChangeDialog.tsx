import type { Tier, TierChangePreview, TierPrice } from '@continuum-billing/client';
import { type BillingContext, useBillingContext } from '../BillingProvider.js';
import { Dialog } from '../parts/Dialog.js';
import { termsOf } from '../prices.js';
import { useLoaded } from '../useLoaded.js';
import { useWords } from '../words.js';
import { ChangeTerms, TermsPending } from './ChangeTerms.js';
import type { PlanDialogProps } from './common.js';
import { SeatsField, useSeats } from './seats.js';

/** Shows what a change of the tier or of the interval costs before it is made. */
export function ChangeDialog(
  props: PlanDialogProps & { tier: Tier; price: TierPrice | null; isUpgrade: boolean },
) {
  const { account, tier, price, isUpgrade, onClose, say } = props;
  const { store, texts, formats } = useBillingContext();
  const words = useWords();
  const { tier: old, price: paid, seats: present } = account.subscription;
  // Another interval of the plan that one has keeps its seats.
  const isBySeat = price?.perSeat === true && tier.name !== old.name;
  const input = useSeats(isBySeat ? price : null, paid?.perSeat ? present : 1);
  const wanted = { ...store.tenant, tier: tier.name, ...termsOf(price, input.settled) };
  const isChosen = !isBySeat || input.settled !== null;
  const loaded = useLoaded(isChosen ? JSON.stringify(wanted) : null, () =>
    store.client.previewTierChange(wanted),
  );
  const { data: preview, error } = loaded;
  const cycle = price && tier.name === old.name ? texts.cycle(price) : null;
  // Whether it is larger depends on how many seats are chosen.
  const verb = isBySeat ? texts.change : isUpgrade ? texts.upgrade : texts.downgrade;
  const name = cycle ? texts.pay(cycle) : verb(tier.displayName);
  return (
    <Dialog
      onClose={onClose}
      title={texts.question(name)}
      confirm={preview?.immediately && preview.amountDueNowCents > 0 ? texts.payAndChange : name}
      ready={preview !== undefined}
      fields={isBySeat && <SeatsField input={input} error={error} />}
      onConfirm={async () => {
        store.changed(await store.client.changeTier(wanted));
        if (!preview) return;
        const { immediately, effectiveAt } = preview;
        say(
          immediately
            ? texts.changedNow(tier.displayName)
            : texts.changesOn(tier.displayName, formats.day(effectiveAt)),
        );
      }}
    >
      {preview ? (
        <>
          <p>
            {whenText(preview, { old: old.displayName, next: tier.displayName, cycle }, { texts, formats })}
          </p>
          <ChangeTerms
            preview={preview}
            plan={texts.tierAtPrice(tier.displayName, words.priceText(tier, price))}
          />
          {!cycle && !preview.immediately && <p>{texts.dataStays(tier.displayName)}</p>}
        </>
      ) : (
        <TermsPending loaded={loaded} />
      )}
    </Dialog>
  );
}

/** @param change.cycle how a plan that stays will be paid; null: the plan changes */
function whenText(
  { immediately, effectiveAt }: TierChangePreview,
  { old, next, cycle }: { old: string; next: string; cycle: string | null },
  { texts, formats }: Pick<BillingContext, 'texts' | 'formats'>,
): string {
  const day = formats.day(effectiveAt);
  if (!immediately) return cycle ? texts.paysUntil(day, cycle) : texts.keepsUntil(old, day, next);
  return cycle ? texts.paysFromNow(cycle) : texts.beginsAtOnce(next, old);
}
