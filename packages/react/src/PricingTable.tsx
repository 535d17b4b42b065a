import type { PriceInterval, Tier, TierPrice } from '@continuum-billing/client';
import { type ReactNode, useState } from 'react';
import { useBillingContext } from './BillingProvider.js';
import { ChangeDialog } from './dialogs/ChangeDialog.js';
import { CancelDialog, KeepDialog } from './dialogs/EndDialogs.js';
import { BuyDialog, SeatsDialog } from './dialogs/SeatDialogs.js';
import { useTiers } from './hooks.js';
import { useNotice } from './notice.js';
import { Badge } from './parts/Badge.js';
import { Button, ButtonAnchor } from './parts/Button.js';
import { Callout, ErrorCallout, ErrorState } from './parts/Callout.js';
import { PriceCard } from './parts/PriceCard.js';
import { Segments } from './parts/Segments.js';
import { Skeleton } from './parts/Skeleton.js';
import {
  type Account,
  actionOf,
  endOf,
  fixedReason,
  isChangeable,
  isPaid,
  type TierAction,
} from './planState.js';
import { type Cycle, currenciesOf, cycleKey, cyclesOf, priceAt } from './prices.js';
import { useProduct } from './product.js';
import { useAccount } from './useAccount.js';
import { type Departure, type PaymentPage, useBilling, useDeparture } from './useBilling.js';
import { useWords } from './words.js';

/** What a card says beside what the catalogue says. */
export interface TierDetails {
  description?: string | undefined;
  badge?: ReactNode;
  /** Below the price. */
  note?: ReactNode;
  /** Below the limits of calls, one line each. */
  amounts?: readonly string[] | undefined;
  /** Below the features. */
  features?: readonly string[] | undefined;
}

export interface PricingTableProps {
  /** The name of a tier that is recommended. */
  highlightedTier?: string | undefined;
  tierDetails?: ((tier: Tier) => TierDetails | null | undefined) | undefined;
  /** Which prices are shown first. Default: those of the plan that one has, otherwise the shortest interval's. */
  defaultInterval?: PriceInterval | undefined;
  /** ISO 4217. Default: the currency of the plan that one has, otherwise the catalogue's. */
  currency?: string | undefined;
  /** Where the checkout leads after it was paid. Default: this page. */
  newSubscriptionRedirectUrl?: string | ((tier: Tier) => string) | undefined;
  /** Where it leads if the person goes back. Default: this page. */
  cancelUrl?: string | undefined;
  /** Called with the checkout's page instead of going there. */
  onCheckout?: ((page: PaymentPage, tier: Tier) => unknown) | undefined;
  /** For people who are not signed in: where the button of a tier leads. */
  tierHref?: ((tier: Tier) => string | null) | undefined;
  /** Called when a tier is chosen, instead of what the table would do. */
  onSelect?: ((tier: Tier, price: TierPrice | null) => unknown) | undefined;
  /** Of the names of tiers. Default: `h3`. */
  heading?: 'h2' | 'h3' | 'h4' | undefined;
  /** Instead of the placeholder while it is loading. */
  fallback?: ReactNode;
}

/** The tiers beside each other, and what a person can do with each: buy, try, change, cancel, keep. */
export function PricingTable(props: PricingTableProps) {
  const { store } = useBillingContext();
  return <div className="cb cb-pricing">{store.hasTenant ? <Own {...props} /> : <Public {...props} />}</div>;
}

function Public({ fallback, ...props }: PricingTableProps) {
  const { data: tiers, error, refetch } = useTiers();
  if (!tiers) return error ? <ErrorState error={error} onRetry={refetch} /> : (fallback ?? <Placeholder />);
  return <Table {...props} tiers={tiers} account={null} />;
}

