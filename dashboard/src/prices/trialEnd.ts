import type { TrialEndWithoutCard } from '../generated/graphql.js';

/** What happens at the end of a trial that nobody can pay for. Stripe asks for the payment where the checkout asked for a card. */
export const endWithoutCard = ({
  trialRequiresCard,
  trialEndWithoutCard,
}: {
  trialRequiresCard: boolean;
  trialEndWithoutCard: TrialEndWithoutCard;
}): TrialEndWithoutCard => (trialRequiresCard ? 'INVOICE' : trialEndWithoutCard);
