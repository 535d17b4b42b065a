import { useState } from 'react';
import {
  Badge,
  Button,
  ButtonAnchor,
  Callout,
  formatCount,
  formatDay,
  PriceCards,
  Stack,
} from '../../design/index.js';
import { type Cycle, cycleLabel, cyclesOf, type Price, priceAt } from '../../prices/prices.js';
import { supportOf, useBrand } from '../brand.js';
import { CycleSwitch } from '../plans/CycleSwitch.js';
import { TierCard } from '../plans/TierCard.js';
import { type Tier, trialText } from '../plans/tierTerms.js';
import { type StripePages, showError } from './actions.js';
import type { Account } from './documents.js';
import { CancelDialog, ChangeDialog, KeepDialog } from './PlanDialogs.js';
import { actionOf, endOf, fixedReason, isChangeable, isPaid, type TierAction } from './planState.js';
import { BuyDialog, SeatsDialog } from './SeatDialogs.js';

interface Choice {
  tier: Tier;
  price: Price | null;
  action: TierAction;
}

export function Plans({
  account,
  pages,
  onChanged,
}: {
  account: Account;
  pages: StripePages;
  onChanged(): Promise<unknown>;
}) {
  const brand = useBrand();
  const support = supportOf(brand);
  const { subscription: plan, tiers, tenant } = account;
  const [choice, setChoice] = useState<Choice | null>(null);
  const [opened, setOpened] = useState<'cancellation' | 'seats' | null>(null);
  const [chosenCycle, setCycle] = useState<Cycle | null>(null);
  const cycle = chosenCycle ?? plan.price;
  const priceFor = (tier: Tier) => priceAt(tier, cycle, plan.price?.currency);
  const close = () => {
    setChoice(null);
    setOpened(null);
  };
  const due = isPaid(plan) && !isChangeable(plan);
  const common = { open: true, onClose: close, account, onChanged };

  function buttonOf(tier: Tier) {
    const price = priceFor(tier);
    const action = actionOf(tier, price, account);
    const isCurrent = plan.tier.name === tier.name;
    const often = isCurrent && price ? cycleLabel(price).toLowerCase() : null;
    const name = tier.displayName;
    const choose = () => setChoice({ tier, price, action });
    switch (action) {
      case 'BUY':
      case 'TRY':
        return (
          <Button
            variant="primary"
            pending={pages.leaving === tier.name}
            onClick={() => (price?.perSeat ? choose() : pages.buy(tier.name, price).catch(showError))}
          >
            {action === 'TRY' ? `Try ${name} for ${formatCount(tier.trialDays, 'day')}` : `Buy ${name}`}
          </Button>
        );
      case 'UPGRADE':
        return (
          <Button variant="primary" disabled={due} onClick={choose}>
            {often ? `Pay ${often}` : `${price?.perSeat ? 'Change' : 'Upgrade'} to ${name}`}
          </Button>
        );
      case 'DOWNGRADE':
        return (
          <Button disabled={due} onClick={choose}>
            {often ? `Pay ${often}` : `${price?.perSeat ? 'Change' : 'Downgrade'} to ${name}`}
          </Button>
        );
      case 'CURRENT':
        return (
          isPaid(plan) &&
          !fixedReason(account) && (
            <>
              {plan.price?.perSeat && (
                <Button disabled={due} onClick={() => setOpened('seats')}>
                  Change seats
                </Button>
              )}
              <Button variant="ghost" onClick={() => setOpened('cancellation')}>
                Cancel {name}
              </Button>
            </>
          )
        );
      case 'KEEP':
        return (
          <Button variant="primary" onClick={choose}>
            Keep {name}
          </Button>
        );
      case 'CONTACT':
        return support && <ButtonAnchor href={support.href}>Contact us</ButtonAnchor>;
      default:
        return null;
    }
  }

  function badgeOf(tier: Tier) {
    if (plan.tier.name === tier.name) return <Badge tone="accent">Your plan</Badge>;
    const from =
      plan.scheduledTier === tier.name ? plan.scheduledAt : tier.checkout === 'NONE' ? endOf(plan) : null;
    return from && <Badge>From {formatDay(from)}</Badge>;
  }

  return (
    <section aria-labelledby="plans">
      <Stack tight>
        <h2 id="plans" tabIndex={-1}>
          Plans
        </h2>
        {fixedReason(account) && (
          <Callout title="Changes of this plan are arranged with us">
            {support
              ? `Write to ${brand.productName} to change it.`
              : `Ask ${brand.productName} to change it.`}
          </Callout>
        )}
        {!fixedReason(account) && <CycleSwitch cycles={cyclesOf(tiers)} value={cycle} onChange={setCycle} />}
        <PriceCards label="Plans">
          {tiers.map((tier) => {
            const isCurrent = plan.tier.name === tier.name;
            // What the tenant has may be another version than what is sold now, and have limits of its own.
            const shown = isCurrent ? plan.tier : tier;
            return (
              <TierCard
                key={tier.name}
                tier={shown}
                price={isCurrent && plan.price && !chosenCycle ? plan.price : priceFor(tier)}
                current={isCurrent}
                badge={badgeOf(tier)}
                note={actionOf(tier, priceFor(tier), account) === 'TRY' && trialText(tier)}
                action={buttonOf(tier)}
              />
            );
          })}
        </PriceCards>
      </Stack>
      {choice && (choice.action === 'UPGRADE' || choice.action === 'DOWNGRADE') && (
        <ChangeDialog
          {...common}
          tenantId={tenant.id}
          tier={choice.tier}
          price={choice.price}
          upgrade={choice.action === 'UPGRADE'}
        />
      )}
      {choice?.price && (choice.action === 'BUY' || choice.action === 'TRY') && (
        <BuyDialog tier={choice.tier} price={choice.price} pages={pages} onClose={close} />
      )}
      {opened === 'seats' && <SeatsDialog {...common} tenantId={tenant.id} />}
      {opened === 'cancellation' && <CancelDialog {...common} tenantId={tenant.id} />}
      {choice?.action === 'KEEP' && <KeepDialog {...common} tenantId={tenant.id} />}
    </section>
  );
}
