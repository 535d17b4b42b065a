import type { TierDefinition } from '../../../catalogue/catalogue.js';
import { type BillingSubscriptionDoc, GRANTING } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import { systemAuthor } from '../../audit/author.js';
import type { Tiers } from '../../tiers/tiers.js';
import { describeFailure } from '../stripe/stripeErrors.js';
import type { TierChangePreview, TierChanges } from './tierChanges.js';

/** Moves the subscriptions of retired tiers to the tiers that succeed them, each when its period ends. */
export interface Successions {
  /**
   * A subscription that is moved already, that ends, or for which its tenant has chosen another tier, is left alone: a run
   * that was interrupted is resumed by starting it again.
   * @param run.dryRun whether only previews are made
   * @param run.onProgress called for each subscription
   */
  run(run: { dryRun: boolean; onProgress(progress: SuccessionProgress): void }): Promise<void>;
}

export interface SuccessionProgress {
  /** Of so many subscriptions, so many have been looked at. */
  total: number;
  done: number;
  succession: Succession;
}

/** What becomes of one subscription. */
export interface Succession {
  tenantId: string;
  /** The names of the tiers, as clients know them. */
  from: string;
  to: string;
  /** null if it was not moved. */
  preview: TierChangePreview | null;
  /** Why it was not moved; null if it was. */
  problem: string | null;
}

/** Stripe takes so many requests at once without a wait. */
const AT_ONCE = 4;

export function createSuccessions(deps: {
  models: Models;
  tiers: Tiers;
  tierChanges: TierChanges;
}): Successions {
  const { models, tiers, tierChanges } = deps;

  const subscriptionsOf = (tier: string) => ({
    tier,
    status: { $in: [...GRANTING] },
    cancelAtPeriodEnd: false,
    cancelAt: null,
    scheduledTier: null,
  });

  function problemWith({ status, contract }: BillingSubscriptionDoc): string | null {
    if (contract !== null) return 'it is a contract, which keeps its tier until you end it';
    if (status === 'trialing') return 'it is on trial: run this again when the trial is over';
    if (status === 'past_due') return 'a payment is due: run this again when it is paid';
    return null;
  }

  async function move(subscription: BillingSubscriptionDoc, successor: string, dryRun: boolean) {
    const { _id: tenantId, tier } = subscription;
    const moved = { tenantId, from: tiers.publicNameOf(tier), to: tiers.publicNameOf(successor) };
    const problem = problemWith(subscription);
    if (problem) return { ...moved, preview: null, problem };
    // The operator decides, so a successor may be hidden.
    const wanted = { tier: successor, immediately: false, atPeriodEnd: true, byOperator: true };
    try {
      const preview = await tierChanges.preview(tenantId, wanted);
      if (!dryRun) await tierChanges.change(tenantId, wanted, systemAuthor('catalogue'));
      return { ...moved, preview, problem: null };
    } catch (error) {
      return { ...moved, preview: null, problem: describeFailure(error) };
    }
  }

  return {
    async run({ dryRun, onProgress }) {
      const retired = tiers
        .all()
        .filter((tier): tier is TierDefinition & { successor: string } => tier.successor !== null);
      const counts = await Promise.all(
        retired.map(({ name }) => models.billingSubscriptions.countDocuments(subscriptionsOf(name))),
      );
      const total = counts.reduce((sum, count) => sum + count, 0);
      let done = 0;
      for (const { name, successor } of retired) {
        for (let after = ''; ; ) {
          const page = await models.billingSubscriptions
            .find({ ...subscriptionsOf(name), _id: { $gt: after } })
            .sort({ _id: 1 })
            .limit(AT_ONCE)
            .lean<BillingSubscriptionDoc[]>();
          const moved = await Promise.all(page.map((one) => move(one, successor, dryRun)));
          for (const succession of moved) onProgress({ total, done: ++done, succession });
          const last = page.at(-1);
          if (!last) break;
          after = last._id;
        }
      }
    },
  };
}