function Own({ fallback, ...props }: PricingTableProps) {
  const { account, error, refetch } = useAccount();
  if (!account) return error ? <ErrorState error={error} onRetry={refetch} /> : (fallback ?? <Placeholder />);
  const { tiers, subscription } = account;
  const isListed = tiers.some(({ name }) => name === subscription.tier.name);
  // A tier that is hidden or no longer sold is on no list, but those who have it see it.
  return <Table {...props} tiers={isListed ? tiers : [subscription.tier, ...tiers]} account={account} />;
}

/** As many cards as most have. */
const CARDS = ['1', '2', '3'];

const Placeholder = () => (
  <div className="cb-price-cards">
    {CARDS.map((key) => (
      <div key={key} className="cb-price-card cb-price-placeholder">
        <Skeleton lines={10} />
      </div>
    ))}
  </div>
);

type TableProps = PricingTableProps & { tiers: readonly Tier[]; account: Account | null };

/** The interval and the currency whose prices are shown. */
function usePriceChoice({ tiers, account, defaultInterval, currency: wanted }: TableProps) {
  const paid = account?.subscription.price ?? null;
  const cycles = cyclesOf(tiers);
  const preferred = cycles.find(({ interval }) => interval === defaultInterval) ?? null;
  const [chosenCycle, setCycle] = useState<Cycle | null>(null);
  const [chosenCurrency, setCurrency] = useState<string | null>(null);
  const cycle = chosenCycle ?? paid ?? preferred ?? cycles[0] ?? null;
  const currencies = currenciesOf(tiers);
  // Stripe charges a customer in one currency.
  const currency = paid?.currency ?? chosenCurrency ?? wanted?.toLowerCase() ?? null;
  return {
    cycles,
    cycle,
    setCycle,
    currencies: paid ? [] : currencies,
    currency: currency ?? currencies[0] ?? null,
    setCurrency,
    priceFor: (tier: Tier) => priceAt(tier, cycle, currency),
    /** The price of the plan that one has may be one that is no longer sold. */
    shownPrice: (tier: Tier) =>
      paid && !chosenCycle && account?.subscription.tier.name === tier.name
        ? paid
        : priceAt(tier, cycle, currency),
  };
}

type PriceChoice = ReturnType<typeof usePriceChoice>;

function Switches({ choice }: { choice: PriceChoice }) {
  const { texts } = useBillingContext();
  const { cycles, cycle, setCycle, currencies, currency, setCurrency } = choice;
  if (cycles.length < 2 && currencies.length < 2) return null;
  return (
    <div className="cb-pricing-switches">
      {cycles.length > 1 && cycle && (
        <Segments
          label={texts.howOften}
          value={cycleKey(cycle)}
          onChange={(key) => setCycle(cycles.find((one) => cycleKey(one) === key) ?? null)}
          options={cycles.map((one) => ({ value: cycleKey(one), label: texts.cycle(one) }))}
        />
      )}
      {currencies.length > 1 && currency && (
        <Segments
          label={texts.currency}
          value={currency}
          onChange={setCurrency}
          options={currencies.map((one) => ({ value: one, label: one.toUpperCase() }))}
        />
      )}
    </div>
  );
}

type Opened = { dialog: 'change' | 'buy' | 'keep' | 'cancel' | 'seats'; tier: Tier; action: TierAction };

