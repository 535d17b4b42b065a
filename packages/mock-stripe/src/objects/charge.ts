import { mockId } from '../ids.js';
import type { Kind } from '../storage/store.js';
import { type ChargeBody, type DisputeBody, idOf } from '../wire.js';

/** Only requests create charges: payments of invoices are not stored as charges. */
export const charges: Kind<ChargeBody> = {
  object: 'charge',
  prefix: 'ch',
  refs: ({ customer }) => ({ customer: idOf(customer) ?? '' }),
};

export const disputes: Kind<DisputeBody> = {
  object: 'dispute',
  prefix: 'du',
  refs: () => ({}),
};

export interface ChargeTerms {
  amount: number;
  currency: string;
  customer: string;
  description: string | null;
  metadata: Record<string, string>;
}

export function buildCharge(terms: ChargeTerms, nowS: number): ChargeBody {
  return {
    id: mockId(charges.prefix),
    object: 'charge',
    ...terms,
    amount_captured: terms.amount,
    amount_refunded: 0,
    captured: true,
    created: nowS,
    disputed: false,
    livemode: false,
    paid: true,
    refunded: false,
    status: 'succeeded',
  };
}

const EVIDENCE_S = 7 * 86_400;

export function buildDispute({ id, amount, currency }: ChargeBody, nowS: number): DisputeBody {
  return {
    id: mockId(disputes.prefix),
    object: 'dispute',
    amount,
    charge: id,
    created: nowS,
    currency,
    is_charge_refundable: true,
    livemode: false,
    metadata: {},
    reason: 'fraudulent',
    status: 'needs_response',
    evidence_details: {
      due_by: nowS + EVIDENCE_S,
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0,
      submission_method: 'manual',
    },
  };
}
