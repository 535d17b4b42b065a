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
import { supportOf, useBrand } from '../brand.js';
import { TierCard } from '../plans/TierCard.js';
import { type Tier, trialText } from '../plans/tierTerms.js';
import type { StripePages } from './actions.js';
import type { Account } from './documents.js';
import { CancelDialog, ChangeDialog, KeepDialog } from './PlanDialogs.js';
import { actionOf, endOf, fixedReason, isChangeable, isPaid, type TierAction } from './planState.js';

interface Choice {
  tier: Tier;
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
  const [canceling, setCanceling] = useState(false);
  const close = () => {
    setChoice(null);
    setCanceling(false);
  };
  const due = isPaid(plan) && !isChangeable(plan);
  const common = { open: true, onClose: close, account, onChanged };

  function buttonOf(tier: Tier) {
    const action = actionOf(tier, account);
    const name = tier.displayName;
    const choose = () => setChoice({ tier, action });
    switch (action) {
      case 'BUY':
      case 'TRY':
        return (
          <Button
            variant="primary"
            pending={pages.leaving === tier.name}
            onClick={() => pages.buy(tier.name)}
          >
            {action === 'TRY' ? `Try ${name} for ${formatCount(tier.trialDays, 'day')}` : `Buy ${name}`}
          </Button>
        );
      case 'UPGRADE':
        return (
          <Button variant="primary" disabled={due} onClick={choose}>
            Upgrade to {name}
          </Button>
        );
      case 'DOWNGRADE':
        return (
          <Button disabled={due} onClick={choose}>
            Downgrade to {name}
          </Button>
        );
      case 'CURRENT':
        return (
          isPaid(plan) &&
          !fixedReason(account) && (
            <Button variant="ghost" onClick={() => setCanceling(true)}>
              Cancel {name}
            </Button>
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
        <PriceCards label="Plans">
          {tiers.map((tier) => {
            const isCurrent = plan.tier.name === tier.name;
            // What the tenant has may be another version than what is sold now, and have limits of its own.
            const shown = isCurrent ? plan.tier : tier;
            return (
              <TierCard
                key={tier.name}
                tier={shown}
                current={isCurrent}
                badge={badgeOf(tier)}
                note={actionOf(tier, account) === 'TRY' && trialText(tier)}
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
          upgrade={choice.action === 'UPGRADE'}
        />
      )}
      {canceling && <CancelDialog {...common} tenantId={tenant.id} />}
      {choice?.action === 'KEEP' && <KeepDialog {...common} tenantId={tenant.id} />}
    </section>
  );
}