function Table(props: TableProps) {
  const { tiers, account, highlightedTier, tierDetails, heading = 'h3', onCheckout } = props;
  const { texts, formats } = useBillingContext();
  const words = useWords();
  const { name: product, supportUrl } = useProduct();
  const { createCheckout } = useBilling();
  const { notice, say } = useNotice();
  const choice = usePriceChoice(props);
  const [opened, setOpened] = useState<Opened | null>(null);
  const departure = useDeparture();
  const fixed = account && fixedReason(account);

  const buy = (tier: Tier, price: TierPrice | null, seats: number | null) => {
    const { newSubscriptionRedirectUrl: redirect, cancelUrl } = props;
    const successUrl = typeof redirect === 'function' ? redirect(tier) : redirect;
    const currency = price && price.currency !== tier.currency ? price.currency : undefined;
    return departure.leave(
      tier.name,
      () => createCheckout({ tier: tier.name, price, seats, currency, successUrl, cancelUrl }),
      onCheckout && ((page) => onCheckout(page, tier)),
    );
  };

  function badgeOf(tier: Tier): ReactNode {
    const plan = account?.subscription;
    if (plan?.tier.name === tier.name) return <Badge tone="accent">{texts.yourPlan}</Badge>;
    const from =
      plan &&
      (plan.scheduledTier === tier.name ? plan.scheduledAt : tier.checkout === 'NONE' ? endOf(plan) : null);
    if (from) return <Badge>{texts.from(formats.day(from))}</Badge>;
    return tier.name === highlightedTier && <Badge tone="accent">{texts.highlighted}</Badge>;
  }

  if (tiers.length === 0) return <p className="cb-state">{texts.noTiers}</p>;
  return (
    <>
      {fixed && (
        <Callout title={texts.arranged}>{texts.arrangedAdvice(product, supportUrl !== null)}</Callout>
      )}
      {!fixed && <Switches choice={choice} />}
      {opened === null && departure.error !== null && <ErrorCallout error={departure.error} />}
      <p role="status" className="cb-notice">
        {notice}
      </p>
      <ul className="cb-price-cards" aria-label={texts.plans}>
        {tiers.map((sold) => {
          const isCurrent = account?.subscription.tier.name === sold.name;
          // What the tenant has may be another version than what is sold now, and have limits of its own.
          const tier = isCurrent && account ? account.subscription.tier : sold;
          const price = choice.priceFor(sold);
          const action = account ? actionOf(sold, price, account) : null;
          const isTrial = account ? action === 'TRY' : sold.trialDays > 0;
          const details = tierDetails?.(tier);
          return (
            <PriceCard
              key={sold.name}
              name={tier.displayName}
              heading={heading}
              badge={details?.badge ?? badgeOf(sold)}
              description={details?.description ?? tier.description}
              {...words.priceOf(tier, choice.shownPrice(sold))}
              note={
                details?.note ?? (isTrial && texts.trial(words.days(tier.trialDays), tier.trialRequiresCard))
              }
              action={
                account && action ? (
                  <TierButton
                    {...{ account, action, price, departure, buy, supportUrl }}
                    tier={sold}
                    open={setOpened}
                    onSelect={props.onSelect}
                  />
                ) : (
                  <PublicButton
                    tier={sold}
                    price={price}
                    supportUrl={supportUrl}
                    href={props.tierHref}
                    onSelect={props.onSelect}
                  />
                )
              }
              amounts={words.amountsOf(tier, details?.amounts)}
              features={[...tier.featureNames, ...(details?.features ?? [])]}
              foot={tier.support && texts.support(tier.support)}
              current={isCurrent}
              highlighted={sold.name === highlightedTier}
            />
          );
        })}
      </ul>
      {account && opened && (
        <OpenedDialog
          opened={opened}
          account={account}
          price={choice.priceFor(opened.tier)}
          say={say}
          onClose={() => setOpened(null)}
          onBuy={(seats) => buy(opened.tier, choice.priceFor(opened.tier), seats)}
        />
      )}
    </>
  );
}

function OpenedDialog({
  opened,
  price,
  onBuy,
  ...common
}: {
  opened: Opened;
  account: Account;
  price: TierPrice | null;
  say(text: string): void;
  onClose(): void;
  onBuy(seats: number): Promise<unknown>;
}) {
  const { dialog, tier, action } = opened;
  switch (dialog) {
    case 'change':
      return <ChangeDialog {...common} tier={tier} price={price} isUpgrade={action === 'UPGRADE'} />;
    case 'buy':
      return price && <BuyDialog tier={tier} price={price} onBuy={onBuy} onClose={common.onClose} />;
    case 'keep':
      return <KeepDialog {...common} />;
    case 'cancel':
      return <CancelDialog {...common} />;
    case 'seats':
      return <SeatsDialog {...common} />;
  }
}

