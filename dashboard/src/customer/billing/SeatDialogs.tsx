import { useMutation, useQuery } from '@apollo/client/react';
import { seatsNeeded } from '../../api/errors.js';
import {
  ConfirmDialog,
  ErrorState,
  FormDialog,
  formatCount,
  formatMoney,
  KeyValue,
  Skeleton,
  toast,
} from '../../design/index.js';
import { type Price, priceText } from '../../prices/prices.js';
import { SeatsField, useSeats } from '../../prices/SeatsField.js';
import type { Tier } from '../plans/tierTerms.js';
import type { StripePages } from './actions.js';
import { PREVIEW_SEATS, SET_SEATS } from './documents.js';
import { ChangeTerms, type DialogProps } from './PlanDialogs.js';

/** Asks for how many people a plan is bought, and says what they cost together. */
export function BuyDialog({
  tier,
  price,
  pages,
  onClose,
}: {
  tier: Tier;
  price: Price;
  pages: StripePages;
  onClose(): void;
}) {
  const input = useSeats(price, 1);
  const { seats } = input;
  return (
    <FormDialog
      open
      onClose={onClose}
      title={`How many seats of ${tier.displayName}?`}
      submit="Go to the payment"
      ready={seats !== null}
      onSubmit={() => pages.buy(tier.name, price, seats)}
    >
      <p>
        {tier.displayName} costs {priceText(tier, price)}. You can change the number of seats at any time.
      </p>
      <SeatsField input={input} />
      <KeyValue
        items={[
          [
            'Together',
            seats === null ? '—' : `${formatMoney(seats * price.unitAmount, price.currency)} ${often(price)}`,
          ],
        ]}
      />
    </FormDialog>
  );
}

/** Without "per seat", since it is for all of them. */
const often = ({ per }: Price): string => per.replace(/^per seat /, '');

/** Changes how many seats are paid for, after it is shown what that costs or brings. */
export function SeatsDialog({ account, tenantId, onChanged, ...dialog }: DialogProps) {
  const { price, seats: present, tier } = account.subscription;
  const input = useSeats(price, present);
  const { settled } = input;
  const isOther = settled !== null && settled !== present;
  const { data, error, refetch, loading } = useQuery(PREVIEW_SEATS, {
    variables: { tenantId, seats: settled ?? present },
    skip: !isOther,
    fetchPolicy: 'network-only',
  });
  const [change] = useMutation(SET_SEATS);
  const preview = isOther && !loading && !error ? data?.previewSeats : undefined;
  return (
    <ConfirmDialog
      {...dialog}
      title={`Change the seats of ${tier.displayName}`}
      confirm={preview && preview.amountDueNowCents > 0 ? 'Pay and change' : 'Change seats'}
      ready={preview !== undefined}
      fields={<SeatsField input={input} error={isOther ? error : null} />}
      onConfirm={async () => {
        if (settled === null) return;
        await change({ variables: { tenantId, seats: settled } });
        await onChanged();
        toast({ title: `You have ${formatCount(settled, 'seat')} now` });
      }}
    >
      <p>
        You have {formatCount(present, 'seat')}, at {priceText(tier, price)}. A change takes effect at once.
      </p>
      {isOther && error ? (
        seatsNeeded(error) === null && <ErrorState error={error} onRetry={refetch} />
      ) : preview ? (
        <ChangeTerms preview={preview} plan={`${tier.displayName}, ${priceText(tier, price)}`} />
      ) : (
        isOther && <Skeleton lines={4} />
      )}
    </ConfirmDialog>
  );
}
