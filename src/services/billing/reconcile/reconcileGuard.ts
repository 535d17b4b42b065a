import type { ReconcileRunDoc } from '../../../models/reconcileRun.js';

/** How many subscriptions that grant a tier would end, and how many Stripe does not show. */
export type Threats = Pick<ReconcileRunDoc, 'ends' | 'unseen'>;

/** So many subscriptions would end that the key is probably wrong. */
export class ReconcileStopped extends Error {
  constructor(
    run: ReconcileRunDoc,
    readonly counted: Threats,
  ) {
    super(stopReasonOf(run, counted));
  }
}

/** The most that may end in one run: this number or this share of all that grant a tier, whichever is more. */
const MAX_ENDS = 5;
const MAX_ENDS_SHARE = 0.01;

/** Many missed endings at once, or a Stripe account that shows no stored subscription, mean a wrong key. */
export function isTooMany({ giving }: ReconcileRunDoc, { ends, unseen }: Threats): boolean {
  const threatened = ends + unseen;
  return (threatened > MAX_ENDS && threatened > MAX_ENDS_SHARE * giving) || (giving > 0 && unseen >= giving);
}

export const stopReasonOf = ({ giving }: ReconcileRunDoc, { ends, unseen }: Threats): string =>
  `Of ${giving} subscriptions that grant a tier, at least ${ends} would end and ${unseen} are not shown by Stripe. ` +
  'Nothing more was changed: check that STRIPE_SECRET_KEY belongs to the right account and mode. ' +
  'To continue anyway, run npx continuum-billing stripe reconcile --force; subscriptions that Stripe does not show are kept in any case';