/** What a person who is not signed in can do with a tier. */
function PublicButton({
  tier,
  price,
  supportUrl,
  href,
  onSelect,
}: {
  tier: Tier;
  price: TierPrice | null;
  supportUrl: string | null;
  href: PricingTableProps['tierHref'];
  onSelect: PricingTableProps['onSelect'];
}) {
  const { texts } = useBillingContext();
  const variant = tier.checkout === 'NONE' ? 'secondary' : 'primary';
  if (tier.checkout === 'CONTACT_SALES')
    return supportUrl && <ButtonAnchor href={supportUrl}>{texts.contact}</ButtonAnchor>;
  if (onSelect)
    return (
      <Button variant={variant} onClick={() => onSelect(tier, price)}>
        {texts.choose(tier.displayName)}
      </Button>
    );
  const link = href?.(tier);
  return (
    link && (
      <ButtonAnchor href={link} variant={variant}>
        {texts.choose(tier.displayName)}
      </ButtonAnchor>
    )
  );
}

/** What a tenant can do with a tier. */
function TierButton({
  tier,
  price,
  account,
  action,
  departure,
  supportUrl,
  buy,
  open,
  onSelect,
}: {
  tier: Tier;
  price: TierPrice | null;
  account: Account;
  action: TierAction;
  departure: Departure;
  supportUrl: string | null;
  buy(tier: Tier, price: TierPrice | null, seats: number | null): Promise<unknown>;
  open(opened: Opened): void;
  onSelect: PricingTableProps['onSelect'];
}) {
  const { texts } = useBillingContext();
  const words = useWords();
  const { subscription: plan } = account;
  const name = tier.displayName;
  const isDue = isPaid(plan) && !isChangeable(plan);
  const cycle = plan.tier.name === tier.name && price ? texts.cycle(price) : null;
  const choose = (dialog: Opened['dialog']) => () =>
    onSelect && dialog !== 'cancel' ? onSelect(tier, price) : open({ dialog, tier, action });
  switch (action) {
    case 'BUY':
    case 'TRY':
      return (
        <Button
          variant="primary"
          pending={departure.leaving === tier.name}
          // What went wrong is shown above the cards.
          onClick={
            price?.perSeat || onSelect ? choose('buy') : () => buy(tier, price, null).catch(() => undefined)
          }
        >
          {action === 'TRY' ? texts.try(name, words.days(tier.trialDays)) : texts.buy(name)}
        </Button>
      );
    case 'UPGRADE':
    case 'DOWNGRADE': {
      const verb = price?.perSeat ? texts.change : action === 'UPGRADE' ? texts.upgrade : texts.downgrade;
      return (
        <Button
          variant={action === 'UPGRADE' ? 'primary' : 'secondary'}
          disabled={isDue}
          onClick={choose('change')}
        >
          {cycle ? texts.pay(cycle) : verb(name)}
        </Button>
      );
    }
    case 'CURRENT':
      return (
        isPaid(plan) &&
        !fixedReason(account) && (
          <>
            {plan.price?.perSeat && (
              <Button disabled={isDue} onClick={() => open({ dialog: 'seats', tier, action })}>
                {texts.changeSeats}
              </Button>
            )}
            <Button variant="ghost" onClick={() => open({ dialog: 'cancel', tier, action })}>
              {texts.cancel(name)}
            </Button>
          </>
        )
      );
    case 'KEEP':
      return (
        <Button variant="primary" onClick={() => open({ dialog: 'keep', tier, action })}>
          {texts.keep(name)}
        </Button>
      );
    case 'CONTACT':
      return supportUrl && <ButtonAnchor href={supportUrl}>{texts.contact}</ButtonAnchor>;
    case 'NONE':
      return null;
  }
}
