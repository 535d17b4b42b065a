import type { ReconcileRunDoc } from '../../../models/reconcileRun.js';

/** How many subscriptions that give a tier would end, and how many Stripe does not show. */
export type Threats = Pick<ReconcileRunDoc, 'ends' | 'unseen'>;

/** Too many subscriptions would end for it to be true. */
export class Stopped extends Error {
  constructor(
    run: ReconcileRunDoc,
    readonly counted: Threats,
  ) {
    super(stopReasonOf(run, counted));
  }
}

/** So many may end in one run, or this share of all that give a tier, whichever is more. */
const MAX_ENDS = 5;
const MAX_ENDS_SHARE = 0.01;

/** More than a few ended while nobody heard of it, or Stripe shows none of what is stored: rather the key is wrong. */
export function isTooMany({ giving }: ReconcileRunDoc, { ends, unseen }: Threats): boolean {
  const threatened = ends + unseen;
  return (threatened > MAX_ENDS && threatened > MAX_ENDS_SHARE * giving) || (giving > 0 && unseen >= giving);
}

export const stopReasonOf = ({ giving }: ReconcileRunDoc, { ends, unseen }: Threats): string =>
  `Of ${giving} subscriptions that give a tier, at least ${ends} would end and ${unseen} are not shown by Stripe. ` +
  'Is STRIPE_SECRET_KEY of the wrong account, or the wrong mode? Nothing more is changed. ' +
  'Run npm run reconcile -- --force to go on; what Stripe does not show is kept even so';
